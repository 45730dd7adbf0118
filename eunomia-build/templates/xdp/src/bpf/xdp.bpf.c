// Counts the packets of an interface by protocol, and drops those to one UDP port.
#include <linux/bpf.h>
#include <stdbool.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <eunomia.bpf.h>

struct count {
    __u64 packets;
    __u64 bytes;
};

// An option of the command line.
const volatile __u16 drop_port
    EUNOMIA_HELP("Drop UDP packets to this port; 0 drops none") EUNOMIA_LONG("drop-port") = 0;

// By number of the protocol (IPPROTO_*), on each CPU.
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 256);
    __type(key, __u32);
    __type(value, struct count);
} counts SEC(".maps");

char LICENSE[] SEC("license") = "Dual MIT/GPL";

SEC("xdp")
int filter(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = data;
    struct count *count;
    struct udphdr *udp;
    bool has_ports = true;
    __u32 protocol;

    if ((void *)(eth + 1) > end)
        return XDP_PASS;
    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = (void *)(eth + 1);

        if ((void *)(ip + 1) > end || ip->ihl < 5)
            return XDP_PASS;
        protocol = ip->protocol;
        udp = (void *)ip + ip->ihl * 4;
        // Later fragments have no ports.
        has_ports = !(ip->frag_off & bpf_htons(0x1fff));
    } else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr *ip = (void *)(eth + 1);

        if ((void *)(ip + 1) > end)
            return XDP_PASS;
        protocol = ip->nexthdr;
        udp = (void *)(ip + 1);
    } else {
        return XDP_PASS;
    }

    count = bpf_map_lookup_elem(&counts, &protocol);
    if (count) {
        count->packets++;
        count->bytes += end - data;
    }
    if (protocol != IPPROTO_UDP || !has_ports || (void *)(udp + 1) > end)
        return XDP_PASS;
    return drop_port && udp->dest == bpf_htons(drop_port) ? XDP_DROP : XDP_PASS;
}
