// Sends the stacks of its caller. Run with BPF_PROG_TEST_RUN, so nothing on the system is hooked.
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define DEPTH 64

struct sample {
    __u32 pid;
    __u32 cpu_id;
    char comm[16];
    __s32 kstack_sz;
    __s32 ustack_sz;
    __u64 kstack[DEPTH];
    __u64 ustack[DEPTH];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 256 * 1024);
} stacks SEC(".maps");

// Latencies, by process.
struct times {
    __u32 slots[20];
    __u64 total;
};

struct who {
    __u32 pid;
    char comm[16];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, struct who);
    __type(value, struct times);
} latency SEC(".maps");

// Counts, by depth.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64[8]);
} depths SEC(".maps");

// The number of samples that found no room.
__u64 stacks_dropped;

// The kernel has this typedef, too, also of a pointer; whether they match depends on its target.
struct page;
typedef struct page *pgtable_t;
__u32 has_pointer;

const volatile struct sample *__eunomia_dummy_sample_ptr __attribute__((unused));

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("raw_tp/eunomia")
int profile(struct bpf_raw_tracepoint_args *ctx)
{
    struct sample *sample = bpf_ringbuf_reserve(&stacks, sizeof(*sample), 0);

    if (!sample) {
        __sync_fetch_and_add(&stacks_dropped, 1);
        return 0;
    }
    sample->pid = bpf_get_current_pid_tgid() >> 32;
    sample->cpu_id = bpf_get_smp_processor_id();
    bpf_get_current_comm(sample->comm, sizeof(sample->comm));
    sample->kstack_sz = bpf_get_stack(ctx, sample->kstack, sizeof(sample->kstack), 0);
    sample->ustack_sz = bpf_get_stack(ctx, sample->ustack, sizeof(sample->ustack), BPF_F_USER_STACK);
    bpf_ringbuf_submit(sample, 0);
    return 0;
}

SEC("raw_tp/eunomia")
int measure(struct bpf_raw_tracepoint_args *ctx)
{
    struct times *times, none = {};
    struct who who = {};
    __u32 zero = 0;
    __u64 *depth;

    has_pointer = bpf_core_type_exists(pgtable_t);
    who.pid = bpf_get_current_pid_tgid() >> 32;
    bpf_get_current_comm(who.comm, sizeof(who.comm));
    bpf_map_update_elem(&latency, &who, &none, BPF_NOEXIST);
    times = bpf_map_lookup_elem(&latency, &who);
    if (times) {
        times->slots[0] += 1;
        times->slots[3] += 4;
        times->total += 42;
    }
    depth = bpf_map_lookup_elem(&depths, &zero);
    if (depth)
        depth[2] += 1;
    return 0;
}
