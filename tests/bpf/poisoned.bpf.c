// Programs that read missing fields unchecked; libbpf replaces such reads by invalid calls.
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct net_device {
    int eunomia_none;
} __attribute__((preserve_access_index));

enum bpf_func_id___eunomia {
    BPF_FUNC_eunomia_none = 100000,
};

SEC("xdp")
int member(struct xdp_md *ctx)
{
    return bpf_core_field_offset(struct net_device, eunomia_none) ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int constant(struct xdp_md *ctx)
{
    return bpf_core_enum_value(enum bpf_func_id___eunomia, BPF_FUNC_eunomia_none) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
