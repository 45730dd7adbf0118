// Programs and maps that kernels refuse for known reasons. None is loaded unless a test asks.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define PROGRAM(section, name) SEC("?" section) int name(void *ctx) { return 0; }

// Misspelt targets.
PROGRAM("tp/sched/sched_swich", tracepoint)
PROGRAM("tp/sch/sched_switch", category)
PROGRAM("raw_tp/sched_swich", raw_tracepoint)
PROGRAM("raw_tp/sched/sched_switch", raw_with_category)
PROGRAM("tp_btf/sched_swich", typed_tracepoint)
PROGRAM("fentry/vfs_unlnik", function)
PROGRAM("fentry/eunomia_none:vfs_unlink", function_of_module)
PROGRAM("lsm/file_opne", hook)
PROGRAM("iter/tsk", iterator)
PROGRAM("kprobe/vfs_unlnik", probe)
PROGRAM("kprobe.multi/eunomia_none_*", probes)
PROGRAM("ksyscall/unlnikat", call)
PROGRAM("uprobe//proc/self/exe:eunomia_live_prob", probe_of_binary)
PROGRAM("uprobe/libc.so.6:malloc@GLIBC_0.1", version)
PROGRAM("usdt/libc.so.6:libc:setjump", usdt)

// A function that the compiler renamed, an address inside an instruction, a forbidden function.
PROGRAM("kprobe/finish_task_switch", lengthened)
PROGRAM("kprobe/vfs_unlink+0x1", inside)
PROGRAM("kprobe/get_kprobe", forbidden)

// Files that are not programs.
PROGRAM("uprobe//dev/zero:main", device)
PROGRAM("uprobe//proc/self/status:main", of_the_kernel)
PROGRAM("usdt//dev:a:b", folder)

// Sections that lack a target.
PROGRAM("xdp", interface)
PROGRAM("perf_event", event)
PROGRAM("uprobe", any_call)
PROGRAM("uretprobe/readline", half)
PROGRAM("kprobe", any_function)
PROGRAM("cgroup/sysctl", group)
PROGRAM("fentry", no_function)

#define MAP(map_type, name, ...) struct { __uint(type, BPF_MAP_TYPE_##map_type); __VA_ARGS__ } name SEC(".maps");
#define SIZES(key, value) __uint(key_size, key); __uint(value_size, value);

// The user must set the size.
MAP(HASH, no_entries, SIZES(4, 8))
MAP(HASH_OF_MAPS, no_inner, __uint(max_entries, 4); SIZES(4, 4))
// Deeper than the kernel's default limit for stacks.
MAP(STACK_TRACE, deep, __uint(max_entries, 4); SIZES(4, 8 * 1024))
// 64 GiB.
MAP(ARRAY, large, __uint(max_entries, 1 << 30); SIZES(4, 64))

char LICENSE[] SEC("license") = "Dual BSD/GPL";
