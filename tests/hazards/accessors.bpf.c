// Names that generated fields and methods could have.
#include "hazard.h"

struct accessors {
    union {
        int x;
        int set_x[2];
        struct { char pad; short x_mut; } y;
        int y_mut;
        float set_y_mut;
    };
    int bits : 3, set_bits : 5, set_set_bits : 4;
    int __pad_4, __shared_0, __shared_8;
    char hole;
    long long __pad_29;
    int default_, clone, line;
};

// Names of methods of traits, which must not be confused with these fields and methods.
union traits {
    int clone;
    int eq[2];
    int fmt;
    int ne;
    int as_bytes;
    int line[1];
    int new_zeroed;
    int into;
    int try_into;
    int to_string;
    int type_id;
    int borrow;
};

struct accessors accessors;
union traits traits;
