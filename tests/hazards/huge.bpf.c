// BTF holds the length of an array as a number, which allows types of 4 GiB and more.
#include "hazard.h"

struct {
    __uint(type, 11);
    __uint(max_entries, 1u << 30);
    __uint(map_flags, 1);
    __type(key, u64);
    __type(value, u32);
} trie SEC(".maps");

// Events that do not fit on the stack of a thread. Only text is passed by reference.
struct text { u64 len; char lines[16][1u << 20]; };
struct file { u64 len; u8 content[16u << 20]; };
const volatile struct text *__eunomia_dummy_text_ptr;
const volatile struct file *__eunomia_dummy_file_ptr;

struct {
    __uint(type, RINGBUF);
    __uint(max_entries, 1u << 25);
} texts SEC(".maps"), files SEC(".maps");

SEC("raw_tp/x") int prog(void *ctx) { return 0; }
