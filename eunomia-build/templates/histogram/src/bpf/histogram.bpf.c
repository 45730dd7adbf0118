// Measures how long system calls take, in microseconds (log2).
#include <linux/bpf.h>
#include <eunomia.bpf.h>

#define SLOTS 32

struct hist {
    __u32 slots[SLOTS];
};

// An option of the command line.
const volatile __u32 pid EUNOMIA_HELP("The one process to look at; 0 means all") EUNOMIA_SHORT("p") = 0;

// The time in nanoseconds at which a thread entered the kernel, by thread id. Threads that end
// in a system call leave their entry to the next ones.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 10240);
    __type(key, __u32);
    __type(value, __u64);
} entered SEC(".maps");

// Read and emptied once a second.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct hist);
} latency SEC(".maps") EUNOMIA_SAMPLE(log2_hist, 1000) EUNOMIA_UNIT("us") EUNOMIA_CLEAR;

static const struct hist empty;

char LICENSE[] SEC("license") = "Dual MIT/GPL";

// The binary logarithm of a value, at most SLOTS - 1.
static __always_inline __u32 slot_of(__u64 value)
{
    __u32 slot = 0;

    if (value >> SLOTS)
        return SLOTS - 1;
    if (value >= 1 << 16) {
        value >>= 16;
        slot += 16;
    }
    if (value >= 1 << 8) {
        value >>= 8;
        slot += 8;
    }
    if (value >= 1 << 4) {
        value >>= 4;
        slot += 4;
    }
    if (value >= 1 << 2) {
        value >>= 2;
        slot += 2;
    }
    return slot + (value >= 2);
}

SEC("raw_tp/sys_enter")
int enter(void *ctx)
{
    __u64 id = bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns();
    __u32 tid = id;

    if (!pid || pid == id >> 32)
        bpf_map_update_elem(&entered, &tid, &now, BPF_ANY);
    return 0;
}

SEC("raw_tp/sys_exit")
int leave(void *ctx)
{
    __u32 tid = bpf_get_current_pid_tgid(), key = 0;
    __u64 *since = bpf_map_lookup_elem(&entered, &tid), took;
    struct hist *hist;

    if (!since)
        return 0;
    took = bpf_ktime_get_ns() - *since;
    bpf_map_delete_elem(&entered, &tid);
    hist = bpf_map_lookup_elem(&latency, &key);
    if (!hist) {
        bpf_map_update_elem(&latency, &key, &empty, BPF_NOEXIST);
        hist = bpf_map_lookup_elem(&latency, &key);
        if (!hist)
            return 0;
    }
    __sync_fetch_and_add(&hist->slots[slot_of(took / 1000) & (SLOTS - 1)], 1);
    return 0;
}
