// Names that are also in the Rust prelude, the generated module and its crates.
#include "hazard.h"

struct Option { int Some; };
struct Result { int Ok, Err; };
struct String { char text[8]; };
struct Vec { int len; };
struct Box { int Box; };
struct Clone { int clone; };
struct Copy { int copy; };
struct Default { int default_, new, fmt, eq, line, C_NAME, as_bytes; };
struct Self_ { int self; };
struct u16_ { int u8; };
struct usize { int usize; };
struct str { int str; };
struct core { int std; };
struct std { int core; };
struct eunomia_runtime { int sample; };
struct zerocopy { int zerocopy; };
struct types { int types; };
struct Event { int Event; };
struct Export { int Export; };
struct Args { int Args; };
struct Open { int open; };
struct Loaded { int load; };
struct Attached { int attach; };
struct Maps { int maps; };
struct Progs { int progs; };
struct OpenProgs { int open_progs; };
struct Stats { int stats; };
struct STORAGE { int OBJECT; };
struct bss { int bss; };
struct data { int data; };
struct rodata { int rodata; };
struct CharArray { char chars[4]; };
struct KernelPtr { void *pointer; };
struct Packed { char tag; int packed; } __attribute__((packed));
struct Bool { bool b; };
struct Padding { char a; long b; };
struct Line { union { int a; float b; }; };
enum Kind { None, Some, Ok, Err, Default_, name, known, fmt, from, into, eq, cmp, hash };

struct all {
    struct Option a; struct Result b; struct String c; struct Vec d; struct Box e; struct Clone f; struct Copy g; struct Default h;
    struct Self_ i; struct u16_ j; struct usize k; struct str l; struct core m; struct std n; struct eunomia_runtime o;
    struct zerocopy p; struct types q; struct Event r; struct Export s; struct Args t; struct Open u; struct Loaded v;
    struct Attached w; struct Maps x; struct Progs y; struct OpenProgs z; struct Stats aa; struct STORAGE bb; struct bss cc;
    struct data dd; struct rodata ee; struct CharArray ff; struct KernelPtr gg; struct Packed hh; struct Bool ii; struct Padding jj;
    struct Line kk; enum Kind ll;
} all;

// Names of methods and functions of the module.
int open, object, load, attach, poll, drain, stats, stop_handle, maps, progs, deliver;
const volatile int rodata = 1, bss = 2;
int data = 3, section = 4, new = 5, A = 6, T = 7, R = 8;

struct {
    __uint(type, RINGBUF);
    __uint(max_entries, 4096);
} record SEC(".maps"), event SEC(".maps"), f SEC(".maps");

struct {
    __uint(type, ARRAY);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, struct all);
} map SEC(".maps"), loaded SEC(".maps");

SEC("raw_tp/x") int program(void *ctx) { return rodata + bss; }
SEC("raw_tp/y") int attach_all(void *ctx) { return open; }
