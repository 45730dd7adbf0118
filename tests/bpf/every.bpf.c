// A program of every type, not loaded unless a test asks for it. Each sends an event when it runs;
// those that run for every process send it for one process only.
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/usdt.bpf.h>

struct event {
    int tgid;
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_SOCKHASH);
    __uint(max_entries, 4);
    __type(key, int);
    __type(value, __u64);
} sockets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4);
    __type(key, int);
    __type(value, long);
} table SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __uint(value_size, 4);
} jumps SEC(".maps");

// Declares the type of the events.
const volatile struct event *__eunomia_dummy_event_ptr __attribute__((unused));

int wanted_tgid;
// Counts runs of programs that send no events.
unsigned long long runs;

static void send(int tgid)
{
    struct event event = {tgid};
    bpf_ringbuf_output(&events, &event, sizeof(event), 0);
}

static void send_own(void)
{
    int tgid = bpf_get_current_pid_tgid() >> 32;
    if (tgid == wanted_tgid)
        send(tgid);
}

#define ANY(section, name, result)                                                                                                         \
    SEC("?" section) int name(void *ctx)                                                                                                   \
    {                                                                                                                                      \
        send(0);                                                                                                                           \
        return result;                                                                                                                     \
    }

#define OWN(section, name, result)                                                                                                         \
    SEC("?" section) int name(void *ctx)                                                                                                   \
    {                                                                                                                                      \
        send_own();                                                                                                                        \
        return result;                                                                                                                     \
    }

// Tracepoints and functions of the kernel.
OWN("tp/syscalls/sys_enter_getpgid", tracepoint, 0)
OWN("raw_tp/task_rename", raw_tracepoint, 0)
OWN("tp_btf/task_rename", tp_btf, 0)
OWN("kprobe/vfs_unlink", kprobe, 0)
OWN("kretprobe/vfs_unlink", kretprobe, 0)
OWN("kprobe.multi/vfs_unlink", kprobe_multi, 0)
OWN("kretprobe.multi/vfs_unlink", kretprobe_multi, 0)
OWN("kprobe.session/vfs_unlink", kprobe_session, 0)
OWN("ksyscall/getpgid", ksyscall, 0)
OWN("kretsyscall/getpgid", kretsyscall, 0)
OWN("fentry/vfs_unlink", fentry, 0)
OWN("fexit/vfs_unlink", fexit, 0)
OWN("fsession/vfs_unlink", fsession, 0)
OWN("fmod_ret/security_file_open", fmod_ret, 0)
OWN("lsm/file_open", lsm, 0)

// Before Linux 5.11, sleepable programs cannot send events.
SEC("?lsm.s/bprm_committed_creds")
int lsm_sleepable(void *ctx)
{
    __sync_fetch_and_add(&runs, 1);
    return 0;
}

OWN("perf_event", perf_event, 0)

// Programs and libraries.
ANY("uprobe", uprobe, 0)
ANY("uretprobe", uretprobe, 0)
ANY("uprobe.s", uprobe_sleepable, 0)
ANY("uprobe.multi", uprobe_multi, 0)
ANY("uretprobe.multi", uretprobe_multi, 0)
ANY("uprobe.session", uprobe_session, 0)
ANY("usdt", usdt, 0)

// Interfaces and network namespaces.
ANY("xdp", xdp, XDP_PASS)
ANY("xdp.frags", xdp_frags, XDP_PASS)
ANY("tc", tc, -1)
ANY("tcx/ingress", tcx, -1)
ANY("netkit/primary", netkit_primary, -1)
ANY("netkit/peer", netkit_peer, -1)
ANY("netfilter", netfilter, 1)
ANY("flow_dissector", flow_dissector, BPF_OK)
ANY("sk_lookup", sk_lookup, SK_PASS)

// Sockets.
SEC("?socket")
int socket(struct __sk_buff *skb)
{
    send(0);
    return skb->len;
}

ANY("sk_reuseport", sk_reuseport, SK_PASS)
ANY("sk_reuseport/migrate", sk_reuseport_migrate, SK_PASS)

SEC("?sk_skb/stream_parser")
int stream_parser(struct __sk_buff *skb)
{
    send(0);
    return skb->len;
}

ANY("sk_skb/stream_verdict", stream_verdict, SK_PASS)
ANY("sk_skb/verdict", verdict, SK_PASS)
ANY("sk_skb", sk_skb, SK_PASS)
ANY("sk_msg", sk_msg, SK_PASS)

// Cgroups.
ANY("cgroup_skb/ingress", cgroup_ingress, 1)
ANY("cgroup_skb/egress", cgroup_egress, 1)
ANY("cgroup/skb", cgroup_skb, 1)
ANY("cgroup/sock_create", sock_create, 1)
ANY("cgroup/sock_release", sock_release, 1)
ANY("cgroup/post_bind4", post_bind4, 1)
ANY("cgroup/post_bind6", post_bind6, 1)
ANY("cgroup/bind4", bind4, 1)
ANY("cgroup/bind6", bind6, 1)
ANY("cgroup/connect4", connect4, 1)
ANY("cgroup/connect6", connect6, 1)
ANY("cgroup/connect_unix", connect_unix, 1)
ANY("cgroup/sendmsg4", sendmsg4, 1)
ANY("cgroup/sendmsg6", sendmsg6, 1)
ANY("cgroup/sendmsg_unix", sendmsg_unix, 1)
ANY("cgroup/recvmsg4", recvmsg4, 1)
ANY("cgroup/recvmsg6", recvmsg6, 1)
ANY("cgroup/recvmsg_unix", recvmsg_unix, 1)
ANY("cgroup/getpeername4", getpeername4, 1)
ANY("cgroup/getpeername6", getpeername6, 1)
ANY("cgroup/getpeername_unix", getpeername_unix, 1)
ANY("cgroup/getsockname4", getsockname4, 1)
ANY("cgroup/getsockname6", getsockname6, 1)
ANY("cgroup/getsockname_unix", getsockname_unix, 1)
ANY("cgroup/sysctl", sysctl, 1)
ANY("cgroup/getsockopt", getsockopt, 1)
ANY("cgroup/setsockopt", setsockopt, 1)
ANY("cgroup/dev", device, 1)
ANY("sockops", sockops, 1)
ANY("lsm_cgroup/socket_post_create", lsm_cgroup, 1)

// Iterators, syscall programs and replaced functions.
ANY("iter/task", iter_task, 0)
ANY("iter.s/task", iter_sleepable, 0)
ANY("iter/bpf_map_elem", iter_map, 0)
ANY("syscall", syscall, 0)

__attribute__((noinline)) int replaceable(struct __sk_buff *skb)
{
    int passed = -1;
    // The compiler must not assume the return value, since the function is replaced.
    asm volatile("" : "+r"(passed));
    return passed;
}

SEC("?tc")
int whole(struct __sk_buff *skb)
{
    return replaceable(skb);
}

SEC("?freplace")
int freplace(struct __sk_buff *skb)
{
    send(0);
    return 2;
}

SEC("?tc")
int caller(struct __sk_buff *skb)
{
    bpf_tail_call(skb, &jumps, 0);
    return 1;
}

ANY("tc", callee, 2)

// Tables of functions for the kernel, which finds members by name.
struct sock;
struct task_struct;

struct tcp_congestion_ops {
    __u32 (*ssthresh)(struct sock *sk);
    void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
    __u32 (*undo_cwnd)(struct sock *sk);
    char name[16];
};

struct sched_ext_ops {
    void (*stopping)(struct task_struct *task, bool runnable);
    char name[128];
};

SEC("?struct_ops")
__u32 ssthresh(void *ctx)
{
    return 2;
}

SEC("?struct_ops")
void cong_avoid(void *ctx)
{
    send(0);
}

SEC("?struct_ops")
__u32 undo_cwnd(void *ctx)
{
    return 2;
}

SEC("?struct_ops")
void stopping(void *ctx)
{
    send_own();
}

SEC("?.struct_ops")
struct tcp_congestion_ops congestion = {
    .ssthresh = (void *)ssthresh,
    .cong_avoid = (void *)cong_avoid,
    .undo_cwnd = (void *)undo_cwnd,
    .name = "eunomia_every",
};

SEC("?.struct_ops.link")
struct tcp_congestion_ops congestion_link = {
    .ssthresh = (void *)ssthresh,
    .cong_avoid = (void *)cong_avoid,
    .undo_cwnd = (void *)undo_cwnd,
    .name = "eunomia_linked",
};

SEC("?.struct_ops.link")
struct sched_ext_ops scheduler = {
    .stopping = (void *)stopping,
    .name = "eunomia_every",
};

char LICENSE[] SEC("license") = "GPL";
