// A map of every kind that has its own handle and is on all kernels; `newer.bpf.c` has the others.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct cell {
    unsigned int id;
    unsigned short small;
};

struct prefix {
    unsigned int bits;
    unsigned char address[4];
};

#define map(name, kind, entries, ...) \
    struct { \
        __uint(type, BPF_MAP_TYPE_##kind); \
        __uint(max_entries, entries); \
        __VA_ARGS__ \
    } name SEC(".maps")

map(hash, HASH, 1000, __type(key, unsigned int); __type(value, struct cell););
map(lru, LRU_HASH, 64, __type(key, unsigned int); __type(value, struct cell););
map(per_cpu, PERCPU_HASH, 8, __type(key, unsigned int); __type(value, struct cell););
map(per_cpu_array, PERCPU_ARRAY, 2, __type(key, unsigned int); __type(value, struct cell););
map(array, ARRAY, 3, __type(key, unsigned int); __type(value, struct cell););
map(in_place, ARRAY, 3, __type(key, unsigned int); __type(value, unsigned int); __uint(map_flags, BPF_F_MMAPABLE););
map(queue, QUEUE, 2, __type(value, struct cell););
map(stack, STACK, 2, __type(value, struct cell););
map(trie, LPM_TRIE, 8, __type(key, struct prefix); __type(value, unsigned int); __uint(map_flags, BPF_F_NO_PREALLOC););
map(stacks, STACK_TRACE, 16, __type(key, unsigned int); __uint(value_size, 20 * sizeof(unsigned long long)););
map(calls, PROG_ARRAY, 2, __type(key, unsigned int); __type(value, unsigned int););
map(cgroups, CGROUP_ARRAY, 1, __type(key, unsigned int); __type(value, unsigned int););
map(sockets, SOCKMAP, 1, __type(key, unsigned int); __type(value, unsigned long long););

struct inner {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, unsigned int);
    __type(value, unsigned int);
} first SEC(".maps"), second SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
    __uint(max_entries, 4);
    __type(key, unsigned int);
    __array(values, struct inner);
} outer SEC(".maps") = {.values = {[1] = &first}};

struct table {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, unsigned int);
    __type(value, struct cell);
    __uint(map_flags, BPF_F_NO_PREALLOC);
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 2);
    __type(key, unsigned int);
    __array(values, struct table);
} tables SEC(".maps");

int stack_id;
unsigned int called;

// Counts in place and in the first inner table, and calls the program at index 1.
SEC("raw_tp/run")
int run(void *ctx)
{
    unsigned int zero = 0, last = 2;
    unsigned int *count = bpf_map_lookup_elem(&in_place, &last);
    if (count)
        *count += 5;
    struct cell *cell = bpf_map_lookup_elem(&per_cpu_array, &zero);
    if (cell)
        cell->id += 1;
    void *table = bpf_map_lookup_elem(&tables, &zero);
    if (table) {
        cell = bpf_map_lookup_elem(table, &last);
        if (cell)
            cell->id += 7;
    }
    bpf_tail_call(ctx, &calls, 1);
    return 0;
}

SEC("raw_tp/tail")
int tail(void *ctx)
{
    called += 1;
    return 0;
}

SEC("perf_event")
int sample(void *ctx)
{
    stack_id = bpf_get_stackid(ctx, &stacks, 0);
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
