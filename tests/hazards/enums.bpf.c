// Enums with numbers of every kind.
#include "hazard.h"

enum negative { MINUS = -1, ZERO, MIN = -2147483647 - 1, MAX = 2147483647 };
enum twice { FIRST = 1, SECOND = 1, THIRD = 1 };
enum unsigned_ { ALL = 0xffffffff };
enum wide { WIDE = 0xffffffffffffffffULL, NARROW = 1 };
enum wide_negative { LOWEST = -9223372036854775807LL - 1, HIGHEST = 9223372036854775807LL };
enum byte { BYTE = 255 } __attribute__((packed));
enum signed_byte { SIGNED_BYTE = -128 } __attribute__((packed));
enum half { HALF = 65535 } __attribute__((packed));
enum flags { READ = 1 << 0, WRITE = 1 << 1, TOP = 1u << 31 };
enum single { ONLY };
enum elsewhere;

struct enums {
    enum negative negative;
    enum twice twice;
    enum unsigned_ unsigned_;
    enum wide wide;
    enum wide_negative wide_negative;
    enum byte byte, bytes[3];
    enum signed_byte signed_byte;
    enum half half;
    enum flags flags : 17;
    enum negative bits : 7;
    enum byte byte_bits : 3;
    enum wide wide_bits : 40;
    enum single single;
    enum elsewhere *elsewhere;
};
struct enums enums;
const volatile enum negative variable = MINUS;
enum byte bytes[5] = { BYTE };

struct {
    __uint(type, HASH);
    __uint(max_entries, 1);
    __type(key, enum wide);
    __type(value, enum byte);
} map SEC(".maps");

SEC("raw_tp/x") int prog(void *ctx) { return variable; }
