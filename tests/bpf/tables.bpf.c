// Two congestion controls of the same name, each of which can replace the other (Linux 6.4).
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

unsigned long long before;
unsigned long long after;

SEC("struct_ops")
__u32 BPF_PROG(ssthresh, struct sock *sk)
{
    return 2;
}

SEC("struct_ops")
__u32 BPF_PROG(undo_cwnd, struct sock *sk)
{
    return 2;
}

SEC("struct_ops")
void BPF_PROG(count_before, struct sock *sk, __u32 ack, __u32 acked)
{
    __sync_fetch_and_add(&before, acked);
}

SEC("struct_ops")
void BPF_PROG(count_after, struct sock *sk, __u32 ack, __u32 acked)
{
    __sync_fetch_and_add(&after, acked);
}

SEC(".struct_ops.link")
struct tcp_congestion_ops first = {
    .ssthresh = (void *)ssthresh,
    .cong_avoid = (void *)count_before,
    .undo_cwnd = (void *)undo_cwnd,
    .name = "eunomia_linked",
};

SEC(".struct_ops.link")
struct tcp_congestion_ops second = {
    .ssthresh = (void *)ssthresh,
    .cong_avoid = (void *)count_after,
    .undo_cwnd = (void *)undo_cwnd,
    .name = "eunomia_linked",
};

char LICENSE[] SEC("license") = "Dual BSD/GPL";
