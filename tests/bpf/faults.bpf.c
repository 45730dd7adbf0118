// Producers that misbehave, and one that fills all kinds of maps. Run with BPF_PROG_TEST_RUN.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct beat {
    unsigned long long producer;
    unsigned long long seq;
    unsigned long long check;
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 256 * 1024);
} rb SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, 4);
    __uint(value_size, 4);
} events SEC(".maps");

// Sampled and cleared every few milliseconds.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, unsigned long long);
    __type(value, unsigned long long);
} table SEC(".maps");

const volatile struct beat *__eunomia_dummy_beat_ptr __attribute__((unused));

// The number of beats that found no room.
unsigned long long rb_dropped;
unsigned long long events_refused;
unsigned long long table_refused;
// The sum of the keys that found room.
unsigned long long table_sum;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct args {
    unsigned long long count;
    unsigned long long start;
    unsigned long long producer;
};

// The context of a loop; only the program itself may read its own context.
struct loop {
    struct args args;
    void *ctx;
};

static __always_inline void fill(struct beat *beat, struct args *args, unsigned long long i)
{
    beat->producer = args->producer;
    beat->seq = args->start + i;
    beat->check = ~beat->seq;
}

static int work_one(unsigned int i, struct loop *loop)
{
    struct beat *beat = bpf_ringbuf_reserve(&rb, sizeof(*beat), 0), copy;
    unsigned long long key;

    fill(&copy, &loop->args, i);
    if (beat) {
        *beat = copy;
        bpf_ringbuf_submit(beat, 0);
    } else {
        __sync_fetch_and_add(&rb_dropped, 1);
    }
    if (bpf_perf_event_output(loop->ctx, &events, BPF_F_CURRENT_CPU, &copy, sizeof(copy)))
        __sync_fetch_and_add(&events_refused, 1);
    // Each key occurs once.
    key = copy.producer << 56 | copy.seq;
    if (bpf_map_update_elem(&table, &key, &copy.check, BPF_NOEXIST))
        __sync_fetch_and_add(&table_refused, 1);
    else
        __sync_fetch_and_add(&table_sum, key);
    return 0;
}

// Writes `count` beats to each map.
SEC("raw_tp/work")
int work(struct args *args)
{
    struct loop loop = { .args = *args, .ctx = args };

    bpf_loop(args->count, work_one, &loop, 0);
    return 0;
}

static int until(unsigned int i, unsigned long long *end)
{
    return bpf_ktime_get_ns() >= *end;
}

// A single loop has too few steps.
static int loops(unsigned int i, unsigned long long *end)
{
    return bpf_loop(1 << 16, until, end, 0) < 1 << 16;
}

// Reserves a beat and holds it for `count` milliseconds before submitting it.
SEC("raw_tp/hold")
int hold(struct args *args)
{
    struct beat *beat = bpf_ringbuf_reserve(&rb, sizeof(*beat), 0);
    unsigned long long end = bpf_ktime_get_ns() + args->count * 1000000;
    struct args own = *args;

    if (!beat)
        return 1;
    bpf_loop(1 << 23, loops, &end, 0);
    fill(beat, &own, 0);
    bpf_ringbuf_submit(beat, 0);
    return 0;
}

static int cut_one(unsigned int i, struct loop *loop)
{
    struct {
        struct beat beat;
        unsigned long long more[2];
    } longer = {};
    unsigned long long size = sizeof(struct beat);

    fill(&longer.beat, &loop->args, i);
    if (i % 3 == 1)
        size = sizeof(struct beat) - 12;
    if (i % 3 == 2)
        size = sizeof(longer);
    if (bpf_perf_event_output(loop->ctx, &events, BPF_F_CURRENT_CPU, &longer, size))
        __sync_fetch_and_add(&events_refused, 1);
    return 0;
}

// Sends in turn a beat, a sample that is too short, and one with bytes after the beat.
SEC("raw_tp/cut")
int cut(struct args *args)
{
    struct loop loop = { .args = *args, .ctx = args };

    bpf_loop(args->count, cut_one, &loop, 0);
    return 0;
}
