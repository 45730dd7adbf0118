// A program of each kind that can be attached without affecting the rest of the machine.
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

// The fields of the kernel that are read, found by name.
#define kernel __attribute__((preserve_access_index))

struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
} kernel;

struct task_struct {
    int tgid;
    int pid;
} kernel;

struct bpf_iter__task {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
} kernel;

unsigned long long samples;
unsigned long long calls;
unsigned long long cookie;
int wanted_tgid;

SEC("xdp")
int drop_none(struct xdp_md *ctx)
{
    return XDP_PASS;
}

SEC("tc")
int pass(struct __sk_buff *skb)
{
    return -1;
}

SEC("perf_event")
int on_sample(void *ctx)
{
    __sync_fetch_and_add(&samples, 1);
    return 0;
}

// The helper that came with Linux 5.15, found by name, so that older kernels load the program, too.
enum bpf_func_id___known {
    BPF_FUNC_get_attach_cookie___known = 174,
};

SEC("uprobe")
int on_call(void *ctx)
{
    __sync_fetch_and_add(&calls, 1);
    if (bpf_core_enum_value_exists(enum bpf_func_id___known, BPF_FUNC_get_attach_cookie___known))
        cookie = bpf_get_attach_cookie(ctx);
    return 0;
}

SEC("iter/task")
int list(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    if (task && task->tgid == wanted_tgid && task->pid == wanted_tgid) {
        static const char format[] = "pid %d\n";
        unsigned long long args[] = {task->pid};
        bpf_seq_printf(ctx->meta->seq, format, sizeof(format), args, sizeof(args));
    }
    return 0;
}

SEC("raw_tp/never_attached")
int tested(void *ctx)
{
    return 7;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
