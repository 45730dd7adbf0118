// Maps to read as a whole while programs and other threads change them.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "repeat.h"

struct total {
    unsigned long long count;
    unsigned long long bytes;
    unsigned int last;
    unsigned int cpu;
    unsigned long long unused;
};

// A size that is rounded up in per-CPU maps.
struct part {
    unsigned int count;
    unsigned int bytes;
    unsigned int last;
};

#define map(name, kind, entries, ...) \
    struct { \
        __uint(type, BPF_MAP_TYPE_##kind); \
        __uint(max_entries, entries); \
        __type(key, unsigned int); \
        __VA_ARGS__ \
    } name SEC(".maps")

map(table, HASH, 120000, __type(value, struct total););
map(small, HASH, 10000, __type(value, struct total););
map(lru, LRU_HASH, 120000, __type(value, struct total););
map(parts, PERCPU_HASH, 20000, __type(value, struct part););
map(cells, ARRAY, 100000, __type(value, unsigned long long););
map(cpu_cells, PERCPU_ARRAY, 5000, __type(value, unsigned int););
// Has no batch operations, and iteration restarts if the key that it continues from is removed.
map(devices, DEVMAP_HASH, 5000, __type(value, unsigned int););
// BPF_F_ZERO_SEED makes hashes predictable, so that all keys can be put into one bucket.
map(crowded, HASH, 64, __uint(value_size, 65536); __uint(map_flags, BPF_F_ZERO_SEED););

struct prefix {
    unsigned int bits;
    unsigned int address;
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 5000);
    __type(key, struct prefix);
    __type(value, unsigned int);
    __uint(map_flags, BPF_F_NO_PREALLOC);
} trie SEC(".maps");

// The arguments of the programs; they return the number of steps done, at most 64.
struct args {
    unsigned long long count;
    unsigned long long start;
};

struct loop {
    unsigned long long start;
    unsigned int done;
};

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline void insert_one(unsigned int i, struct loop *loop)
{
    unsigned int key = loop->start + i;
    struct total total = { .count = 1, .bytes = key };

    loop->done += bpf_map_update_elem(&table, &key, &total, BPF_NOEXIST) == 0;
}

// Inserts `count` keys, beginning at `start`, each with a count of one.
SEC("raw_tp/insert")
int insert(struct args *args)
{
    struct loop loop = { .start = args->start };

    repeat(args->count, insert_one, &loop);
    return loop.done;
}

static __always_inline void add_one(unsigned int i, struct loop *loop)
{
    unsigned int key = (loop->start + i) % 1000;
    struct total *total = bpf_map_lookup_elem(&table, &key);
    struct part *part = bpf_map_lookup_elem(&parts, &key);
    unsigned long long *cell = bpf_map_lookup_elem(&cells, &key);
    unsigned int *cpu_cell = bpf_map_lookup_elem(&cpu_cells, &key);

    if (total)
        __sync_fetch_and_add(&total->count, 1);
    if (part)
        part->count += 1;
    if (cell)
        __sync_fetch_and_add(cell, 1);
    if (cpu_cell)
        *cpu_cell += 1;
    loop->done++;
}

// Adds one in place, `count` times, in each map that has the key; keys are below 1000.
SEC("raw_tp/add")
int add(struct args *args)
{
    struct loop loop = { .start = args->start };

    repeat(args->count, add_one, &loop);
    return loop.done;
}

static __always_inline void count_one(unsigned int i, struct loop *loop)
{
    unsigned int key = (loop->start + i) % 1000;
    unsigned long long *own = bpf_map_lookup_elem(&cells, &key);
    struct total total = {};

    if (!own)
        return;
    total.count = *own + 1;
    if (bpf_map_update_elem(&table, &key, &total, BPF_EXIST)) {
        total.count = 1;
        if (bpf_map_update_elem(&table, &key, &total, BPF_NOEXIST))
            return;
    }
    *own = total.count;
    loop->done++;
}

// Counts up `count` times with keys below 1000, beginning at `start`, by updates of whole values.
// The new count continues the one in `cells`, or begins at one if the key has been taken.
SEC("raw_tp/count")
int count(struct args *args)
{
    struct loop loop = { .start = args->start };

    repeat(args->count, count_one, &loop);
    return loop.done;
}
