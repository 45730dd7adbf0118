// Sources that libbpf does not open, and similar ones that are valid: after `//=` the name and, if refused, a part of the error.
// clang-format off

//= extern_function: function `other` is called but not defined
extern int other(int);
SEC("raw_tp/x") int p(void *c) { return other(1); }

//= extern_weak: function `other` is called but not defined
extern int other(int) __attribute__((weak));
SEC("raw_tp/x") int p(void *c) { return other ? other(1) : 0; }

//= extern_variable: variable `other` is used but not defined
extern int other;
SEC("raw_tp/x") int p(void *c) { return other; }

//= extern_unused
extern int other;
SEC("raw_tp/x") int p(void *c) { return 0; }

//= ksym
extern int other(int) __attribute__((section(".ksyms")));
SEC("raw_tp/x") int p(void *c) { return other(1); }

//= ksym_weak
extern const void v __attribute__((section(".ksyms"), weak));
SEC("raw_tp/x") int p(void *c) { return &v != 0; }

//= kconfig
extern unsigned long CONFIG_HZ __attribute__((section(".kconfig")));
extern char CONFIG_N[8] __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return CONFIG_HZ + CONFIG_N[1]; }

//= kconfig_tristate
enum libbpf_tristate { TRI_NO, TRI_YES, TRI_MODULE };
extern enum libbpf_tristate CONFIG_X __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return CONFIG_X; }

//= kconfig_struct: `CONFIG_X` has type `struct {..}`, which __kconfig does not support
extern struct { int a, b; } CONFIG_X __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return CONFIG_X.b; }

//= kconfig_enum: `CONFIG_X` has type `enum other`, which __kconfig does not support
enum other { A, B };
extern enum other CONFIG_X __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return CONFIG_X; }

//= kconfig_ints: `CONFIG_X` has type `int[2]`, which __kconfig does not support
extern int CONFIG_X[2] __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return CONFIG_X[1]; }

//= kconfig_bools: `CONFIG_X` has type `bool[2]`, which __kconfig does not support
extern bool CONFIG_X[2] __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return CONFIG_X[1]; }

//= static_program: program `p` in section `raw_tp/x` is static, and libbpf rejects static programs
SEC("raw_tp/x") static int p(void *c) { return 0; }

//= hidden_program
__attribute__((visibility("hidden"))) SEC("raw_tp/x") int p(void *c) { return 0; }

//= static_function
static __attribute__((noinline)) int f(int a) { return a; }
SEC("raw_tp/x") int p(void *c) { return f(1); }

//= static_map: map `m` is static, and libbpf rejects static maps
static struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); } m SEC(".maps");
SEC("raw_tp/x") int p(void *c) { return &m != 0; }

//= hidden_map: map `m` is hidden, which libbpf treats as static and rejects
__attribute__((visibility("hidden"))) struct {
    __uint(type, ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, int); } m SEC(".maps");

//= legacy_map: section `maps` has legacy map definitions, which libbpf rejects since version 1.0
struct { unsigned type, k, v, n; } m SEC("maps") = { 2, 4, 4, 1 };

//= no_type: map `m`: the type is missing
struct { __uint(max_entries, 1); __type(key, int); } m SEC(".maps");

//= unknown_field: map `m`: unknown field `max_entrys`; did you mean `max_entries`?
struct { __uint(type, ARRAY); __uint(max_entrys, 1); } m SEC(".maps");

//= two_keys: map `m`: key has two different sizes
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __uint(key_size, 8); __type(value, int); } m SEC(".maps");

//= key_twice
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __uint(key_size, 4); __type(value, int); } m SEC(".maps");

//= two_values: map `m`: value has two different sizes
struct {
    __uint(type, HASH);
    __uint(max_entries, 1);
    __type(key, int);
    __uint(value_size, 8);
    __type(value, int); } m SEC(".maps");

//= incomplete_value: map `m`: `value` is not a complete type
struct gone;
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); struct gone *value; } m SEC(".maps");

//= pinning: map `m`: `pinning` is 2
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(pinning, 2); } m SEC(".maps");

//= number: map `m`: `max_entries` is not a number
struct { __uint(type, ARRAY); int max_entries; } m SEC(".maps");

//= int_map: `m` in section `.maps` is `void`, not a struct
int m SEC(".maps");

//= values_of_array: map `m`: `values` needs a map of maps or a program array
struct { __uint(type, ARRAY); __array(values, int (void *)); } m SEC(".maps");

//= inner_without_type: map `m`: the type of the inner map is missing
struct {
    __uint(type, ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __array(values, struct {
    __uint(max_entries, 1); }); } m SEC(".maps");

//= inner_pinned: map `m`: inner maps cannot be pinned
struct {
    __uint(type, ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __array(values, struct {
    __uint(type, ARRAY);
    __uint(pinning, 1); }); } m SEC(".maps");

//= inner
struct inner { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); } i SEC(".maps");
struct {
    __uint(type, ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __array(values, struct inner); } m SEC(".maps") = { .values = { &i } };

//= programs
SEC("raw_tp/x") int p(void *c) { return 0; }
struct {
    __uint(type, 3);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __array(values, int (void *)); } m SEC(".maps") = { .values = { (void *)&p } };

//= programs_of_text: map `m` holds `f`, which is not a program
__attribute__((noinline)) int f(void *c) { return 0; }
struct {
    __uint(type, 3);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __array(values, int (void *)); } m SEC(".maps") = { .values = { (void *)&f } };

//= other_section: program `p` refers to `other`, which is in section `mydata`, for which libbpf creates no map
int other SEC("mydata") = 1;
SEC("raw_tp/x") int p(void *c) { return other; }

//= other_section_unused
int other SEC("mydata") = 1;
SEC("raw_tp/x") int p(void *c) { return 0; }

//= custom_section
int other SEC(".data.mine") = 1;
SEC("raw_tp/x") int p(void *c) { return other; }

//= called_program: program `p` refers to `q`, a function in section `raw_tp/x`
SEC("raw_tp/x") __attribute__((noinline)) int q(void *c) { return *(int *)c; }
SEC("raw_tp/y") int p(void *c) { return q(c); }

//= arena_without_map: program `p` refers to `a`, an arena variable, but the object has no arena map
__attribute__((address_space(1))) int a = 1;
SEC("syscall") int p(void *c) { return a; }

//= arena_among_maps: 4 bytes of variables are in an arena (__arena), but the object has no arena map
__attribute__((address_space(1))) int a = 1;
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); } m SEC(".maps");

//= arena
__attribute__((address_space(1))) int a = 1;
struct { __uint(type, 33); __uint(map_flags, 1024); __uint(max_entries, 1); } m SEC(".maps");
SEC("syscall") int p(void *c) { return a; }

//= arena_too_small: max_entries of arena `m` is 1, but its variables need 256 pages
__attribute__((address_space(1))) char a[1 << 20] = { 1 };
struct { __uint(type, 33); __uint(map_flags, 1024); __uint(max_entries, 1); } m SEC(".maps");
SEC("syscall") int p(void *c) { return a[3]; }

//= two_arenas: arena `n` is one too many: an object can have only one
struct arena { __uint(type, 33); __uint(map_flags, 1024); __uint(max_entries, 1); };
struct arena m SEC(".maps"), n SEC(".maps");

//= table
struct ops { int (*run)(void *); };
SEC("struct_ops") int p(void *c) { return 0; }
struct ops o SEC(".struct_ops") = { .run = (void *)p };

//= table_of_others: program `p` is in a struct_ops table, but its section is `raw_tp/x`
struct ops { int (*run)(void *); };
SEC("raw_tp/x") int p(void *c) { return 0; }
struct ops o SEC(".struct_ops") = { .run = (void *)p };

//= nameless_table: struct_ops table `o` has an anonymous struct type
struct { int (*run)(void *); } o SEC(".struct_ops");

//= version_of_eight_bytes: section `version` has 8 bytes, expected 4
long v SEC("version") = 5;

//= version
unsigned v SEC("version") = 5;
