// Names that generated fields and methods would have.
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

// The methods of traits: fields and methods of these names must not be taken for them.
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
