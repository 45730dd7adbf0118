// Records of several types in one map, with a tag member. Run with BPF_PROG_TEST_RUN.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "repeat.h"

enum kind {
    KIND_OPEN = 1,
    KIND_READ,
    KIND_WRITE,
    KIND_CLOSE = 0x80000000,
};

struct open_event {
    enum kind kind;
    unsigned int pid;
    unsigned long long seq;
    char path[32];
};

// The record of reads and writes.
struct data_event {
    struct {
        enum kind kind;
        unsigned int pid;
    };
    unsigned long long seq;
    unsigned long long offset;
    unsigned int size;
    unsigned char bytes[];
};

// Its name is that of the variant for all other records.
struct unknown {
    unsigned int kind;
    unsigned int pid;
    unsigned long long seq;
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1024 * 1024);
} files SEC(".maps");

struct header {
    unsigned short version;
    signed short kind;
};

struct ping {
    struct header header;
    unsigned int seq;
};

struct pong {
    struct header header;
    unsigned int seq;
    unsigned long long sum;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, 4);
    __uint(value_size, 4);
} balls SEC(".maps");

// Members that cannot be a tag.
struct untagged {
    unsigned int pid;
    enum kind kind;
    unsigned int bits : 4;
    char text[8];
};

const volatile struct open_event *__eunomia_dummy_open_event_ptr __attribute__((unused));
const volatile struct data_event *__eunomia_dummy_data_event_ptr __attribute__((unused));
const volatile struct unknown *__eunomia_dummy_unknown_ptr __attribute__((unused));
const volatile struct ping *__eunomia_dummy_ping_ptr __attribute__((unused));
const volatile struct pong *__eunomia_dummy_pong_ptr __attribute__((unused));
const volatile struct untagged *__eunomia_dummy_untagged_ptr __attribute__((unused));

// Numbers of records: opens, reads, writes, closes, other kinds, no kind, and short opens.
unsigned long long sent[7];

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct loop {
    unsigned long long state;
    unsigned long long start;
    void *ctx;
};

static __always_inline void file_one(unsigned int round, struct loop *loop)
{
    unsigned int i = loop->start + round;
    struct open_event open = { .kind = KIND_OPEN, .pid = i, .seq = ~(unsigned long long)i, .path = "/etc/passwd" };
    // With the items of the flexible array.
    union {
        struct data_event event;
        unsigned char bytes[40];
    } data = { .event = { .kind = KIND_READ, .pid = i, .seq = ~(unsigned long long)i, .offset = i, .size = 4 } };
    struct unknown close = { .kind = KIND_CLOSE, .pid = i, .seq = ~(unsigned long long)i };
    unsigned int which;
    long error;

    loop->state ^= loop->state << 13;
    loop->state ^= loop->state >> 7;
    loop->state ^= loop->state << 17;
    which = loop->state % 7;
    switch (which) {
    case 0:
        error = bpf_ringbuf_output(&files, &open, sizeof(open), 0);
        break;
    case 1:
    case 2:
        data.event.kind = which == 1 ? KIND_READ : KIND_WRITE;
        __builtin_memset(data.bytes + __builtin_offsetof(struct data_event, bytes), 7, 4);
        error = bpf_ringbuf_output(&files, &data, sizeof(data), 0);
        break;
    case 3:
        error = bpf_ringbuf_output(&files, &close, sizeof(close), 0);
        break;
    case 4:
        close.kind = 77;
        error = bpf_ringbuf_output(&files, &close, sizeof(close), 0);
        break;
    case 5:
        error = bpf_ringbuf_output(&files, &close, sizeof(close.kind) - 1, 0);
        break;
    default:
        error = bpf_ringbuf_output(&files, &open, sizeof(open) - sizeof(open.path) - 1, 0);
    }
    // clang would know the bound from the cases, but the verifier would not.
    barrier_var(which);
    if (!error && which < 7)
        sent[which]++;
}

static __always_inline void ball_one(unsigned int round, struct loop *loop)
{
    unsigned int i = loop->start + round;
    struct ping ping = { .header = { .version = 1, .kind = -1 }, .seq = i };
    struct pong pong = { .header = { .version = 1, .kind = 1 }, .seq = i, .sum = ~(unsigned long long)i };

    if (i % 3)
        bpf_perf_event_output(loop->ctx, &balls, BPF_F_CURRENT_CPU, &ping, sizeof(ping));
    else
        bpf_perf_event_output(loop->ctx, &balls, BPF_F_CURRENT_CPU, &pong, sizeof(pong));
}

// Arguments: the number of records, at most 64; a seed for the order of their types, not 0;
// and the number of the first record.
SEC("raw_tp/sys_enter")
int send_files(unsigned long long *ctx)
{
    struct loop loop = { .state = ctx[1], .start = ctx[2] };

    repeat(ctx[0], file_one, &loop);
    return 0;
}

SEC("raw_tp/sys_enter")
int send_balls(unsigned long long *ctx)
{
    struct loop loop = { .start = ctx[2], .ctx = ctx };

    repeat(ctx[0], ball_one, &loop);
    return 0;
}
