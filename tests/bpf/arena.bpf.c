// Variables in an arena: memory that programs and user space access at the same addresses.
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

// Missing in the headers of some distributions.
#define BPF_MAP_TYPE_ARENA 33

#define __arena __attribute__((address_space(1)))

struct point {
    short x;
    int y;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARENA);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 4);
} memory SEC(".maps");

unsigned long long __arena counter = 5;
struct point __arena corner = { .x = -1, .y = 2 };
int __arena table[1000];
bool __arena ready;
struct point __arena *__arena place;

unsigned long long seen;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// Changes each variable in the arena, and one outside of it.
SEC("raw_tp/run")
int run(void *ctx)
{
    seen = counter;
    counter += 10;
    corner.x = -corner.x;
    table[999] = table[0] + corner.y;
    ready = !ready;
    place = &corner;
    return 0;
}
