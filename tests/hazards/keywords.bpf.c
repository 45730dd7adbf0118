// Every keyword of Rust that is not one in C, at every place that has a name.
#include "hazard.h"

struct type {
    int as, async, await, become, box, crate, dyn, final, fn, gen, impl, in, let, loop, macro, match, mod, move, mut;
    int override, priv, pub, ref, self, Self, super, trait, true, false, try, type, unsafe, unsized, use, virtual, where, yield, abstract;
    int _, union_, i32, str, u8;
};

struct Self {
    struct type *self;
    int crate : 3;
    int match : 5;
    union {
        int super;
        float loop;
        struct type type;
    };
};

enum impl {
    Self,
    self,
    fn,
    crate,
    r,
    _,
    name,
    known,
};

typedef struct {
    enum impl trait;
} mod;

struct type super;
struct Self become = { .match = 3 };
const volatile int priv = 1, unsafe = 2, dyn = 3;
int where SEC(".data.match");
mod pub;

struct {
    __uint(type, HASH);
    __uint(max_entries, 1);
    __type(key, struct Self);
    __type(value, enum impl);
} match SEC(".maps");

struct {
    __uint(type, RINGBUF);
    __uint(max_entries, 4096);
} ref SEC(".maps"), Ref SEC(".maps");

SEC("raw_tp/x") int move(void *ctx) { return priv + unsafe + dyn; }
SEC("raw_tp/y") int loop(void *ctx) { return super.self + where; }
