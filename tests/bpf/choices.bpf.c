// A tracer that leaves targets, the size of a map and the types of events to its user.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define kernel __attribute__((preserve_access_index))

struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
} kernel;

struct task_struct {
    int tgid;
} kernel;

struct bpf_iter__task {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
} kernel;

struct call {
    unsigned int pid;
    unsigned int from;
    char text[248];
};

// The type of its events is in BTF, but nothing connects the two.
const struct call *unused __attribute__((unused));

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);
} calls SEC(".maps");

// The user must set the size; the kernel refuses the map as it is.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, unsigned int);
    __type(value, unsigned long long);
} counts SEC(".maps");

// The largest depth of stack traces that the kernel allows.
struct {
    __uint(type, BPF_MAP_TYPE_STACK_TRACE);
    __uint(key_size, 4);
} stacks SEC(".maps");

static int report(unsigned int from)
{
    unsigned int pid = bpf_get_current_pid_tgid() >> 32;
    unsigned long long one = 1;
    bpf_map_update_elem(&counts, &pid, &one, BPF_ANY);
    struct call *call = bpf_ringbuf_reserve(&calls, sizeof(*call), 0);
    if (!call)
        return 0;
    __builtin_memset(call, 0, sizeof(*call));
    call->pid = pid;
    call->from = from;
    call->text[0] = 'x';
    bpf_ringbuf_submit(call, 0);
    return 0;
}

SEC("?perf_event")
int stack(void *ctx)
{
    return bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK) < 0 ? 0 : report(6);
}

// The section gives no type that libbpf knows.
SEC("?hook/enter")
int hook(void *ctx)
{
    return report(7);
}

// Two programs of which the user selects one.

SEC("raw_tp/sys_enter")
int enter_raw(void *ctx)
{
    return report(1);
}

SEC("tp_btf/sys_enter")
int enter_btf(void *ctx)
{
    return report(2);
}

SEC("?tp/raw_syscalls/sys_enter")
int enter_plain(void *ctx)
{
    return report(3);
}

// No kernel has this target.
SEC("raw_tp/eunomia")
int missing(void *ctx)
{
    return report(4);
}

SEC("perf_event")
int sample(void *ctx)
{
    return report(5);
}

SEC("xdp")
int packet(struct xdp_md *ctx)
{
    return XDP_PASS;
}

// `stop` decides about each packet; a program after it does not see the packet.

unsigned long long stopped;
unsigned long long looked;

SEC("?tc")
int stop(struct __sk_buff *skb)
{
    __sync_fetch_and_add(&stopped, 1);
    return 0;
}

SEC("?tc")
int look(struct __sk_buff *skb)
{
    __sync_fetch_and_add(&looked, 1);
    return -1;
}

// The program that runs first.
unsigned int first;

SEC("?cgroup/sysctl")
int early(struct bpf_sysctl *ctx)
{
    if (!first)
        first = 1;
    return 1;
}

SEC("?cgroup/sysctl")
int late(struct bpf_sysctl *ctx)
{
    if (!first)
        first = 2;
    return 1;
}

unsigned long long packets;

SEC("?socket")
int packet_socket(struct __sk_buff *skb)
{
    __sync_fetch_and_add(&packets, 1);
    return 0;
}

SEC("?iter/task")
int tasks(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    if (task) {
        static const char format[] = "task %d\n";
        unsigned long long args[] = {task->tgid};
        bpf_seq_printf(ctx->meta->seq, format, sizeof(format), args, sizeof(args));
    }
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
