// Sources that libbpf opens and no kernel loads, and similar ones that are valid: after `//=` the name and, if refused, a part of the error.
// clang-format off

//= ring_with_value: the map `m` is a BPF_MAP_TYPE_RINGBUF, whose values have no bytes, and these have 4
struct { __uint(type, RINGBUF); __uint(max_entries, 4096); __type(value, int); } m SEC(".maps");

//= ring_with_key: the map `m` is a BPF_MAP_TYPE_RINGBUF, whose keys have no bytes, and these have 4
struct { __uint(type, RINGBUF); __uint(max_entries, 4096); __uint(key_size, 4); } m SEC(".maps");

//= ring
struct { __uint(type, RINGBUF); __uint(max_entries, 5000); } m SEC(".maps");

//= perf_with_value: the map `m` is a BPF_MAP_TYPE_PERF_EVENT_ARRAY, whose values have 4 bytes, and these have 16
struct e { long a, b; };
struct { __uint(type, PERF_EVENT_ARRAY); __uint(key_size, 4); __type(value, struct e); } m SEC(".maps");

//= perf
struct { __uint(type, PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } m SEC(".maps");

//= array_key: the map `m` is a BPF_MAP_TYPE_ARRAY, whose keys have 4 bytes, and these have 8
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, long); __type(value, int); } m SEC(".maps");

//= array_flags: the map `m` is a BPF_MAP_TYPE_ARRAY, which does not take the flag BPF_F_NO_PREALLOC
struct {
    __uint(type, ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, int);
    __uint(map_flags, 1); } m SEC(".maps");

//= percpu_mmapable: the map `m` is a BPF_MAP_TYPE_PERCPU_ARRAY, which does not take the flag BPF_F_MMAPABLE
struct {
    __uint(type, PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, int);
    __uint(map_flags, 1024); } m SEC(".maps");

//= lru_flags: the map `m` is a BPF_MAP_TYPE_LRU_HASH, which does not take the flag BPF_F_NO_PREALLOC
struct {
    __uint(type, LRU_HASH);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, int);
    __uint(map_flags, 1); } m SEC(".maps");

//= hash_flags: the map `m` is a BPF_MAP_TYPE_HASH, which does not take the flag BPF_F_NO_COMMON_LRU; no kernel makes it; remove the flag, or make it a BPF_MAP_TYPE_LRU_HASH
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 2); } m SEC(".maps");

//= hash
struct {
    __uint(type, HASH);
    __uint(max_entries, 1);
    __type(key, long);
    __type(value, int);
    __uint(map_flags, 1); } m SEC(".maps");

//= trie_flags: the map `m` is a BPF_MAP_TYPE_LPM_TRIE, which needs the flag BPF_F_NO_PREALLOC
struct k { int len; char data[4]; };
struct { __uint(type, 11); __uint(max_entries, 1); __type(key, struct k); __type(value, int); } m SEC(".maps");

//= trie_key: the map `m` is a BPF_MAP_TYPE_LPM_TRIE, whose keys have 5 to 260 bytes, and these have 4
struct { __uint(type, 11); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 1); } m SEC(".maps");

//= trie
struct k { int len; char data[4]; };
struct {
    __uint(type, 11);
    __uint(max_entries, 1);
    __type(key, struct k);
    __type(value, int);
    __uint(map_flags, 1); } m SEC(".maps");

//= queue_key: the map `m` is a BPF_MAP_TYPE_QUEUE, whose keys have no bytes, and these have 4
struct { __uint(type, 22); __uint(max_entries, 1); __type(key, int); __type(value, int); } m SEC(".maps");

//= queue
struct { __uint(type, 22); __uint(max_entries, 1); __type(value, int); } m SEC(".maps");

//= bloom_key: the map `m` is a BPF_MAP_TYPE_BLOOM_FILTER, whose keys have no bytes, and these have 4
struct { __uint(type, 30); __uint(max_entries, 1); __type(key, int); __type(value, int); } m SEC(".maps");

//= stack_value: the map `m` is a BPF_MAP_TYPE_STACK_TRACE, whose values have a multiple of 8 bytes, and these have 12
struct { __uint(type, 7); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 12); } m SEC(".maps");

//= stacks
struct { __uint(type, 7); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 80); } m SEC(".maps");

//= sockets_key: the map `m` is a BPF_MAP_TYPE_SOCKMAP, whose keys have 4 bytes, and these have 8
struct { __uint(type, 15); __uint(max_entries, 1); __type(key, long); __type(value, int); } m SEC(".maps");

//= sockets_value: the map `m` is a BPF_MAP_TYPE_SOCKHASH, whose values have 4 or 8 bytes, and these have 16
struct s { long a, b; };
struct { __uint(type, 18); __uint(max_entries, 1); __type(key, long); __type(value, struct s); } m SEC(".maps");

//= sockets
struct { __uint(type, 18); __uint(max_entries, 1); __type(key, long); __type(value, long); } m SEC(".maps");

//= devices_value: the map `m` is a BPF_MAP_TYPE_DEVMAP, whose values have 4 or 8 bytes, and these have 2
struct { __uint(type, 14); __uint(max_entries, 1); __type(key, int); __type(value, short); } m SEC(".maps");

//= devices
struct { __uint(type, 14); __uint(max_entries, 1); __type(key, int); __type(value, long); } m SEC(".maps");

//= programs_value: the map `m` is a BPF_MAP_TYPE_PROG_ARRAY, whose values have 4 bytes, and these have 8
struct { __uint(type, 3); __uint(max_entries, 1); __type(key, int); __type(value, long); } m SEC(".maps");

//= cgroup_storage_key: the map `m` is a BPF_MAP_TYPE_CGROUP_STORAGE, whose keys have 8 or 16 bytes, and these have 4
struct { __uint(type, 19); __type(key, int); __type(value, int); } m SEC(".maps");

//= cgroup_storage
struct { __uint(type, 19); __type(key, long); __type(value, int); } m SEC(".maps");

//= task_storage_entries: the map `m` is a BPF_MAP_TYPE_TASK_STORAGE, which has no number of entries
struct { __uint(type, 29); __uint(map_flags, 1); __uint(max_entries, 8); __type(key, int); __type(value, int); } m SEC(".maps");

//= task_storage_flags: the map `m` is a BPF_MAP_TYPE_TASK_STORAGE, which needs the flag BPF_F_NO_PREALLOC
struct { __uint(type, 29); __type(key, int); __type(value, int); } m SEC(".maps");

//= inner_array_key: the map `m.inner` is a BPF_MAP_TYPE_ARRAY, whose keys have 4 bytes, and these have 8
struct {
    __uint(type, ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __uint(key_size, 4);
    __array(values, struct {
    __uint(type, ARRAY);
    __uint(max_entries, 1);
    __type(key, long);
    __type(value, int); }); } m SEC(".maps");

//= arena_flags: the map `m` is a BPF_MAP_TYPE_ARENA, which needs the flag BPF_F_MMAPABLE
struct { __uint(type, 33); __uint(max_entries, 1); } m SEC(".maps");

//= arena_faults: the arena `m` has variables and the flag BPF_F_SEGV_ON_FAULT, which ends the process that loads it
__attribute__((address_space(1))) int a = 1;
struct { __uint(type, 33); __uint(map_flags, 132096); __uint(max_entries, 1); } m SEC(".maps");
SEC("syscall") int p(void *c) { return a; }

//= section: the program `p` is in the section `xdp_filter`, which has no program type, so that it cannot be loaded; did you mean `xdp`?
SEC("xdp_filter") int p(void *c) { return 2; }

//= section_of_old: the program `p` is in the section `classifier/ingress`, which has no program type, so that it cannot be loaded; did you mean `tc/ingress`?
SEC("classifier/ingress") int p(void *c) { return 0; }

//= section_slip: the program `p` is in the section `tracepont/sched/sched_switch`, which has no program type, so that it cannot be loaded; did you mean `tracepoint`?
SEC("tracepont/sched/sched_switch") int p(void *c) { return 0; }

//= section_of_none: the program `p` is in the section `whatever`, which has no program type, so that it cannot be loaded
SEC("whatever") int p(void *c) { return 0; }

//= section_off
SEC("?whatever") int p(void *c) { return 0; }

//= sections
SEC("socket") int a(void *c) { return 0; }
SEC("?kprobe.multi/x") int b(void *c) { return 0; }
SEC("?tp_btf/x") int d(void *c) { return 0; }
SEC("classifier") int e(void *c) { return 0; }

//= extra: the map `m` is a BPF_MAP_TYPE_HASH, which has no `map_extra`, and this one is 3
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_extra, 3); } m SEC(".maps");

//= extra_of_enum: the map `m` is a BPF_MAP_TYPE_HASH, which has no `map_extra`, and this one is 3
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); enum { THREE = 3 } map_extra; } m SEC(".maps");

//= bloom_hashes: the map `m` is a BPF_MAP_TYPE_BLOOM_FILTER, which has at most 15 hash functions, and `map_extra` is 16
struct { __uint(type, 30); __uint(max_entries, 1); __type(value, int); __uint(map_extra, 16); } m SEC(".maps");

//= bloom
struct { __uint(type, 30); __uint(max_entries, 1); __type(value, int); __uint(map_extra, 15); } m SEC(".maps");

//= arena_place: the map `m` is a BPF_MAP_TYPE_ARENA, which begins with a page, and `map_extra` is 0x1001
struct { __uint(type, 33); __uint(map_flags, 1024); __uint(max_entries, 1); __uint(map_extra, 4097); } m SEC(".maps");

//= storage_without_types: the map `m` is a BPF_MAP_TYPE_TASK_STORAGE, whose key and value the kernel takes by type
struct { __uint(type, 29); __uint(map_flags, 1); __uint(key_size, 4); __uint(value_size, 4); } m SEC(".maps");

//= storage_key: the map `m` is a BPF_MAP_TYPE_TASK_STORAGE, whose key is an integer; no kernel makes it; write __type(key, int)
struct k { int a; };
struct { __uint(type, 29); __uint(map_flags, 1); __type(key, struct k); __type(value, int); } m SEC(".maps");

//= storage
struct { __uint(type, 29); __uint(map_flags, 1); __type(key, u32); __type(value, int); } m SEC(".maps");

//= percpu_large: the map `m` is a BPF_MAP_TYPE_PERCPU_ARRAY, whose values have at most 
struct large { char c[70000]; };
struct { __uint(type, PERCPU_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, struct large); } m SEC(".maps");

//= percpu_hash_large: the map `m` is a BPF_MAP_TYPE_PERCPU_HASH, whose values have at most 
struct large { char c[70000]; };
struct { __uint(type, 5); __uint(max_entries, 1); __type(key, int); __type(value, struct large); } m SEC(".maps");

//= percpu
struct large { char c[32768]; };
struct { __uint(type, PERCPU_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, struct large); } m SEC(".maps");

//= hash_entries: the map `m` is a BPF_MAP_TYPE_HASH, which has at most 134217728 entries, and this one 268435456
struct { __uint(type, HASH); __uint(max_entries, 1 << 28); __type(key, int); __type(value, int); __uint(map_flags, 1); } m SEC(".maps");

//= ring_flags: the map `m` is a BPF_MAP_TYPE_RINGBUF, which does not take the flag BPF_F_MMAPABLE; no kernel makes it; remove the flag
struct { __uint(type, RINGBUF); __uint(max_entries, 4096); __uint(map_flags, 1024); } m SEC(".maps");

//= queue_flags: the map `m` is a BPF_MAP_TYPE_QUEUE, which does not take the flag BPF_F_NO_PREALLOC; no kernel makes it; remove the flag
struct { __uint(type, 22); __uint(max_entries, 1); __type(value, int); __uint(map_flags, 1); } m SEC(".maps");

//= programs_flags: the map `m` is a BPF_MAP_TYPE_PROG_ARRAY, which does not take the flag BPF_F_RDONLY_PROG; no kernel makes it; remove the flag
struct { __uint(type, 3); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 128); } m SEC(".maps");

//= perf_flags: the map `m` is a BPF_MAP_TYPE_PERF_EVENT_ARRAY, which does not take the flag BPF_F_MMAPABLE; no kernel makes it; remove the flag
struct { __uint(type, PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); __uint(map_flags, 1024); } m SEC(".maps");

//= sockets_flags: the map `m` is a BPF_MAP_TYPE_XSKMAP, which does not take the flag BPF_F_WRONLY_PROG; no kernel makes it; remove the flag
struct { __uint(type, 17); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 256); } m SEC(".maps");

//= array_seed: the map `m` is a BPF_MAP_TYPE_ARRAY, which does not take the flag BPF_F_ZERO_SEED; no kernel makes it; remove the flag
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 64); } m SEC(".maps");

//= hash_inner: the map `m` is a BPF_MAP_TYPE_HASH, which does not take the flag BPF_F_INNER_MAP; no kernel makes it; remove the flag
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 4096); } m SEC(".maps");

//= flags_of_both: the map `m` is a BPF_MAP_TYPE_ARRAY, and has both flags BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 384); } m SEC(".maps");

//= flags
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 5264); } m SEC(".maps");

//= inner_programs: the map `m` holds maps of the type BPF_MAP_TYPE_PROG_ARRAY, which no kernel takes inside of another
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct { __uint(type, 3); __uint(max_entries, 1); __type(key, int); __type(value, int); }); } m SEC(".maps");

//= inner_maps: the map `m` holds maps of the type BPF_MAP_TYPE_ARRAY_OF_MAPS, which no kernel takes inside of another
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __uint(value_size, 4); }); } m SEC(".maps");

//= held_value: the map `m` holds `i`, which has values of 8 bytes and not of 4
struct inner { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); };
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, long); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { (void *)&i } };

//= held_kind: the map `m` holds `i`, which is a BPF_MAP_TYPE_HASH and no BPF_MAP_TYPE_ARRAY
struct inner { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); };
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { (void *)&i } };

//= held_flags: the map `m` holds `i`, which has the flags 0x1 and not 0x0
struct inner { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); };
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 1); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { (void *)&i } };

//= held_entries: the map `m` holds `i`, which has 9 entries and not 1
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

//= held_too_many: the map `m` has 1 entries, and a value for the one at 1
struct inner { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); };
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 1); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { [1] = (void *)&i } };

//= held
struct inner { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); };
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, int); } i SEC(".maps");
struct { __uint(type, ARRAY_OF_MAPS); __uint(max_entries, 2); __uint(key_size, 4); __array(values, struct inner); } m SEC(".maps") = { .values = { [1] = (void *)&i } };

//= programs_too_many: the map `m` has 1 entries, and a value for the one at 1
SEC("xdp") int p(void *c) { return 0; }
struct { __uint(type, 3); __uint(max_entries, 1); __uint(key_size, 4); __array(values, int (void *)); } m SEC(".maps") = {
    .values = { [1] = (void *)&p } };

//= slots_of_programs
SEC("xdp") int p(void *c) { return 0; }
struct { __uint(type, 3); __uint(max_entries, 2); __uint(key_size, 4); __array(values, int (void *)); } m SEC(".maps") = {
    .values = { [1] = (void *)&p } };

//= table_as_map: the map `m`: BPF_MAP_TYPE_STRUCT_OPS is of tables of functions, which are not defined as maps
struct { __uint(type, 26); __uint(max_entries, 1); __type(key, int); __type(value, int); } m SEC(".maps");

//= function_of_no_table: the program `p` is for a table of struct_ops, and stands in none
SEC("struct_ops/x") int p(void *c) { return 0; }

//= function_of_no_table_off
SEC("?struct_ops/x") int p(void *c) { return 0; }

//= kconfig_name: `FOO` is no value of the kernel's configuration
extern int FOO __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return FOO; }

//= kconfig_unknown: `LINUX_HAS_FOO` is no value that libbpf knows beside the kernel's configuration
extern bool LINUX_HAS_FOO __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return LINUX_HAS_FOO; }

//= kconfig_unknown_weak
extern bool LINUX_HAS_FOO __attribute__((section(".kconfig"), weak));
SEC("raw_tp/x") int p(void *c) { return LINUX_HAS_FOO; }

//= kconfig_version: `LINUX_KERNEL_VERSION` is the kernel's version, which has four bytes
extern short LINUX_KERNEL_VERSION __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return LINUX_KERNEL_VERSION; }

//= kconfig_cookie: `LINUX_HAS_BPF_COOKIE` is yes or no
extern char LINUX_HAS_BPF_COOKIE[8] __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return LINUX_HAS_BPF_COOKIE[1]; }

//= kconfig_virtual
extern int LINUX_KERNEL_VERSION __attribute__((section(".kconfig")));
extern bool LINUX_HAS_BPF_COOKIE __attribute__((section(".kconfig")));
SEC("raw_tp/x") int p(void *c) { return LINUX_KERNEL_VERSION + LINUX_HAS_BPF_COOKIE; }
