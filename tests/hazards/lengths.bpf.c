// Events whose type, enum and fields have names of every length from 1 to 80, each in a map of its own. The formatter breaks lines for some
// of them.
#include "hazard.h"

#define EVENT(record, mode, field)                                                                                                           \
    enum mode { OFF_##record, ON_##record };                                                                                                   \
    struct record {                                                                                                                          \
        u32 field;                                                                                                                         \
        u16 low_##field : 3, high_##field : 9;                                                                                             \
        char text_##field[4];                                                                                                              \
        enum mode modes_##field[2];                                                                                                        \
        struct { u32 field; } inner_##field[2];                                                                                            \
    };                                                                                                                                     \
    const struct record *unused_##record __attribute__((unused));                                                                              \
    struct {                                                                                                                               \
        __uint(type, RINGBUF);                                                                                                             \
        __uint(max_entries, 4096);                                                                                                         \
    } ring_##record SEC(".maps");

EVENT(x, y, z)
EVENT(xa, ya, za)
EVENT(xaa, yaa, zaa)
EVENT(xaaa, yaaa, zaaa)
EVENT(xaaaa, yaaaa, zaaaa)
EVENT(xaaaaa, yaaaaa, zaaaaa)
EVENT(xaaaaaa, yaaaaaa, zaaaaaa)
EVENT(xaaaaaaa, yaaaaaaa, zaaaaaaa)
EVENT(xaaaaaaaa, yaaaaaaaa, zaaaaaaaa)
EVENT(xaaaaaaaaa, yaaaaaaaaa, zaaaaaaaaa)
EVENT(xaaaaaaaaaa, yaaaaaaaaaa, zaaaaaaaaaa)
EVENT(xaaaaaaaaaaa, yaaaaaaaaaaa, zaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaa, yaaaaaaaaaaaa, zaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaa, yaaaaaaaaaaaaa, zaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaa, yaaaaaaaaaaaaaa, zaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
EVENT(xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, yaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)

SEC("raw_tp/x") int prog(void *ctx) { return 0; }
