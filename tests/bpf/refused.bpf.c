// A program that the verifier refuses: it follows a number as if it were a pointer.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("raw_tp/sys_enter")
int wild(unsigned long long *ctx)
{
    return *(int *)ctx[0];
}
