// Producers for the readers. Run with BPF_PROG_TEST_RUN, so nothing on the system is hooked.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "repeat.h"

struct sample {
    unsigned long long seq;
    unsigned long long check;
    unsigned int producer;
    unsigned int len;
    unsigned char payload[40];
};

struct note {
    unsigned int code;
    char text[20];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 64 * 1024);
} rb SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} notes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, 4);
    __uint(value_size, 4);
} events SEC(".maps");

const volatile struct sample *__eunomia_dummy_sample_ptr __attribute__((unused));
const volatile struct note *__eunomia_dummy_note_ptr __attribute__((unused));

unsigned long long sent;
unsigned long long refused;

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

static __always_inline void fill(struct sample *sample, struct loop *loop, unsigned long long i)
{
    sample->seq = loop->args.start + i;
    sample->check = ~sample->seq;
    sample->producer = loop->args.producer;
    sample->len = sizeof(*sample);
    __builtin_memset(sample->payload, (unsigned char)sample->seq, sizeof(sample->payload));
}

static __always_inline struct sample *reserve(void)
{
    struct sample *sample = bpf_ringbuf_reserve(&rb, sizeof(*sample), 0);

    if (!sample)
        __sync_fetch_and_add(&refused, 1);
    return sample;
}

static __always_inline int produce_one(unsigned int i, struct loop *loop)
{
    struct sample *sample = reserve();

    if (!sample)
        return 0;
    fill(sample, loop, i);
    bpf_ringbuf_submit(sample, 0);
    __sync_fetch_and_add(&sent, 1);
    return 0;
}

// Submits `count` samples; each of these programs sends at most 64.
SEC("raw_tp/produce")
int produce(struct args *args)
{
    struct loop loop = { .args = *args };

    repeat(args->count, produce_one, &loop);
    return 0;
}

static __always_inline int mix_one(unsigned int i, struct loop *loop)
{
    unsigned char longer[sizeof(struct sample) + 12] = {};
    struct sample *sample;

    switch (i % 4) {
    case 0:
        return produce_one(i, loop);
    case 1:
        sample = reserve();
        if (sample)
            bpf_ringbuf_discard(sample, 0);
        break;
    case 2:
        bpf_ringbuf_output(&rb, longer, sizeof(*sample) - sizeof(sample->payload) - 1, 0);
        break;
    default:
        fill((struct sample *)longer, loop, i);
        if (bpf_ringbuf_output(&rb, longer, sizeof(longer), 0) == 0)
            __sync_fetch_and_add(&sent, 1);
    }
    return 0;
}

// Sends in turn a sample, a discarded one, one too short, and one with bytes after the sample.
SEC("raw_tp/mixture")
int mixture(struct args *args)
{
    struct loop loop = { .args = *args };

    repeat(args->count, mix_one, &loop);
    return 0;
}

// Submits one note.
SEC("raw_tp/annotate")
int annotate(struct args *args)
{
    struct note *note = bpf_ringbuf_reserve(&notes, sizeof(*note), 0);

    if (!note)
        return 1;
    __builtin_memset(note, 0, sizeof(*note));
    note->code = args->start;
    __builtin_memcpy(note->text, "noted", 6);
    bpf_ringbuf_submit(note, 0);
    return 0;
}

static __always_inline int output_one(unsigned int i, struct loop *loop)
{
    struct sample sample = {};

    fill(&sample, loop, i);
    if (bpf_perf_event_output(loop->ctx, &events, BPF_F_CURRENT_CPU, &sample, sizeof(sample)) == 0)
        __sync_fetch_and_add(&sent, 1);
    else
        __sync_fetch_and_add(&refused, 1);
    return 0;
}

// Writes `count` samples to the perf ring of this CPU.
SEC("raw_tp/perf")
int perf(struct args *args)
{
    struct loop loop = { .args = *args, .ctx = args };

    repeat(args->count, output_one, &loop);
    return 0;
}
