// Programs whose sections name no target, and a few that name one. Each counts its runs.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

// The fields of the kernel that are read, found by name.
#define kernel __attribute__((preserve_access_index))

struct seq_file;
struct nf_hook_state;

struct bpf_iter_meta {
    struct seq_file *seq;
} kernel;

struct bpf_iter__bpf_map_elem {
    struct bpf_iter_meta *meta;
    void *key;
    void *value;
} kernel;

struct bpf_nf_ctx {
    const struct nf_hook_state *state;
} kernel;

unsigned long long runs;
unsigned long long cookies;
int wanted_tgid;

struct {
    __uint(type, BPF_MAP_TYPE_SOCKHASH);
    __uint(max_entries, 4);
    __type(key, int);
    __type(value, __u64);
} sockets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, int);
    __type(value, long);
} table SEC(".maps");

static void run(void)
{
    __sync_fetch_and_add(&runs, 1);
}

static void run_here(void *ctx)
{
    if (bpf_get_current_pid_tgid() >> 32 != wanted_tgid)
        return;
    run();
    __sync_fetch_and_add(&cookies, bpf_get_attach_cookie(ctx));
}

SEC("socket")
int take(struct __sk_buff *skb)
{
    run();
    return skb->len;
}

SEC("sk_reuseport")
int choose(struct sk_reuseport_md *ctx)
{
    run();
    return SK_PASS;
}

SEC("sk_skb/stream_verdict")
int receive(struct __sk_buff *skb)
{
    run();
    return SK_PASS;
}

SEC("sk_msg")
int send(struct sk_msg_md *ctx)
{
    run();
    return SK_PASS;
}

SEC("cgroup/sysctl")
int read_sysctl(struct bpf_sysctl *ctx)
{
    run();
    return 1;
}

SEC("sk_lookup")
int look_up(struct bpf_sk_lookup *ctx)
{
    run();
    return SK_PASS;
}

// The function that the program of section `freplace` replaces.
__attribute__((noinline)) int verdict(struct __sk_buff *skb)
{
    int passed = -1;
    // The compiler must not assume the return value, since the function is replaced.
    asm volatile("" : "+r"(passed));
    run();
    return passed;
}

SEC("tc")
int classify(struct __sk_buff *skb)
{
    return verdict(skb);
}

SEC("tp")
int on_exec(void *ctx)
{
    if (bpf_get_current_pid_tgid() >> 32 == wanted_tgid)
        run();
    return 0;
}

SEC("raw_tp")
int on_raw_exec(void *ctx)
{
    if (bpf_get_current_pid_tgid() >> 32 == wanted_tgid)
        run();
    return 0;
}

// Not loaded unless a test asks for it, since not every kernel permits iterators over the entries of
// maps.

SEC("?iter/bpf_map_elem")
int list(struct bpf_iter__bpf_map_elem *ctx)
{
    int *key = ctx->key;
    long *value = ctx->value;
    if (key && value) {
        static const char format[] = "%d: %d\n";
        unsigned long long args[] = {*key, *value};
        bpf_seq_printf(ctx->meta->seq, format, sizeof(format), args, sizeof(args));
    }
    return 0;
}

// Not loaded unless a test asks for it, since not every kernel supports it.

SEC("?netfilter")
int filter(struct bpf_nf_ctx *ctx)
{
    run();
    return 1;
}

SEC("?uprobe.multi")
int on_calls(void *ctx)
{
    run_here(ctx);
    return 0;
}

SEC("?kprobe")
int on_function(void *ctx)
{
    run_here(ctx);
    return 0;
}

SEC("?kprobe.multi")
int on_functions(void *ctx)
{
    run_here(ctx);
    return 0;
}

SEC("?ksyscall")
int on_syscall(void *ctx)
{
    run_here(ctx);
    return 0;
}

SEC("?netkit/primary")
int pass(struct __sk_buff *skb)
{
    run();
    return -1;
}

SEC("?freplace")
int other_verdict(struct __sk_buff *skb)
{
    __sync_fetch_and_add(&runs, 100);
    return 2;
}

SEC("?syscall")
int called(void *ctx)
{
    run();
    return 42;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
