// Structs and unions with members that share bytes, are misaligned or have no name.
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#define tagged(text) __attribute__((btf_decl_tag(text)))

enum mode {
    OFF,
    ON,
    BROKEN = -1,
};

// One byte wide: BTF has the constant as 255 in 32 bits, its value here is -1.
enum __attribute__((packed)) tiny {
    TINY = -1,
    SMALL = 1,
};

struct flags {
    unsigned int version : 4;
    unsigned int : 3;
    int delta : 7;
    bool urgent : 1;
    enum mode mode : 3;
    unsigned char whole;
    unsigned long long wide : 33;
    __int128 huge : 70;
};

union address {
    unsigned int v4;
    unsigned char v6[16];
    struct {
        unsigned short port;
        char name[6];
    } local;
};

struct __attribute__((packed)) tight {
    char id;
    int number;
    long long stamps[2];
    union address address;
    enum tiny tiny;
};

struct wide {
    int first;
} __attribute__((aligned(64)));

struct empty {};

typedef struct {
    int x;
    int y;
} pair_t;

struct shapes {
    struct flags flags;
    union address from;
    struct tight tight;
    struct {
        int inner;
        union {
            int number;
            float ratio;
            struct {
                short low;
                short high;
            };
            pair_t *pair;
        };
    };
    enum {
        FIRST = 1,
        SECOND,
    } kind;
    struct {
        int depth;
    } nested[2];
    struct empty nothing;
    _Atomic int counter;
    int last tagged("checked by the reader");
    // The record continues after the struct.
    unsigned short tail[];
} tagged("one of each");

const volatile struct shapes *__eunomia_dummy_shapes_ptr __attribute__((unused));

union address address = {.v6 = {127, 0, 0, 1}};
struct tight tight = {.id = 1, .number = -2, .stamps = {3, 4}, .tiny = TINY};
struct wide aligned_to_64;
_Atomic long long total;
enum { IDLE, BUSY } state = BUSY;
struct { int width, height; } size tagged("not named") = {3, 4};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4);
    __type(key, union address);
    __type(value, struct { unsigned int hits : 20; unsigned int misses : 12; });
} hosts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} rb SEC(".maps");

// The struct followed by three items.
#define RECORD (__builtin_offsetof(struct shapes, tail) + 3 * sizeof(unsigned short))

SEC("raw_tp/send")
int send(void *ctx)
{
    struct shapes *shapes = bpf_ringbuf_reserve(&rb, RECORD, 0);
    if (!shapes)
        return 1;
    __builtin_memset(shapes, 0, RECORD);
    shapes->flags.version = 9;
    shapes->flags.delta = -40;
    shapes->flags.urgent = true;
    shapes->flags.mode = ON;
    shapes->flags.whole = 200;
    shapes->flags.wide = 0x123456789;
    shapes->flags.huge = -5;
    shapes->from.v4 = 0x01020304;
    shapes->tight.id = 'x';
    shapes->tight.number = -77;
    shapes->tight.stamps[1] = 1LL << 40;
    shapes->tight.tiny = TINY;
    shapes->inner = 5;
    shapes->ratio = 1.5;
    shapes->kind = SECOND;
    shapes->nested[1].depth = 6;
    shapes->last = 8;
    shapes->tail[0] = 10;
    shapes->tail[2] = 12;
    total += 1;
    bpf_ringbuf_submit(shapes, 0);
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
