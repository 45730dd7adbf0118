// Measures how long threads wait for a CPU after they become runnable, in microseconds (log2).
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <eunomia.bpf.h>

#define SLOTS 26
#define COMM_LEN 16

struct hist {
    __u32 slots[SLOTS];
    char comm[COMM_LEN];
};

struct task_struct {
    int pid;
    int tgid;
    unsigned int __state;
    char comm[COMM_LEN];
} __attribute__((preserve_access_index));

// The member's name and type before Linux 5.14.
struct task_struct___old {
    long state;
} __attribute__((preserve_access_index));

const volatile bool per_process
    EUNOMIA_HELP("One histogram for each process") EUNOMIA_LONG("per-process") EUNOMIA_SHORT("P") = false;
const volatile int target
    EUNOMIA_HELP("The one process to look at; 0 means all") EUNOMIA_LONG("pid") EUNOMIA_SHORT("p") = 0;

// The time in nanoseconds at which a thread became runnable, by thread id.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 10240);
    __type(key, __u32);
    __type(value, __u64);
} ready SEC(".maps");

// Histograms by process id, or under 0 for all.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 10240);
    __type(key, __u32);
    __type(value, struct hist);
} hists SEC(".maps") EUNOMIA_SAMPLE(log2_hist, 1000) EUNOMIA_UNIT("usecs") EUNOMIA_CLEAR;

static const struct hist empty;

char LICENSE[] SEC("license")
    EUNOMIA_BRIEF("How long threads wait for a CPU once they can run") = "Dual BSD/GPL";

static __always_inline void can_run(struct task_struct *task)
{
    __u32 tid = task->pid;
    __u64 now;

    // The idle task does not wait for a CPU.
    if (!tid || (target && task->tgid != target))
        return;
    now = bpf_ktime_get_ns();
    bpf_map_update_elem(&ready, &tid, &now, BPF_ANY);
}

static __always_inline bool is_running(struct task_struct *task)
{
    if (bpf_core_field_exists(task->__state))
        return task->__state == 0;
    return BPF_CORE_READ((struct task_struct___old *)task, state) == 0;
}

static __always_inline __u32 log2(__u64 value)
{
    __u32 slot = 0;

    // No loop: verifiers before Linux 5.3 refuse them.
    if (value >= 1ULL << 32) {
        value >>= 32;
        slot += 32;
    }
    if (value >= 1ULL << 16) {
        value >>= 16;
        slot += 16;
    }
    if (value >= 1ULL << 8) {
        value >>= 8;
        slot += 8;
    }
    if (value >= 1ULL << 4) {
        value >>= 4;
        slot += 4;
    }
    if (value >= 1ULL << 2) {
        value >>= 2;
        slot += 2;
    }
    return slot + (value >= 2);
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(woken, struct task_struct *task)
{
    can_run(task);
    return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(started, struct task_struct *task)
{
    can_run(task);
    return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(switched, bool preempt, struct task_struct *before, struct task_struct *next)
{
    __u32 tid = next->pid, key, slot;
    struct hist *hist;
    __u64 *since;
    __s64 waited;

    // A preempted task is still runnable and waits from now on.
    if (is_running(before))
        can_run(before);
    since = bpf_map_lookup_elem(&ready, &tid);
    if (!since)
        return 0;
    waited = bpf_ktime_get_ns() - *since;
    bpf_map_delete_elem(&ready, &tid);
    if (waited < 0)
        return 0;
    key = per_process ? next->tgid : 0;
    hist = bpf_map_lookup_elem(&hists, &key);
    if (!hist) {
        bpf_map_update_elem(&hists, &key, &empty, BPF_NOEXIST);
        hist = bpf_map_lookup_elem(&hists, &key);
        if (!hist)
            return 0;
        if (per_process)
            bpf_probe_read_kernel_str(hist->comm, sizeof(hist->comm), next->comm);
    }
    slot = log2(waited / 1000);
    if (slot >= SLOTS)
        slot = SLOTS - 1;
    __sync_fetch_and_add(&hist->slots[slot], 1);
    return 0;
}
