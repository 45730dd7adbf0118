// Uses the macros of eunomia.bpf.h. Run with BPF_PROG_TEST_RUN.
#include <linux/bpf.h>
#include <eunomia.bpf.h>
#include "repeat.h"

enum kind {
    KIND_OPEN = 1,
    KIND_CLOSE = 5,
};

struct open {
    enum kind kind;
    unsigned int seq;
    unsigned int address EUNOMIA_FORMAT(ip);
    int result EUNOMIA_FORMAT(errno);
    unsigned long long took EUNOMIA_FORMAT(ns);
    unsigned long long flags EUNOMIA_FORMAT(hex);
    unsigned char address6[16] EUNOMIA_FORMAT(ip);
};

struct close {
    enum kind kind;
    unsigned int seq;
};

struct tick {
    unsigned int seq;
};

// More than clang clears without a call.
struct large {
    unsigned int seq;
    unsigned char bytes[3001];
};

struct slots {
    unsigned int slots[16];
};

// One type.
EUNOMIA_RINGBUF(ticks, 4096, struct tick);

// Several types.
EUNOMIA_RINGBUF(files, 1024 * 1024,
    EUNOMIA_ONE_OF(
        EUNOMIA_WHEN(kind, KIND_OPEN, struct open)
        EUNOMIA_WHEN(kind, KIND_CLOSE, struct close)));

EUNOMIA_PERF_EVENT_ARRAY(beats, struct tick);

// Records of zeroes, in a definition by hand.
struct {
    EUNOMIA_RECORDS(BPF_MAP_TYPE_RINGBUF, struct large);
    __uint(max_entries, 65536);
} larges SEC(".maps");
EUNOMIA_DROPPED(larges);

// The program does not count what is lost here.
struct {
    EUNOMIA_RECORDS(BPF_MAP_TYPE_RINGBUF, struct tick);
    __uint(max_entries, 4096);
} uncounted SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, unsigned int);
    __type(value, struct slots);
} hists SEC(".maps")
    EUNOMIA_SAMPLE(log2_hist, 1000) EUNOMIA_UNIT("ms") EUNOMIA_CLEAR
    EUNOMIA_DESCRIPTION("How long files were open.");

const volatile unsigned int count
    EUNOMIA_HELP("Records to send") EUNOMIA_SHORT("n") EUNOMIA_LONG("records") EUNOMIA_DEFAULT(3) = 3;
const volatile unsigned int secret EUNOMIA_HIDDEN = 0;

char LICENSE[] SEC("license")
    EUNOMIA_BRIEF("Sends records.") EUNOMIA_VERSION("1.2.3") EUNOMIA_DETAILS("For tests.") = "Dual BSD/GPL";

static __always_inline void send_tick(unsigned int i, unsigned long long *args)
{
    struct tick *tick = eunomia_reserve(ticks);

    if (!tick)
        return;
    tick->seq = args[1] + i;
    eunomia_submit(tick);
}

EUNOMIA_DESCRIPTION("Sends ticks.")
SEC("raw_tp/sys_enter")
int send_ticks(unsigned long long *args)
{
    repeat(args[0], send_tick, args);
    return 0;
}

SEC("raw_tp/sys_enter")
int send_files(unsigned long long *args)
{
    struct close close = { .kind = KIND_CLOSE, .seq = args[1] };
    struct open *open = eunomia_reserve_zeroed_as(files, struct open);

    if (!open)
        return 0;
    open->kind = KIND_OPEN;
    open->seq = args[1];
    open->address = 0x0100007f;
    open->result = -2;
    open->took = 1500000;
    open->flags = 0xbeef;
    open->address6[15] = 1;
    eunomia_submit(open);
    if (bpf_ringbuf_output(&files, &close, sizeof(close), 0))
        eunomia_count_dropped(files);
    return 0;
}

SEC("raw_tp/sys_enter")
int send_beats(void *ctx)
{
    struct tick tick = { .seq = 7 };

    eunomia_perf_output(ctx, beats, &tick);
    return 0;
}

// Sends records of ones, then one of zeroes into the same memory.
SEC("raw_tp/sys_enter")
int send_larges(unsigned long long *args)
{
    struct large *large;

    if (args[0]) {
        large = eunomia_reserve(larges);
        if (!large)
            return 0;
        for (unsigned int i = 0; i < sizeof(*large) / 8; i++)
            ((volatile unsigned long long *)large)[i] = ~0ULL;
    } else {
        large = eunomia_reserve_zeroed(larges);
        if (!large)
            return 0;
    }
    large->seq = args[0];
    eunomia_submit(large);
    return 0;
}

SEC("raw_tp/sys_enter")
int send_uncounted(void *ctx)
{
    struct tick *tick = bpf_ringbuf_reserve(&uncounted, sizeof(*tick), 0);

    if (!tick)
        return 0;
    tick->seq = secret;
    bpf_ringbuf_submit(tick, 0);
    return 0;
}
