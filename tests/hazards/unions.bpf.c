// Unions with members of every kind.
#include "hazard.h"

struct pair { u32 a; u32 b; };
union all {
    u8 bytes[3];
    u64 number;
    float single;
    double real;
    bool flag;
    void *pointer;
    struct pair pair;
    struct pair pairs[2];
    char text[16];
    union { u16 low; u32 high; } inner;
    struct { u16 first; union { u16 second; u8 third; }; };
    int bits : 5;
    enum { NO, YES } answer;
};
union only_bits { u32 a : 3; u32 b : 20; u64 c : 40; };
union one { int alone; };
union empty {};
struct tagged { u32 kind; union { struct { u32 pid; } exec; struct { char path[20]; } open; u64 raw; }; };

union all all;
union only_bits only_bits;
union one one[2];
union empty empty;
struct tagged tagged;
const volatile union all constant = { .number = 1 };

SEC("raw_tp/x") int prog(void *ctx) { return constant.number; }
