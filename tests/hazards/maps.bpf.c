// Ways to define a map.
#include "hazard.h"

typedef struct {
    __uint(type, HASH);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, u64);
} map_t;
map_t by_typedef SEC(".maps");

struct map_struct {
    __uint(type, LRU_HASH);
    __uint(max_entries, 1);
    __type(key, char[16]);
    __type(value, u8[3]);
};
struct map_struct by_tag SEC(".maps"), second SEC(".maps");

struct {
    __uint(type, ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, sizeof(u32));
    __uint(value_size, 12);
} by_size SEC(".maps");

struct inner {
    __uint(type, ARRAY);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, struct { u32 a; });
} inner SEC(".maps");

struct {
    __uint(type, ARRAY_OF_MAPS);
    __uint(max_entries, 2);
    __type(key, u32);
    __array(values, struct inner);
} of_maps SEC(".maps") = { .values = { &inner } };

struct {
    __uint(type, ARRAY_OF_MAPS);
    __uint(max_entries, 2);
    __type(key, u32);
    __array(values, struct {
        __uint(type, HASH);
        __uint(max_entries, 1);
        __type(key, struct { u32 nameless; });
        __type(value, u8[3]);
    });
} of_nameless SEC(".maps");

// User space defines the inner maps.
struct {
    __uint(type, ARRAY_OF_MAPS);
    __uint(max_entries, 2);
    __uint(key_size, sizeof(u32));
    __uint(value_size, sizeof(u32));
} of_unknown SEC(".maps");

struct {
    __uint(type, PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, __int128);
} per_cpu SEC(".maps");

struct {
    __uint(type, STACK);
    __uint(max_entries, 4);
    __type(value, u16);
} without_keys SEC(".maps");

struct {
    __uint(type, PERF_EVENT_ARRAY);
    __uint(key_size, sizeof(int));
    __uint(value_size, sizeof(int));
} perf SEC(".maps");

struct {
    __uint(type, 250);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, u32);
} of_the_future SEC(".maps");

SEC("raw_tp/x") int prog(void *ctx) { return 0; }
