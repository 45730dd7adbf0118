// Structs, unions and enums without a name at every place that C allows.
#include "hazard.h"

struct holder {
    struct { u8 a; u32 b; } items[3];
    union { u64 whole; u8 bytes[8]; } words[2];
    struct { struct { struct { int deep; } inner; } inner; } inner;
    struct { int flat; union { int either; struct { short low, high; }; }; };
    union { struct { int first; }; struct { int second; struct { int third; } named; }; };
    enum { RED, GREEN } color;
    enum { SMALL } __attribute__((packed)) sizes[2];
    enum { BITS = 3 } bits : 4;
    struct { int x : 3; } __attribute__((packed)) tight;
    struct { int none; } *pointer;
    int (*function)(struct { int argument; } *);
};
struct holder holder;

struct { int a; struct { int b; } c; } variable;
union { int a; float b; } either = { 1 };
enum { ONE = 1, TWO } number;
struct { int a; } array[2][2];
typedef struct { int a; } typed_t;
typedef typed_t again_t;
const volatile again_t typed;
// Has the name that the generator would give to a nameless type.
struct holder_items { int a; } holder_items;
struct HolderWords { int a; } holder_words;

struct {
    __uint(type, HASH);
    __uint(max_entries, 1);
    __type(key, struct { u32 a; u32 b; });
    __type(value, union { u64 c; u8 d[8]; });
} map SEC(".maps");

struct {
    __uint(type, ARRAY);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, enum { A });
} enums SEC(".maps");

SEC("raw_tp/x") int prog(void *ctx) { return typed.a; }
