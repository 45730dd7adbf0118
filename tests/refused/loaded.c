// What libbpf opens and no kernel loads, beside what is nearly the same and fine: behind `//=` its name, and what the build says.
// clang-format off

//= ring_with_value: the map `m` is a BPF_MAP_TYPE_RINGBUF, whose values have no bytes, and these have 4
struct { __uint(type, RINGBUF); __uint(max_entries, 4096); __type(value, int); } m SEC(".maps");

//= ring_with_key: whose keys have no bytes, and these have 4
struct { __uint(type, RINGBUF); __uint(max_entries, 4096); __uint(key_size, 4); } m SEC(".maps");

//= ring
struct { __uint(type, RINGBUF); __uint(max_entries, 5000); } m SEC(".maps");

//= perf_with_value: whose values have 4 bytes, and these have 16
struct e { long a, b; };
struct { __uint(type, PERF_EVENT_ARRAY); __uint(key_size, 4); __type(value, struct e); } m SEC(".maps");

//= perf
struct { __uint(type, PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } m SEC(".maps");

//= array_key: the map `m` is a BPF_MAP_TYPE_ARRAY, whose keys have 4 bytes, and these have 8; no kernel makes it
struct { __uint(type, ARRAY); __uint(max_entries, 1); __type(key, long); __type(value, int); } m SEC(".maps");

//= array_flags: which does not take the flag BPF_F_NO_PREALLOC
struct {
    __uint(type, ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, int);
    __uint(map_flags, 1); } m SEC(".maps");

//= percpu_mmapable: which does not take the flag BPF_F_MMAPABLE
struct {
    __uint(type, PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, int);
    __uint(map_flags, 1024); } m SEC(".maps");

//= lru_flags: which does not take the flag BPF_F_NO_PREALLOC
struct {
    __uint(type, LRU_HASH);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, int);
    __uint(map_flags, 1); } m SEC(".maps");

//= hash_flags: which does not take the flag BPF_F_NO_COMMON_LRU
struct { __uint(type, HASH); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(map_flags, 2); } m SEC(".maps");

//= hash
struct {
    __uint(type, HASH);
    __uint(max_entries, 1);
    __type(key, long);
    __type(value, int);
    __uint(map_flags, 1); } m SEC(".maps");
