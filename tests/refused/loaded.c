// Sources that libbpf opens and no kernel loads, and similar ones that are valid: after `//=` the name and, if refused, a part of the error.
// clang-format off

//= ring_with_value: no kernel creates map `m` (BPF_MAP_TYPE_RINGBUF): value size is 4, expected 0
struct { __uint(type, RINGBUF); __uint(max_entries, 4096); __type(value, int); } m SEC(".maps");

//= ring_with_key: no kernel creates map `m` (BPF_MAP_TYPE_RINGBUF): key size is 4, expected 0
struct { __uint(type, RINGBUF); __uint(max_entries, 4096); __uint(key_size, 4); } m SEC(".maps");

//= ring
struct { __uint(type, RINGBUF); __uint(max_entries, 5000); } m SEC(".maps");

//= perf_with_value: no kernel creates map `m` (BPF_MAP_TYPE_PERF_EVENT_ARRAY): value size is 16, expected 4
struct e { long a, b; };
struct { __uint(type, PERF_EVENT_ARRAY); __uint(key_size, 4); __type(value, struct e); } m SEC(".maps");

//= perf
struct { __uint(type, PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } m SEC(".maps");

//= array_key: no kernel creates map `m` (BPF_MAP_TYPE_ARRAY): key size is 8, expected 4
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, long); __type(value, int); } m SEC(".maps");

//= array_flags: no kernel creates map `m` (BPF_MAP_TYPE_ARRAY): flag BPF_F_NO_PREALLOC is not supported
struct {
    __uint(type, ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, int);
    __uint(map_flags, 1); } m SEC(".maps");

//= percpu_mmapable: no kernel creates map `m` (BPF_MAP_TYPE_PERCPU_ARRAY): flag BPF_F_MMAPABLE is not supported
struct {
    __uint(type, PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, int);
    __uint(map_flags, 1024); } m SEC(".maps");

//= lru_flags: no kernel creates map `m` (BPF_MAP_TYPE_LRU_HASH): flag BPF_F_NO_PREALLOC is not supported
struct {
    __uint(type, LRU_HASH);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, int);
    __uint(map_flags, 1); } m SEC(".maps");

//= hash_flags: no kernel creates map `m` (BPF_MAP_TYPE_HASH): flag BPF_F_NO_COMMON_LRU is not supported; remove the flag, or use BPF_MAP_TYPE_LRU_HASH
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 2); } m SEC(".maps");

//= hash
struct {
    __uint(type, HASH);
    __uint(max_entries, 1);
    __type(key, long);
    __type(value, int);
    __uint(map_flags, 1); } m SEC(".maps");

//= trie_flags: no kernel creates map `m` (BPF_MAP_TYPE_LPM_TRIE): flag BPF_F_NO_PREALLOC is missing
struct k { int len; char data[4]; };
struct { __uint(type, 11); __uint(max_entries, 1); __type(key, struct k); __type(value, int); } m SEC(".maps");

//= trie_key: no kernel creates map `m` (BPF_MAP_TYPE_LPM_TRIE): key size is 4, expected 5 to 260
struct { __uint(type, 11); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 1); } m SEC(".maps");

//= trie
struct k { int len; char data[4]; };
struct {
    __uint(type, 11);
    __uint(max_entries, 1);
    __type(key, struct k);
    __type(value, int);
    __uint(map_flags, 1); } m SEC(".maps");

//= queue_key: no kernel creates map `m` (BPF_MAP_TYPE_QUEUE): key size is 4, expected 0
struct { __uint(type, 22); __uint(max_entries, 1); __type(key, int); __type(value, int); } m SEC(".maps");

//= queue
struct { __uint(type, 22); __uint(max_entries, 1); __type(value, int); } m SEC(".maps");

//= bloom_key: no kernel creates map `m` (BPF_MAP_TYPE_BLOOM_FILTER): key size is 4, expected 0
struct { __uint(type, 30); __uint(max_entries, 1); __type(key, int); __type(value, int); } m SEC(".maps");

//= stack_value: no kernel creates map `m` (BPF_MAP_TYPE_STACK_TRACE): value size is 12, expected a multiple of 8
struct { __uint(type, 7); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 12); } m SEC(".maps");

//= stacks
struct { __uint(type, 7); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 80); } m SEC(".maps");

//= sockets_key: no kernel creates map `m` (BPF_MAP_TYPE_SOCKMAP): key size is 8, expected 4
struct { __uint(type, 15); __uint(max_entries, 1); __type(key, long); __type(value, int); } m SEC(".maps");

//= sockets_value: no kernel creates map `m` (BPF_MAP_TYPE_SOCKHASH): value size is 16, expected 4 or 8
struct s { long a, b; };
struct { __uint(type, 18); __uint(max_entries, 1); __type(key, long); __type(value, struct s); } m SEC(".maps");

//= sockets
struct { __uint(type, 18); __uint(max_entries, 1); __type(key, long); __type(value, long); } m SEC(".maps");

//= devices_value: no kernel creates map `m` (BPF_MAP_TYPE_DEVMAP): value size is 2, expected 4 or 8
struct { __uint(type, 14); __uint(max_entries, 1); __type(key, int); __type(value, short); } m SEC(".maps");

//= devices
struct { __uint(type, 14); __uint(max_entries, 1); __type(key, int); __type(value, long); } m SEC(".maps");

//= programs_value: no kernel creates map `m` (BPF_MAP_TYPE_PROG_ARRAY): value size is 8, expected 4
struct { __uint(type, 3); __uint(max_entries, 1); __type(key, int); __type(value, long); } m SEC(".maps");

//= cgroup_storage_key: no kernel creates map `m` (BPF_MAP_TYPE_CGROUP_STORAGE): key size is 4, expected 8 or 16
struct { __uint(type, 19); __type(key, int); __type(value, int); } m SEC(".maps");

//= cgroup_storage
struct { __uint(type, 19); __type(key, long); __type(value, int); } m SEC(".maps");

//= task_storage_entries: no kernel creates map `m` (BPF_MAP_TYPE_TASK_STORAGE): max_entries is 8, expected 0
struct { __uint(type, 29); __uint(map_flags, 1); __uint(max_entries, 8); __type(key, int); __type(value, int); } m SEC(".maps");

//= task_storage_flags: no kernel creates map `m` (BPF_MAP_TYPE_TASK_STORAGE): flag BPF_F_NO_PREALLOC is missing
struct { __uint(type, 29); __type(key, int); __type(value, int); } m SEC(".maps");

//= inner_array_key: no kernel creates map `m.inner` (BPF_MAP_TYPE_ARRAY): key size is 8, expected 4
struct {
    __uint(type, ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __array(values, struct {
    __uint(type, ARRAY);
    __uint(max_entries, 1);
    __type(key, long);
    __type(value, int); }); } m SEC(".maps");

//= arena_flags: no kernel creates map `m` (BPF_MAP_TYPE_ARENA): flag BPF_F_MMAPABLE is missing
struct { __uint(type, 33); __uint(max_entries, 1); } m SEC(".maps");

//= arena_faults: the arena `m` has variables and the flag BPF_F_SEGV_ON_FAULT, which ends the process that loads it
__attribute__((address_space(1))) int a = 1;
struct { __uint(type, 33); __uint(map_flags, 132096); __uint(max_entries, 1); } m SEC(".maps");
SEC("syscall") int p(void *c) { return a; }

//= section: program `p` is in section `xdp_filter`, which has no program type, so it cannot be loaded; did you mean `xdp`?
SEC("xdp_filter") int p(void *c) { return 2; }

//= section_of_old: program `p` is in section `classifier/ingress`, which has no program type, so it cannot be loaded; did you mean `tc/ingress`?
SEC("classifier/ingress") int p(void *c) { return 0; }

//= section_slip: program `p` is in section `tracepont/sched/sched_switch`, which has no program type, so it cannot be loaded; did you mean `tracepoint`?
SEC("tracepont/sched/sched_switch") int p(void *c) { return 0; }

//= section_of_none: program `p` is in section `whatever`, which has no program type, so it cannot be loaded
SEC("whatever") int p(void *c) { return 0; }

//= section_off
SEC("?whatever") int p(void *c) { return 0; }

//= sections
SEC("socket") int a(void *c) { return 0; }
SEC("?kprobe.multi/x") int b(void *c) { return 0; }
SEC("?tp_btf/x") int d(void *c) { return 0; }
SEC("classifier") int e(void *c) { return 0; }

//= extra: no kernel creates map `m` (BPF_MAP_TYPE_HASH): map_extra is 3, expected 0
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_extra, 3); } m SEC(".maps");

//= extra_of_enum: no kernel creates map `m` (BPF_MAP_TYPE_HASH): map_extra is 3, expected 0
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); enum { THREE = 3 } map_extra; } m SEC(".maps");

//= bloom_hashes: no kernel creates map `m` (BPF_MAP_TYPE_BLOOM_FILTER): map_extra (hash functions) is 16, expected at most 15
struct { __uint(type, 30); __uint(max_entries, 1); __type(value, int); __uint(map_extra, 16); } m SEC(".maps");

//= bloom
struct { __uint(type, 30); __uint(max_entries, 1); __type(value, int); __uint(map_extra, 15); } m SEC(".maps");

//= arena_place: no kernel creates map `m` (BPF_MAP_TYPE_ARENA): map_extra (start address) is 0x1001, expected a multiple of 4096
struct { __uint(type, 33); __uint(map_flags, 1024); __uint(max_entries, 1); __uint(map_extra, 4097); } m SEC(".maps");

//= storage_without_types: no kernel creates map `m` (BPF_MAP_TYPE_TASK_STORAGE): the type of the key or value is missing
struct { __uint(type, 29); __uint(map_flags, 1); __uint(key_size, 4); __uint(value_size, 4); } m SEC(".maps");

//= storage_key: no kernel creates map `m` (BPF_MAP_TYPE_TASK_STORAGE): the key is not an integer; write __type(key, int)
struct k { int a; };
struct { __uint(type, 29); __uint(map_flags, 1); __type(key, struct k); __type(value, int); } m SEC(".maps");

//= storage
struct { __uint(type, 29); __uint(map_flags, 1); __type(key, u32); __type(value, int); } m SEC(".maps");

//= percpu_large: no kernel creates map `m` (BPF_MAP_TYPE_PERCPU_ARRAY): value size is 70000, expected at most 
struct large { char c[70000]; };
struct { __uint(type, PERCPU_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, struct large); } m SEC(".maps");

//= percpu_hash_large: no kernel creates map `m` (BPF_MAP_TYPE_PERCPU_HASH): value size is 70000, expected at most 
struct large { char c[70000]; };
struct { __uint(type, 5); __uint(max_entries, 1); __type(key, int); __type(value, struct large); } m SEC(".maps");

//= percpu
struct large { char c[32768]; };
struct { __uint(type, PERCPU_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, struct large); } m SEC(".maps");

//= hash_entries: no kernel creates map `m` (BPF_MAP_TYPE_HASH): max_entries is 268435456, expected at most 134217728
struct { __uint(type, HASH); __uint(max_entries, 1 << 28); __type(key, int); __type(value, int); __uint(map_flags, 1); } m SEC(".maps");

//= ring_flags: no kernel creates map `m` (BPF_MAP_TYPE_RINGBUF): flag BPF_F_MMAPABLE is not supported; remove the flag
struct { __uint(type, RINGBUF); __uint(max_entries, 4096); __uint(map_flags, 1024); } m SEC(".maps");

//= queue_flags: no kernel creates map `m` (BPF_MAP_TYPE_QUEUE): flag BPF_F_NO_PREALLOC is not supported; remove the flag
struct { __uint(type, 22); __uint(max_entries, 1); __type(value, int); __uint(map_flags, 1); } m SEC(".maps");

//= programs_flags: no kernel creates map `m` (BPF_MAP_TYPE_PROG_ARRAY): flag BPF_F_RDONLY_PROG is not supported; remove the flag
struct { __uint(type, 3); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 128); } m SEC(".maps");

//= perf_flags: no kernel creates map `m` (BPF_MAP_TYPE_PERF_EVENT_ARRAY): flag BPF_F_MMAPABLE is not supported; remove the flag
struct { __uint(type, PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); __uint(map_flags, 1024); } m SEC(".maps");

//= sockets_flags: no kernel creates map `m` (BPF_MAP_TYPE_XSKMAP): flag BPF_F_WRONLY_PROG is not supported; remove the flag
struct { __uint(type, 17); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 256); } m SEC(".maps");

//= array_seed: no kernel creates map `m` (BPF_MAP_TYPE_ARRAY): flag BPF_F_ZERO_SEED is not supported; remove the flag
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 64); } m SEC(".maps");

//= hash_inner: no kernel creates map `m` (BPF_MAP_TYPE_HASH): flag BPF_F_INNER_MAP is not supported; remove the flag
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 4096); } m SEC(".maps");

//= flags_of_both: no kernel creates map `m` (BPF_MAP_TYPE_ARRAY): flags BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 384); } m SEC(".maps");

//= flags
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 5264); } m SEC(".maps");

//= inner_programs: map `m` holds maps of type BPF_MAP_TYPE_PROG_ARRAY, which no kernel accepts as inner maps
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct { __uint(type, 3); __uint(max_entries, 1); __type(key, int); __type(value, int); }); } m SEC(".maps");

//= inner_maps: map `m` holds maps of type BPF_MAP_TYPE_ARRAY_OF_MAPS, which no kernel accepts as inner maps
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 4); }); } m SEC(".maps");

//= held_value: map `m` holds `i`, which has value size 8, expected 4
struct inner { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); };
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, long); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { (void *)&i } };

//= held_kind: map `m` holds `i`, which is a BPF_MAP_TYPE_HASH, expected BPF_MAP_TYPE_ARRAY
struct inner { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); };
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { (void *)&i } };

//= held_flags: map `m` holds `i`, which has flags 0x1, expected 0x0
struct inner { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); };
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 1); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { (void *)&i } };

//= held_entries: map `m` holds `i`, which has max_entries 9, expected 1
struct inner { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); };
struct { __uint(type, ARRAY); __uint(max_entries, 9); __type(key, int); __type(value, int); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { (void *)&i } };

//= held_entries_of_hash
struct inner { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); };
struct { __uint(type, HASH); __uint(max_entries, 9); __type(key, int); __type(value, int); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { (void *)&i } };

//= held_entries_with_flag
struct inner { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 4096); };
struct { __uint(type, ARRAY); __uint(max_entries, 9); __type(key, int); __type(value, int); __uint(map_flags, 4096); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { (void *)&i } };

//= held_too_many: max_entries of map `m` is 1, but it has a value at index 1
struct inner { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); };
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { [1] = (void *)&i } };

//= held
struct inner { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); };
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 2); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { [1] = (void *)&i } };

//= programs_too_many: max_entries of map `m` is 1, but it has a value at index 1
SEC("xdp") int p(void *c) { return 0; }
struct { __uint(type, 3); __uint(max_entries, 1); __uint(key_size, 4); __array(values, int (void *)); } m SEC(".maps") = {
    .values = { [1] = (void *)&p } };

//= slots_of_programs
SEC("xdp") int p(void *c) { return 0; }
struct { __uint(type, 3); __uint(max_entries, 2); __uint(key_size, 4); __array(values, int (void *)); } m SEC(".maps") = {
    .values = { [1] = (void *)&p } };

//= table_as_map: map `m`: BPF_MAP_TYPE_STRUCT_OPS is for struct_ops tables, which are not defined as maps
struct { __uint(type, 26); __uint(max_entries, 1); __type(key, int); __type(value, int); } m SEC(".maps");

//= function_of_no_table: program `p` is for a struct_ops table, but no table refers to it
SEC("struct_ops/x") int p(void *c) { return 0; }

//= function_of_no_table_off
SEC("?struct_ops/x") int p(void *c) { return 0; }

//= kconfig_name: `FOO` is not a kernel configuration option
extern int FOO __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return FOO; }

//= kconfig_unknown: `LINUX_HAS_FOO` is not a value that libbpf provides
extern bool LINUX_HAS_FOO __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return LINUX_HAS_FOO; }

//= kconfig_unknown_weak
extern bool LINUX_HAS_FOO __attribute__((section(".kconfig"), weak));
SEC("raw_tp/x") int p(void *c) { return LINUX_HAS_FOO; }

//= kconfig_version: `LINUX_KERNEL_VERSION` is the kernel version, an integer of 4 or 8 bytes
extern short LINUX_KERNEL_VERSION __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return LINUX_KERNEL_VERSION; }

//= kconfig_cookie: `LINUX_HAS_BPF_COOKIE` is a boolean
extern char LINUX_HAS_BPF_COOKIE[8] __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return LINUX_HAS_BPF_COOKIE[1]; }

//= kconfig_virtual
extern int LINUX_KERNEL_VERSION __attribute__((section(".kconfig")));
extern bool LINUX_HAS_BPF_COOKIE __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return LINUX_KERNEL_VERSION + LINUX_HAS_BPF_COOKIE; }

//= calls_by_pointer: program `p` calls a function through a pointer (callx), which no kernel supports
int (*hook)(void *);
SEC("raw_tp/x") int p(void *c) { return hook(c); }

//= calls_by_pointer_below: program `p` calls a function through a pointer in `f` (callx), which no kernel supports
int (*hook)(void *);
static __attribute__((noinline)) int f(void *c) { return hook(c) + 1; }
SEC("raw_tp/x") int p(void *c) { return f(c) + 1; }

//= calls_by_pointer_off
int (*hook)(void *);
SEC("?raw_tp/x") int p(void *c) { return hook(c); }

//= calls_by_pointer_unreached
int (*hook)(void *);
__attribute__((noinline)) int f(void *c) { return hook(c) + 1; }
SEC("raw_tp/x") int p(void *c) { return 0; }

//= no_licence: program `p` calls bpf_trace_printk, bpf_get_current_task, which the kernel allows only under a licence compatible with the GPL, but the object names none
// Without a license.
static long (*trace)(const char *, unsigned, ...) = (void *)6;
static long (*current)(void) = (void *)35;
SEC("raw_tp/x") int p(void *c) { char s[4] = "hi"; trace(s, 3); return current() != 0; }

//= other_licence: program `p` calls bpf_probe_read_kernel, which the kernel allows only under a licence compatible with the GPL, but its licence is "MIT"
char licence[] SEC("license") = "MIT";
static long (*probe)(void *, unsigned, const void *) = (void *)113;
static __attribute__((noinline)) int f(void *c) { long v = 0; probe(&v, 8, c); return v; }
SEC("tp/x") int p(void *c) { return f(c) + 1; }

//= dual_licence
char licence[] SEC("license") = "Dual BSD/GPL";
static long (*trace)(const char *, unsigned, ...) = (void *)6;
SEC("raw_tp/x") int p(void *c) { char s[4] = "hi"; trace(s, 3); return 0; }

//= free_helper
// Without a license.
static long (*now)(void) = (void *)5;
SEC("raw_tp/x") int p(void *c) { return now() != 0; }

//= restricted_helper_of_constant
// Without a license.
const volatile bool on = 0;
static long (*trace)(const char *, unsigned, ...) = (void *)6;
SEC("raw_tp/x") int p(void *c) { char s[4] = "hi"; if (on) trace(s, 3); return 0; }

//= restricted_helper_off
// Without a license.
static long (*trace)(const char *, unsigned, ...) = (void *)6;
SEC("?raw_tp/x") int p(void *c) { char s[4] = "hi"; trace(s, 3); return 0; }

//= stacks_of_perf_events
// Without a license.
struct { __uint(type, 7); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 80); } m SEC(".maps");
static long (*stack)(void *, void *, long) = (void *)27;
SEC("perf_event") int p(void *c) { return stack(c, &m, 0) < 0; }

//= kernel_function_without_licence: program `p` calls `bpf_rcu_read_lock`, a function of the kernel, which the kernel allows only under
// Without a license.
extern void bpf_rcu_read_lock(void) __attribute__((section(".ksyms")));
extern void bpf_rcu_read_unlock(void) __attribute__((section(".ksyms")));
SEC("tp_btf/sched_switch") int p(void *c) { bpf_rcu_read_lock(); bpf_rcu_read_unlock(); return 0; }

//= kernel_function_with_licence
char licence[] SEC("license") = "GPL";
extern void bpf_rcu_read_lock(void) __attribute__((section(".ksyms")));
extern void bpf_rcu_read_unlock(void) __attribute__((section(".ksyms")));
SEC("tp_btf/sched_switch") int p(void *c) { bpf_rcu_read_lock(); bpf_rcu_read_unlock(); return 0; }

//= kernel_function_that_may_be_missing
// Without a license.
extern void bpf_none_of_this_name(void) __attribute__((section(".ksyms"), weak));
SEC("tp_btf/sched_switch") int p(void *c) { if (bpf_none_of_this_name) bpf_none_of_this_name(); return 0; }

//= lsm_without_licence: program `p` is of type lsm, which the kernel allows only under a licence compatible with the GPL
// Without a license.
SEC("lsm/file_open") int p(void *c) { return 0; }

//= programs_of_two_types: map `m` holds programs of different types: `b` is of type sched_cls, `a` of type xdp
SEC("xdp") int a(void *c) { return 0; }
SEC("tc") int b(void *c) { return 0; }
struct { __uint(type, 3); __uint(max_entries, 2); __uint(key_size, 4); __array(values, int (void *)); } m SEC(".maps") = {
    .values = { (void *)&a, (void *)&b } };

//= program_of_another_type_off: map `m` holds programs of different types: `b` is of type sched_cls, `a` of type xdp
SEC("xdp") int a(void *c) { return 0; }
SEC("?tc") int b(void *c) { return 0; }
struct { __uint(type, 3); __uint(max_entries, 2); __uint(key_size, 4); __array(values, int (void *)); } m SEC(".maps") = {
    .values = { (void *)&a, (void *)&b } };

//= array_of_one_type
static long (*tail)(void *, void *, unsigned) = (void *)12;
SEC("tc") int a(void *c) { return 0; }
struct { __uint(type, 3); __uint(max_entries, 2); __uint(key_size, 4); __array(values, int (void *)); } m SEC(".maps") = { .values = { (void *)&a } };
SEC("classifier") int b(void *c) { tail(c, &m, 0); return 0; }
SEC("?xdp") int d(void *c) { tail(c, &m, 0); return 0; }

//= array_with_fragments: map `m` holds programs of different types: `a` is of type xdp, `b` of type xdp with fragments
SEC("xdp") int a(void *c) { return 0; }
SEC("xdp.frags") int b(void *c) { return 0; }
struct { __uint(type, 3); __uint(max_entries, 2); __uint(key_size, 4); __array(values, int (void *)); } m SEC(".maps") = {
    .values = { (void *)&a, (void *)&b } };

//= held_too_many_of_hash: max_entries of map `m` is 1, but it has 2 values
struct inner { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); } i SEC(".maps");
struct { __uint(type, 13); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = {
    .values = { &i, [5] = &i } };

//= held_by_hash
struct inner { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); } i SEC(".maps");
struct { __uint(type, 13); __uint(max_entries, 2); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = {
    .values = { &i, [5] = &i } };

//= storage_large: no kernel creates map `m` (BPF_MAP_TYPE_TASK_STORAGE): value size is 65408, expected at most 65407
struct large { char c[65408]; };
struct { __uint(type, 29); __uint(map_flags, 1); __type(key, int); __type(value, struct large); } m SEC(".maps");

//= storage_largest
struct large { char c[65407]; };
struct { __uint(type, 29); __uint(map_flags, 1); __type(key, int); __type(value, struct large); } m SEC(".maps");

//= socket_storage_large: no kernel creates map `m` (BPF_MAP_TYPE_SK_STORAGE): value size is 100000, expected at most 65407
struct large { char c[100000]; };
struct { __uint(type, 24); __uint(map_flags, 1); __type(key, int); __type(value, struct large); } m SEC(".maps");

//= old_cgroup_storage_large: no kernel creates map `m` (BPF_MAP_TYPE_CGROUP_STORAGE): value size is 70000, expected at most 
struct large { char c[70000]; };
struct { __uint(type, 19); __type(key, long); __type(value, struct large); } m SEC(".maps");

//= percpu_cgroup_storage_large: no kernel creates map `m` (BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE): value size is 70000, expected at most 
struct large { char c[70000]; };
struct { __uint(type, 21); __type(key, long); __type(value, struct large); } m SEC(".maps");

//= hash_large: no kernel creates map `m` (BPF_MAP_TYPE_HASH): value size is 629145600, expected at most 
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __uint(value_size, 600 << 20); } m SEC(".maps");

//= trie_large: no kernel creates map `m` (BPF_MAP_TYPE_LPM_TRIE): value size is 629145600, expected at most 
struct k { int len; char data[4]; };
struct { __uint(type, 11); __uint(max_entries, 1); __type(key, struct k); __uint(value_size, 600 << 20); __uint(map_flags, 1); } m SEC(".maps");

//= queue_large: no kernel creates map `m` (BPF_MAP_TYPE_QUEUE): value size is 629145600, expected at most 
struct { __uint(type, 22); __uint(max_entries, 1); __uint(value_size, 600 << 20); } m SEC(".maps");

//= devices_entries: no kernel creates map `m` (BPF_MAP_TYPE_DEVMAP_HASH): max_entries is 2147483649, expected at most 2147483648
struct { __uint(type, 25); __uint(max_entries, 2147483649); __type(key, int); __type(value, int); } m SEC(".maps");

//= sockets_entries: no kernel creates map `m` (BPF_MAP_TYPE_SOCKHASH): max_entries is 268435456, expected at most 134217728
struct { __uint(type, 18); __uint(max_entries, 1 << 28); __type(key, int); __type(value, int); } m SEC(".maps");

//= stacks_entries: no kernel creates map `m` (BPF_MAP_TYPE_STACK_TRACE): max_entries is 2147483649, expected at most 2147483648
struct { __uint(type, 7); __uint(max_entries, 2147483649); __uint(key_size, 4); __uint(value_size, 80); } m SEC(".maps");

//= ring_entries: no kernel creates map `m` (BPF_MAP_TYPE_RINGBUF): max_entries is 3221225472, expected at most 2147483648
struct { __uint(type, RINGBUF); __uint(max_entries, 3221225472); } m SEC(".maps");

//= cpus_entries: no kernel creates map `m` (BPF_MAP_TYPE_CPUMAP): max_entries is 8193, expected at most 8192
struct { __uint(type, 16); __uint(max_entries, 8193); __type(key, int); __type(value, int); } m SEC(".maps");

//= arena_entries: no kernel creates map `m` (BPF_MAP_TYPE_ARENA): max_entries is 1048577, expected at most 1048576
struct { __uint(type, 33); __uint(map_flags, 1024); __uint(max_entries, 1048577); } m SEC(".maps");

//= arena_across: no kernel creates map `m` (BPF_MAP_TYPE_ARENA): 2 pages from 0xfffff000 (map_extra) cross a multiple of 4 GiB
struct { __uint(type, 33); __uint(map_flags, 1024); __uint(max_entries, 2); __uint(map_extra, 0xfffff000); } m SEC(".maps");

//= sockets_key_large: no kernel creates map `m` (BPF_MAP_TYPE_SOCKHASH): key size is 516, expected 1 to 512
struct { __uint(type, 18); __uint(max_entries, 1); __uint(key_size, 516); __type(value, int); } m SEC(".maps");

//= map_name: the kernel does not accept the name of map `m$n`
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); } m$n SEC(".maps");

//= program_name: the kernel does not accept the name of program `pü`
SEC("raw_tp/x") int pü(void *c) { return 0; }

//= program_name_off
SEC("?raw_tp/x") int p$q(void *c) { return 0; }

//= names
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); } m_with_a_long_name$ SEC(".maps");
int v$w SEC(".data.a$b") = 1;
static __attribute__((noinline)) int f$g(int a) { return a + v$w; }
SEC("raw_tp/x") int p(void *c) { return f$g(1); }
SEC("raw_tp/x") int p_with_a_long_name$(void *c) { return 0; }
