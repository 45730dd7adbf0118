// Fills rings for the benches. Run with BPF_PROG_TEST_RUN, so nothing on the system is hooked.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct small {
    unsigned long long seq;
    unsigned long long check;
};

struct middle {
    unsigned long long seq;
    unsigned long long words[7];
};

// A typical record about a process.
struct large {
    unsigned long long seq;
    unsigned int pid;
    unsigned int ppid;
    unsigned long long start;
    char comm[16];
    char filename[128];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} smalls SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} middles SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} larges SEC(".maps");

// Records of each kind, in an order without a pattern.
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} mixed SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, 4);
    __uint(value_size, 4);
} events SEC(".maps");

struct value {
    unsigned long long words[4];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 200000);
    __type(key, unsigned int);
    __type(value, struct value);
} table SEC(".maps");

const volatile struct small *__eunomia_dummy_small_ptr __attribute__((unused));
const volatile struct middle *__eunomia_dummy_middle_ptr __attribute__((unused));
const volatile struct large *__eunomia_dummy_large_ptr __attribute__((unused));

// Totals of all records since the object was loaded.
unsigned long long sent;
unsigned long long sum;
unsigned long long larges_dropped;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct loop {
    unsigned long long state;
    void *ctx;
};

static __always_inline void count(unsigned long long seq)
{
    sent++;
    sum += seq;
}

#define SEND(ring, type, seq_)                                                  \
    ({                                                                          \
        struct type *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);   \
        if (record) {                                                           \
            record->seq = seq_;                                                 \
            bpf_ringbuf_submit(record, 0);                                      \
            count(seq_);                                                        \
        }                                                                       \
        record != 0;                                                            \
    })

static int small_one(unsigned int i, struct loop *loop)
{
    return !SEND(smalls, small, i);
}

static int middle_one(unsigned int i, struct loop *loop)
{
    return !SEND(middles, middle, i);
}

static int large_one(unsigned int i, struct loop *loop)
{
    return !SEND(larges, large, i);
}

static int mixed_one(unsigned int i, struct loop *loop)
{
    loop->state ^= loop->state << 13;
    loop->state ^= loop->state >> 7;
    loop->state ^= loop->state << 17;
    switch (loop->state % 3) {
    case 0:
        return !SEND(mixed, small, i);
    case 1:
        return !SEND(mixed, middle, i);
    default:
        return !SEND(mixed, large, i);
    }
}

// Continues if the ring is full, since the reader frees space.
static int stream_one(unsigned int i, struct loop *loop)
{
    if (!SEND(larges, large, i))
        larges_dropped++;
    return 0;
}

static int perf_one(unsigned int i, struct loop *loop)
{
    struct large large = { .seq = i };

    bpf_perf_event_output(loop->ctx, &events, BPF_F_CURRENT_CPU, &large, sizeof(large));
    return 0;
}

static int entry_one(unsigned int i, struct loop *loop)
{
    struct value value = { .words = { i, 1, 2, 3 } };

    bpf_map_update_elem(&table, &i, &value, BPF_ANY);
    return 0;
}

// Each program takes the number of records as its first argument.
#define PROGRAM(name, one)                                                      \
    SEC("raw_tp/sys_enter")                                                     \
    int name(unsigned long long *ctx)                                           \
    {                                                                           \
        struct loop loop = { .state = 0x9e3779b97f4a7c15, .ctx = ctx };         \
        bpf_loop(ctx[0], one, &loop, 0);                                        \
        return 0;                                                               \
    }

PROGRAM(fill_small, small_one)
PROGRAM(fill_middle, middle_one)
PROGRAM(fill_large, large_one)
PROGRAM(fill_mixed, mixed_one)
PROGRAM(stream_large, stream_one)
PROGRAM(fill_perf, perf_one)
PROGRAM(fill_table, entry_one)
