// Variables of every kind, those that the command line can set and those that it cannot.
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

enum level {
    LOW = -5,
    HIGH = 7,
};

struct pair {
    int a, b;
};

const volatile signed char i8 = -8;
const volatile unsigned char u8 = 200;
const volatile short i16 = -16;
const volatile unsigned short u16 = 16;
const volatile int i32 = -32;
const volatile unsigned int u32 = 32;
const volatile long long i64 = -64;
const volatile unsigned long long u64 = 64;
const volatile __int128 i128 = -128;
const volatile unsigned __int128 u128 = 128;
const volatile float f32 = 1.5f;
const volatile double f64 = -0.25;
const volatile double endless = __builtin_inf();
const volatile bool off = false;
const volatile bool on = true;
const volatile bool quiet = false;
const volatile enum level level = LOW;
const volatile enum { ANONYMOUS = 3 } nameless = ANONYMOUS;
const volatile char comm[16] = "init";
// Not UTF-8, and with bytes after the NUL.
const volatile char raw[4] = { 0xff, 0, 'x', 0 };
const volatile int match = 1;

int in_data = 5;
unsigned long long in_bss;
char label[8];

// No option can set these.
struct pair pair;
int numbers[4];
char buffer[5000];

unsigned long long sum;
char first;

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// Adds up the variables, so that a test sees that the values arrive.
SEC("raw_tp/sys_enter")
int add(void *ctx)
{
    sum = i8 + u8 + i16 + u16 + i32 + u32 + i64 + u64 + (long long)i128 + (long long)u128 + off + on + quiet + level + nameless +
          match + in_data + in_bss;
    first = comm[0];
    return 0;
}
