// An arena at an address that the object specifies, with a variable.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

// Missing in the headers of some distributions.
#define BPF_MAP_TYPE_ARENA 33

#define __arena __attribute__((address_space(1)))

struct {
    __uint(type, BPF_MAP_TYPE_ARENA);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 16);
    __ulong(map_extra, 0x100000000000ull);
} memory SEC(".maps");

unsigned long long __arena counter = 5;

SEC("syscall")
int count(void *ctx)
{
    counter++;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
