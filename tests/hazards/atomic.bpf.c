// clang writes type 0, that is `void`, into BTF for `_Atomic`.
#include "hazard.h"

struct counters {
    u32 before;
    _Atomic int counter;
    _Atomic u64 total;
    u8 behind;
};
struct counters counters;
_Atomic int alone;
_Atomic(u64) many[3];
