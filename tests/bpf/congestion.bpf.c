// A congestion control that halves the window and never grows it: the minimum for the kernel.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sock;

// The members that are set; the kernel finds them by name.
struct tcp_congestion_ops {
    __u32 (*ssthresh)(struct sock *sk);
    void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
    __u32 (*undo_cwnd)(struct sock *sk);
    char name[16];
} __attribute__((preserve_access_index));

unsigned long long acknowledged;

SEC("struct_ops")
__u32 BPF_PROG(ssthresh, struct sock *sk)
{
    return 2;
}

SEC("struct_ops")
void BPF_PROG(cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
    __sync_fetch_and_add(&acknowledged, acked);
}

SEC("struct_ops")
__u32 BPF_PROG(undo_cwnd, struct sock *sk)
{
    return 2;
}

SEC(".struct_ops")
struct tcp_congestion_ops steady = {
    .ssthresh = (void *)ssthresh,
    .cong_avoid = (void *)cong_avoid,
    .undo_cwnd = (void *)undo_cwnd,
    .name = "eunomia_steady",
};

char LICENSE[] SEC("license") = "Dual BSD/GPL";
