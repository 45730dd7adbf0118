// A program that the verifier refuses: it dereferences a number.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("raw_tp/sys_enter")
int wild(unsigned long long *ctx)
{
    return *(int *)ctx[0];
}
