// Programs that change what they are run with.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct request {
    unsigned int first;
    unsigned int second;
    unsigned long long sum;
};

// Sends a frame back to where it came from, with four bytes behind it.
SEC("xdp")
int mirror(struct xdp_md *ctx)
{
    unsigned char *frame = (void *)(long)ctx->data;
    unsigned char kept;
    int i;

    if (frame + 12 > (unsigned char *)(long)ctx->data_end)
        return XDP_DROP;
    for (i = 0; i < 6; i++) {
        kept = frame[i];
        frame[i] = frame[i + 6];
        frame[i + 6] = kept;
    }
    return bpf_xdp_adjust_tail(ctx, 4) ? XDP_ABORTED : XDP_TX;
}

SEC("tc")
int mark(struct __sk_buff *skb)
{
    skb->mark += 1;
    return skb->len;
}

SEC("syscall")
int add(struct request *request)
{
    request->sum = request->first + request->second;
    return 1;
}

SEC("raw_tp/never_attached")
int on_cpu(void *ctx)
{
    return bpf_get_smp_processor_id();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
