// Objects on which the doctor and the command must agree. Each begins with `//=`, a name and, if
// there is one, the target of the program `it`. Each loads on every kernel that has its map types;
// both must find out whether its program can be attached.
// clang-format off

//= cgroup_storage
struct { __uint(type, CGRP_STORAGE); __uint(map_flags, NO_PREALLOC); __type(key, int); __type(value, u64); } m SEC(".maps");
SEC("raw_tp/task_rename") int it(void *ctx) { return 0; }

//= walk_over_sockets
struct { __uint(type, SOCKHASH); __uint(max_entries, 4); __type(key, int); __type(value, u64); } m SEC(".maps");
SEC("iter/sockmap") int it(void *ctx) { return 0; }

//= walk_over_these_sockets: map:m
struct { __uint(type, SOCKHASH); __uint(max_entries, 4); __type(key, int); __type(value, u64); } m SEC(".maps");
SEC("iter/sockmap") int it(void *ctx) { return 0; }

//= walk_over_no_sockets: map:m
struct { __uint(type, HASH); __uint(max_entries, 4); __type(key, int); __type(value, u64); } m SEC(".maps");
SEC("iter/sockmap") int it(void *ctx) { return 0; }

//= walk_over_a_table: map:m
struct { __uint(type, HASH); __uint(max_entries, 4); __type(key, int); __type(value, u64); } m SEC(".maps");
SEC("iter/bpf_map_elem") int it(void *ctx) { return 0; }

//= walk_over_a_ring: map:m
struct { __uint(type, RINGBUF); __uint(max_entries, 4096); } m SEC(".maps");
SEC("iter/bpf_map_elem") int it(void *ctx) { return 0; }

//= walk_over_cgroups
SEC("iter/cgroup") int it(void *ctx) { return 0; }

//= messages_of_sockets: map:m
struct { __uint(type, SOCKMAP); __uint(max_entries, 4); __type(key, int); __type(value, u64); } m SEC(".maps");
SEC("sk_msg") int it(void *ctx) { return 1; }

//= messages_of_a_table: map:m
struct { __uint(type, HASH); __uint(max_entries, 4); __type(key, int); __type(value, u64); } m SEC(".maps");
SEC("sk_msg") int it(void *ctx) { return 1; }

//= packets_in_the_driver_of_lo: xdp:lo,native
SEC("xdp") int it(void *ctx) { return 2; }

//= packets_on_the_card_of_lo: xdp:lo,offload
SEC("xdp") int it(void *ctx) { return 2; }

//= table_for_tests
struct bpf_dummy_ops_state;
struct bpf_dummy_ops { int (*test_1)(struct bpf_dummy_ops_state *); };
SEC("struct_ops/test_1") int it(u64 *ctx) { return 0; }
SEC(".struct_ops") struct bpf_dummy_ops dummy = { .test_1 = (void *)it };
