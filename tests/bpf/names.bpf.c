// Names that are not valid in Rust.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum mode {
    fn = 1,
    Self,
};

struct type {
    int self;
    int crate;
    int match;
    int Camel;
    enum mode gen;
};

const volatile struct type *__eunomia_dummy_type_ptr __attribute__((unused));

int loop;
int await = 3;
struct type super;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, struct type);
    __type(value, enum mode);
} impl SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} use SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("raw_tp/x")
int move(void *ctx)
{
    return loop + await + super.self;
}
