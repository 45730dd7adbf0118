// An arbitrary byte is not a valid `bool` in Rust.
#include "hazard.h"

struct inner { bool b; };
union either { bool b; u32 number; bool many[8]; };
struct bools {
    bool flag;
    bool flags[4];
    bool grid[2][3];
    struct inner inner;
    struct inner inners[2];
    union either either;
    bool bit : 1, other : 1;
    const volatile bool qualified;
} __attribute__((packed));
struct bools bools;
bool zero, one = 1, many[3] = { 1 };
const volatile bool constant = 1;

struct {
    __uint(type, HASH);
    __uint(max_entries, 1);
    __type(key, bool);
    __type(value, bool[4]);
} map SEC(".maps");

SEC("raw_tp/x") int prog(void *ctx) { return constant; }
