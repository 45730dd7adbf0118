// Only the code uses the type of the events, so BTF does not hold it.
#include "hazard.h"

struct event { u32 pid; char comm[16]; };

struct {
    __uint(type, RINGBUF);
    __uint(max_entries, 4096);
} rb SEC(".maps");

static void *(*reserve)(void *, u64, u64) = (void *)131;
static void (*submit)(void *, u64) = (void *)132;

SEC("raw_tp/x") int prog(void *ctx)
{
    struct event *event = reserve(&rb, sizeof(*event), 0);

    if (!event)
        return 0;
    event->pid = 1;
    submit(event, 0);
    return 0;
}
