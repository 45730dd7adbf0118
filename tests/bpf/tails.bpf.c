// Records that end inside their last array, and records that continue after their struct.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct line {
    unsigned long long number;
    unsigned int len;
    char text[40];
};

struct place {
    unsigned int kind;
    union {
        char path[24];
        unsigned char key[24];
    };
};

// The padding after `kind` is part of the flexible array.
struct blob {
    unsigned long long number;
    unsigned short kind;
    char text[];
};

struct pair {
    short a;
    unsigned int b;
};

struct pairs {
    unsigned int count;
    struct pair pairs[];
};

enum side { LEFT = 1, RIGHT };

struct entry {
    char name[8];
    _Bool up;
    enum side side;
    short at[2];
    const void *from;
};

struct table {
    unsigned int count;
    struct entry entries[];
};

struct digest {
    unsigned int len;
    unsigned char bytes[];
};

struct labels {
    unsigned int count;
    char labels[][8];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} lines SEC(".maps"), places SEC(".maps"), blobs SEC(".maps"), pairs SEC(".maps"), tables SEC(".maps"), digests SEC(".maps"),
    labels SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, 4);
    __uint(value_size, 4);
} events SEC(".maps");

const volatile struct line *__eunomia_dummy_line_ptr __attribute__((unused));
const volatile struct place *__eunomia_dummy_place_ptr __attribute__((unused));
const volatile struct blob *__eunomia_dummy_blob_ptr __attribute__((unused));
const volatile struct pairs *__eunomia_dummy_pairs_ptr __attribute__((unused));
const volatile struct table *__eunomia_dummy_table_ptr __attribute__((unused));
const volatile struct digest *__eunomia_dummy_digest_ptr __attribute__((unused));
const volatile struct labels *__eunomia_dummy_labels_ptr __attribute__((unused));

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static const char abc[] = "abcdefghijklmnopqrstuvwxyz0123456789abcd";

// Complete, cut off in the array, before it, and inside the member before it.
SEC("raw_tp/sys_enter")
int send_lines(void *ctx)
{
    struct line line = {.number = 7, .len = 5};
    __builtin_memcpy(line.text, abc, sizeof(line.text));
    bpf_ringbuf_output(&lines, &line, sizeof(line), 0);
    bpf_ringbuf_output(&lines, &line, sizeof(line), 0);
    bpf_ringbuf_output(&lines, &line, 12 + 5, 0);
    bpf_ringbuf_output(&lines, &line, 12, 0);
    bpf_ringbuf_output(&lines, &line, 11, 0);
    bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &line, 12 + 8);
    bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &line, sizeof(line));
    return 0;
}

SEC("raw_tp/sys_enter")
int send_tails(void *ctx)
{
    struct place place = {.kind = 3};
    __builtin_memcpy(place.path, abc, sizeof(place.path));
    bpf_ringbuf_output(&places, &place, 4 + 2, 0);

    char bytes[32] __attribute__((aligned(8))) = {};
    struct blob *blob = (void *)bytes;
    blob->number = 1;
    blob->kind = 2;
    __builtin_memcpy(blob->text, abc, 14);
    bpf_ringbuf_output(&blobs, bytes, 10 + 14, 0);
    bpf_ringbuf_output(&blobs, bytes, 10 + 3, 0);
    bpf_ringbuf_output(&blobs, bytes, 10, 0);

    char more[24] __attribute__((aligned(8))) = {};
    struct pairs *two = (void *)more;
    two->count = 2;
    two->pairs[0].a = -1;
    two->pairs[0].b = 2;
    two->pairs[1].a = 3;
    two->pairs[1].b = 4;
    bpf_ringbuf_output(&pairs, more, 4 + 2 * 8, 0);
    return 0;
}
