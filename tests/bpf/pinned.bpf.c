// An arena with variables and pinning by name, which libbpf does not support.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

// Missing in the headers of some distributions.
#define BPF_MAP_TYPE_ARENA 33

#define __arena __attribute__((address_space(1)))

struct {
    __uint(type, BPF_MAP_TYPE_ARENA);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 4);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} memory SEC(".maps");

unsigned long long __arena counter = 5;

SEC("syscall")
int count(void *ctx)
{
    counter++;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
