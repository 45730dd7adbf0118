// Names of every length up to 80: formatters break long lines and add trailing commas.
#include "hazard.h"

#define NAMES(name) \
    enum e##name { c##name }; \
    struct i##name { u16 name; char t##name[3]; }; \
    struct name { \
        u32 name; \
        enum e##name e##name; \
        struct i##name i##name[2]; \
        u32 b##name : 3; \
        char t##name[5]; \
        u64 f##name[]; \
    }; \
    struct { __uint(type, RINGBUF); __uint(max_entries, 4096); } r##name SEC(".maps"); \
    struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, struct i##name); __type(value, enum e##name); } m##name SEC(".maps"); \
    struct name *p##name __attribute__((unused)); \
    const volatile enum e##name v##name = c##name; \
    SEC("raw_tp/sys_enter") int x##name(void *ctx) { return v##name; }

NAMES(a)
NAMES(aa)
NAMES(aaa)
NAMES(aaaa)
NAMES(aaaaa)
NAMES(aaaaaa)
NAMES(aaaaaaa)
NAMES(aaaaaaaa)
NAMES(aaaaaaaaa)
NAMES(aaaaaaaaaa)
NAMES(aaaaaaaaaaa)
NAMES(aaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
NAMES(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)
