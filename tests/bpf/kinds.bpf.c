// Every kind of type that the generator and values support, as event, variable, key and value.
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

enum color {
    RED = 1,
    GREEN,
    ALSO_GREEN = 2,
};

enum level {
    LOW = -5,
    HIGH = 7,
};

enum wide {
    WIDE_MAX = 0xffffffffffffffffULL,
};

struct point {
    short x;
    int y;
};

typedef struct {
    unsigned char id;
    struct point at;
} marker_t;

typedef enum {
    SMALL,
    LARGE,
} size_class_t;

struct kinds {
    unsigned char u8;
    signed char i8;
    unsigned short u16;
    short i16;
    unsigned int u32;
    int i32;
    unsigned long long u64;
    long long i64;
    unsigned __int128 u128;
    __int128 i128;
    bool flag;
    bool flags[3];
    char text[10];
    char lines[2][6];
    float f32;
    double f64;
    enum color color;
    enum level level;
    enum wide wide;
    size_class_t size;
    struct point point;
    marker_t markers[2];
    int grid[2][3];
    unsigned long long numbers[40];
    void *pointer;
    struct kinds *self;
    int (*function)(int);
};

const volatile struct kinds *__eunomia_dummy_kinds_ptr __attribute__((unused));

const volatile unsigned char ro_u8 = 200;
const volatile bool ro_flag = true;
const volatile char ro_text[8] = "hello";
const volatile enum level ro_level = LOW;
const volatile struct point ro_point = { .x = -1, .y = 2 };
const volatile int ro_array[3] = { 1, 2, 3 };

int data_i32 = -7;
float data_f32 = 1.5f;
unsigned __int128 data_u128 = 9;
int custom SEC(".data.my_sec") = 11;

// Values of the kernel's configuration; libbpf chooses their offsets.
extern bool CONFIG_BPF_SYSCALL __kconfig __weak;
extern unsigned int LINUX_KERNEL_VERSION __kconfig;
extern int CONFIG_HZ __kconfig __weak;

unsigned int seen_version;
int seen_hz;
bool seen_syscall;

unsigned long long bss_u64;
char bss_text[16];

static int hidden_from_user_space;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4);
    __type(key, struct point);
    __type(value, marker_t);
} markers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16);
    __type(key, enum color);
    __type(value, __u64);
} by_color SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 3);
    __type(key, __u32);
    __type(value, struct point);
} points SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __uint(key_size, 6);
    __uint(value_size, 2);
} sized SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} per_cpu SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 64 * 1024);
} rb SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// Adds up the values that user space has set, so that a test sees that they arrive.
SEC("raw_tp/sys_enter")
int sum(void *ctx)
{
    __sync_fetch_and_add(&hidden_from_user_space, 1);
    bss_u64 = ro_u8 + ro_flag + ro_level + ro_point.x + ro_point.y + ro_array[0] + ro_array[2] + data_i32 + custom;
    seen_version = LINUX_KERNEL_VERSION;
    seen_hz = CONFIG_HZ;
    seen_syscall = CONFIG_BPF_SYSCALL;
    bss_text[0] = ro_text[0];
    bss_text[1] = ro_text[1];
    bss_text[2] = '\0';
    return hidden_from_user_space;
}

// Sends one event with a value in every field.
SEC("raw_tp/sys_exit")
int send(void *ctx)
{
    struct kinds *kinds = bpf_ringbuf_reserve(&rb, sizeof(*kinds), 0);

    if (!kinds)
        return 1;
    __builtin_memset(kinds, 0, sizeof(*kinds));
    kinds->u8 = 250;
    kinds->i8 = -3;
    kinds->u16 = 65000;
    kinds->i16 = -300;
    kinds->u32 = 4000000000u;
    kinds->i32 = -70000;
    kinds->u64 = 0xfedcba9876543210ULL;
    kinds->i64 = -1;
    kinds->u128 = ((unsigned __int128)1 << 127) + 10;
    kinds->i128 = -((__int128)1 << 90);
    kinds->flag = true;
    kinds->flags[1] = true;
    __builtin_memcpy(kinds->text, "with blank", 10);
    __builtin_memcpy(kinds->lines[1], "line", 5);
    kinds->f32 = 1.25f;
    kinds->f64 = -0.1;
    kinds->color = ALSO_GREEN;
    kinds->level = LOW;
    kinds->wide = WIDE_MAX;
    kinds->size = LARGE;
    kinds->point.x = -1;
    kinds->point.y = 1;
    kinds->markers[1].id = 9;
    kinds->markers[1].at.y = -9;
    kinds->grid[1][2] = 12;
    kinds->numbers[39] = 39;
    kinds->pointer = (void *)0xffff888000000000ULL;
    bpf_ringbuf_submit(kinds, 0);
    return 0;
}
