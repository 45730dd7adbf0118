// Ring buffers and perf event arrays whose types nobody names. Each map is a case of `tests/found/`.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef unsigned int u32;
typedef unsigned long long u64;

#define RING(name) \
    struct { \
        __uint(type, BPF_MAP_TYPE_RINGBUF); \
        __uint(max_entries, 4096); \
    } name SEC(".maps")

#define PERF(name) \
    struct { \
        __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); \
        __uint(key_size, 4); \
        __uint(value_size, 4); \
    } name SEC(".maps")

#define HEAP(name, T) \
    struct { \
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
        __uint(max_entries, 1); \
        __type(key, u32); \
        __type(value, T); \
    } name SEC(".maps")

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static long (*const get_pid)(void) = (void *)BPF_FUNC_get_current_pid_tgid;

// The memory is written, so that the compiler keeps the call.
#define SEND_RESERVED(map, size) \
    ({ \
        u64 *memory = bpf_ringbuf_reserve(&map, size, 0); \
        if (memory) { \
            *memory = get_pid(); \
            bpf_ringbuf_submit(memory, 0); \
        } \
    })

// Pointers, and a variable, that no program uses.
struct start { u64 time; u32 pid, cpu; char comm[24]; };
const struct start *brings_start;
typedef struct { u64 time; u32 pid, code; } stop_t;
const stop_t *unused_stop __attribute__((unused));
struct pause { u64 time[7]; };
struct pause _pause SEC(".data.types") = {};

RING(starts);
PERF(stops);
RING(pauses);

SEC("raw_tp/pointers")
int pointers(void *ctx)
{
    stop_t stop = { .time = get_pid() };

    SEND_RESERVED(starts, 40);
    SEND_RESERVED(pauses, 56);
    bpf_perf_event_output(ctx, &stops, BPF_F_CURRENT_CPU, &stop, sizeof(stop));
    return 0;
}

// Lines that name a type. The maps bring both types of 64 bytes into BTF.
struct named { u64 words[8]; };
typedef struct { u64 other[8]; } other_t;
HEAP(of_named, struct named);
HEAP(of_other, other_t);

RING(lines);
RING(reserves);
RING(typedefs);

SEC("raw_tp/wording")
int wording(void *ctx)
{
    u64 *memory = bpf_ringbuf_reserve(&lines, sizeof(struct named), 0);
    struct named *named = bpf_ringbuf_reserve(&reserves, sizeof(*named), 0);
    u64 *other = bpf_ringbuf_reserve(&typedefs, sizeof(other_t), 0);

    if (memory) {
        *memory = get_pid();
        bpf_ringbuf_submit(memory, 0);
    }
    if (named) {
        named->words[0] = get_pid();
        bpf_ringbuf_submit(named, 0);
    }
    if (other) {
        *other = get_pid();
        bpf_ringbuf_submit(other, 0);
    }
    return 0;
}

// Records that are copied from a value of a map, and from a variable.
struct copy { u64 time; struct inner { u32 a, b, c; } inner; u32 last; };
struct tail { u32 pid; u32 length; char text[256]; };
struct padded { struct tail tail; char pad[256]; };
HEAP(of_copy, struct copy);
HEAP(of_tail, struct tail);
HEAP(of_padded, struct padded);
struct kept { u64 counts[11]; } kept;

PERF(copies);
RING(inners);
PERF(tails);
PERF(paddeds);
RING(wholes);
RING(variables);

SEC("raw_tp/copied")
int copied(void *ctx)
{
    u32 zero = 0;
    struct copy *copy = bpf_map_lookup_elem(&of_copy, &zero);
    struct tail *tail = bpf_map_lookup_elem(&of_tail, &zero);
    struct padded *padded = bpf_map_lookup_elem(&of_padded, &zero);

    if (!copy || !tail || !padded)
        return 0;
    copy->time = get_pid();
    bpf_perf_event_output(ctx, &copies, BPF_F_CURRENT_CPU, copy, sizeof(*copy));
    bpf_ringbuf_output(&inners, &copy->inner, sizeof(copy->inner), 0);
    tail->length = get_pid() & 255;
    bpf_perf_event_output(ctx, &tails, BPF_F_CURRENT_CPU, tail, 8 + (tail->length & 255));
    bpf_perf_event_output(ctx, &paddeds, BPF_F_CURRENT_CPU, padded, 8 + (tail->length & 255));
    bpf_ringbuf_output(&wholes, padded, sizeof(padded->tail), 0);
    kept.counts[0]++;
    bpf_ringbuf_output(&variables, &kept, sizeof(kept), 0);
    return 0;
}

// A function that sends through maps that it is given.
struct through { u64 words[12]; };
const struct through *brings_through;

PERF(firsts);
PERF(seconds);

static __attribute__((noinline)) long send(void *ctx, void *map, void *data, u64 size)
{
    return bpf_perf_event_output(ctx, map, BPF_F_CURRENT_CPU, data, size);
}

SEC("raw_tp/functions")
int functions(void *ctx)
{
    struct through through = { .words[1] = get_pid() };

    send(ctx, &firsts, &through, sizeof(through));
    return send(ctx, &seconds, &through, sizeof(through) - 1);
}

// Nothing is found for these.
struct one { u64 words[13]; };
struct two { u64 words[13]; };
const struct one *brings_one;
const struct two *brings_two;
struct of_kernel { u64 words[14]; } __attribute__((preserve_access_index));
const struct of_kernel *brings_kernel;
struct sized { u64 words[15]; };
const struct sized *brings_sized;
struct unlike { u64 words[16]; };
const struct unlike *brings_unlike;
struct packet { u64 words[17]; };
const struct packet *brings_packet;
struct used { u64 words[18]; };
struct used *is_used;
struct hidden { u64 words[16]; };

RING(twins);
RING(kernels);
RING(sizes);
RING(branches);
RING(unlikes);
PERF(packets);
RING(useds);
RING(alone);
RING(silent);

SEC("raw_tp/nothing")
int nothing(struct of_kernel *kernel)
{
    u64 branch = kernel->words[2] & 1 ? 120 : 104;
    static char bytes[120];

    SEND_RESERVED(twins, 104);
    SEND_RESERVED(kernels, 112);
    SEND_RESERVED(sizes, 120);
    SEND_RESERVED(sizes, 104);
    bpf_ringbuf_output(&branches, bytes, branch, 0);
    SEND_RESERVED(unlikes, sizeof(struct hidden));
    is_used = 0;
    SEND_RESERVED(useds, 144);
    SEND_RESERVED(alone, 152);
    return 0;
}

SEC("tc")
int send_packet(struct __sk_buff *skb)
{
    struct packet packet = { .words[1] = get_pid() };

    bpf_perf_event_output(skb, &packets, BPF_F_CURRENT_CPU | (u64)skb->len << 32, &packet, sizeof(packet));
    return 0;
}
