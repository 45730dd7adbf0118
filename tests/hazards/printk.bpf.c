// The only data are format strings that the compiler placed.
#include "hazard.h"

static long (*trace_printk)(const char *, u32, ...) = (void *)6;

SEC("raw_tp/x") int prog(void *ctx)
{
    static const char format[] = "hello %d";

    trace_printk(format, sizeof(format), 3);
    trace_printk("%d\n", 4, 4);
    return 0;
}
