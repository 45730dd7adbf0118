// Newer kinds of maps: task storage (5.11), bloom filter (5.16), user ring buffer (6.1).
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct cell {
    unsigned int id;
    unsigned short small;
};

struct {
    __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
    __uint(max_entries, 100);
    __type(value, unsigned long long);
} bloom SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __type(key, int);
    __type(value, struct cell);
    __uint(map_flags, BPF_F_NO_PREALLOC);
} tasks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
    __uint(max_entries, 4096);
} commands SEC(".maps");

struct command {
    unsigned long long number;
    unsigned long long payload[24];
};

// The number of commands, of short and damaged ones, and the sum of their numbers.
unsigned long long received, broken, numbers;
struct command last;

static long receive(struct bpf_dynptr *record, void *ctx)
{
    struct command *command = bpf_dynptr_data(record, 0, sizeof(*command));

    if (!command) {
        broken += 1;
        return 0;
    }
    for (int i = 0; i < 24; i++)
        if (command->payload[i] != command->number)
            broken += 1;
    received += 1;
    numbers += command->number;
    last = *command;
    return command->number == ~0ULL;
}

// Reads all commands, up to one that says stop.
SEC("raw_tp/drain")
int drain(void *ctx)
{
    return bpf_user_ringbuf_drain(&commands, receive, 0, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
