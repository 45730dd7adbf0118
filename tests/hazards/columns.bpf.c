// Fields whose names collide in columns, and every access inside arrays, unions and packed structs.
#include "hazard.h"

enum mode { OFF, ON };
union either {
    u32 word;
    char text[4];
    u8 bytes[4];
    struct { char name[2]; u16 port; } local;
};
struct item {
    char name[5];
    bool set;
    enum mode modes[2];
    union either either;
    u32 low : 3, high : 9;
    void *at;
    struct { short x, y[2]; } inner[2];
};
struct tight {
    u8 id;
    struct item item;
    struct item items[2];
    union either either;
    enum mode mode;
    void *pointers[2];
} __attribute__((packed));
// Names that the batch and its fields have.
struct event_batch { int len; };
struct Columns { int a; };

struct event {
    int a_b;
    struct { int b; int b_2; } a;
    struct { struct { int b; } a; } a_;
    struct event_batch len;
    struct Columns is_empty, each, extend, clear, push, events, value, row, type, self;
    struct item items[2][3];
    struct tight tight, tights[2];
    union { struct tight shared; u64 words[3]; union either either[2]; };
    bool flags[2][2];
    enum mode modes[3];
    void *pointers[2][1];
    char lines[3][2][7];
    struct {} nothing;
    struct {} nothings[4];
    int none[0];
    unsigned __int128 wide[2];
};
const volatile struct event *__eunomia_dummy_event_ptr;

struct {
    __uint(type, RINGBUF);
    __uint(max_entries, 4096);
} rb SEC(".maps");

SEC("raw_tp/x") int prog(void *ctx) { return 0; }
