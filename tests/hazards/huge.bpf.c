// BTF holds the length of an array as a number, which allows types of 4 GiB and more.
#include "hazard.h"

struct {
    __uint(type, 11);
    __uint(max_entries, 1u << 30);
    __uint(map_flags, 1);
    __type(key, u64);
    __type(value, u32);
} trie SEC(".maps");
