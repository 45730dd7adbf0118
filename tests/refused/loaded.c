// What libbpf opens and no kernel loads, beside what is nearly the same and fine: `//=`, its name, and what the build says of it.
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
