// An object whose user sets types and sizes of maps, inner maps and types of programs before
// loading, and passes perf events, packets and prefixes to programs afterwards.
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

struct event {
    unsigned int number;
    unsigned int sender;
};

struct net {
    unsigned int bits;
    unsigned int address;
};

struct net6 {
    unsigned int bits;
    unsigned char address[16];
};

// Its type is set together with that of `events`.
const volatile bool by_perf = false;
// Its size is set together with that of `table`.
const volatile unsigned int room = 4;

struct event last;
unsigned long long counted;
long count_error;
unsigned int number;
unsigned int seen;
int grow;
// Older kernels allow sections of up to 4 MiB.
unsigned long long big[1 << 18];
int table[4] SEC(".data.table");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 16);
} events SEC(".maps");

#define array(name) \
    struct { \
        __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); \
        __uint(key_size, sizeof(int)); \
        __uint(value_size, sizeof(int)); \
    } name SEC(".maps")

array(counters);
array(passed);
array(sent);
array(mixed);
array(idle);

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, unsigned int);
    __type(value, struct event);
} hits SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, unsigned int);
    __type(value, unsigned int);
} option SEC(".maps");

// User space defines the inner maps.
struct {
    __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
    __uint(max_entries, 4);
    __uint(key_size, sizeof(int));
    __uint(value_size, sizeof(int));
} outer SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 8);
    __type(key, struct net);
    __type(value, unsigned int);
    __uint(map_flags, BPF_F_NO_PREALLOC);
} nets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 8);
    __type(key, struct net6);
    __type(value, unsigned int);
    __uint(map_flags, BPF_F_NO_PREALLOC);
} nets6 SEC(".maps");

SEC("raw_tp/sys_enter")
int send(void *ctx)
{
    struct event event = {.number = ++number, .sender = 1};
    if (by_perf)
        bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
    else
        bpf_ringbuf_output(&events, &event, sizeof(event), 0);
    return 0;
}

SEC("raw_tp/sys_enter")
int tell(void *ctx)
{
    struct event event = {.number = ++number, .sender = 2};
    bpf_perf_event_output(ctx, &sent, BPF_F_CURRENT_CPU, &event, sizeof(event));
    return 0;
}

static __noinline long read_through(void *map, struct bpf_perf_event_value *value)
{
    return bpf_perf_event_read_value(map, BPF_F_CURRENT_CPU, value, sizeof(*value));
}

SEC("raw_tp/sys_enter")
int count(void *ctx)
{
    struct bpf_perf_event_value value = {};
    count_error = bpf_perf_event_read_value(&counters, BPF_F_CURRENT_CPU, &value, sizeof(value));
    counted = value.counter;
    return 0;
}

SEC("raw_tp/sys_enter")
int count_otherwise(void *ctx)
{
    struct bpf_perf_event_value value = {};
    count_error = read_through(&passed, &value);
    counted = value.counter;
    return 0;
}

SEC("raw_tp/sys_enter")
int count_and_tell(void *ctx)
{
    struct event event = {.number = bpf_perf_event_read(&mixed, BPF_F_CURRENT_CPU), .sender = 3};
    bpf_perf_event_output(ctx, &mixed, BPF_F_CURRENT_CPU, &event, sizeof(event));
    return 0;
}

SEC("raw_tp/sys_enter")
int hit(void *ctx)
{
    unsigned int key = 1;
    struct event *event = bpf_map_lookup_elem(&hits, &key);
    if (event)
        event->number++;
    return 0;
}

SEC("raw_tp/sys_enter")
int choose(void *ctx)
{
    unsigned int key = 0, *value = bpf_map_lookup_elem(&option, &key);
    seen = value ? *value : 0;
    return 0;
}

SEC("raw_tp/sys_enter")
int look(void *ctx)
{
    unsigned int key = 1, *value;
    void *inner = bpf_map_lookup_elem(&outer, &key);
    value = inner ? bpf_map_lookup_elem(inner, &key) : 0;
    seen = value ? *value : 0;
    return 0;
}

SEC("raw_tp/sys_enter")
int fill(void *ctx)
{
    unsigned int at = number;
    if (at < room)
        table[at] = at + 1;
    return at;
}

// libbpf knows no program type for this section.
SEC("?ext/hook")
int hook(struct xdp_md *ctx)
{
    return XDP_DROP;
}

SEC("xdp")
int rewrite(struct xdp_md *ctx)
{
    unsigned char *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
    if (data + 14 > end)
        return XDP_DROP;
    data[0]++;
    if (grow)
        bpf_xdp_adjust_tail(ctx, grow);
    return XDP_TX;
}

SEC("tc")
int mark(struct __sk_buff *skb)
{
    skb->mark++;
    return skb->len;
}

char LICENSE[] SEC("license") = "GPL";
