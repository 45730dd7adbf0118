// Fields, types, constants, a helper, functions and targets that every kernel or no kernel has.
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

// The fields of the kernel that are read, found by name.
#define kernel __attribute__((preserve_access_index))

struct task_struct {
    int pid;
    char comm[16];
    int eunomia_none;
} kernel;

// A flavor of the kernel's struct, with members that the kernel does not have.
struct task_struct___eunomia {
    int eunomia_guarded;
    char comm[4096];
} kernel;

struct eunomia_none {
    int field;
} kernel;

enum bpf_func_id___eunomia {
    BPF_FUNC_eunomia_none = 100000,
};

extern int bpf_eunomia_none(int value) __ksym __weak;
extern const void eunomia_none_address __ksym __weak;
extern int LINUX_KERNEL_VERSION __kconfig;

int seen;

static __noinline int read_missing(struct task_struct *task)
{
    return BPF_CORE_READ(task, eunomia_none);
}

SEC("raw_tp/sys_enter")
int guarded(void *ctx)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    struct task_struct___eunomia *flavored = (void *)task;

    seen = BPF_CORE_READ(task, pid);
    if (bpf_core_field_exists(flavored->eunomia_guarded))
        seen = BPF_CORE_READ(flavored, eunomia_guarded);
    if (bpf_core_type_exists(struct eunomia_none))
        seen = bpf_core_type_size(struct eunomia_none);
    if (bpf_core_enum_value_exists(enum bpf_func_id___eunomia, BPF_FUNC_eunomia_none))
        seen = bpf_core_enum_value(enum bpf_func_id___eunomia, BPF_FUNC_eunomia_none);
    if (bpf_eunomia_none)
        seen = bpf_eunomia_none(1);
    if (&eunomia_none_address)
        seen = LINUX_KERNEL_VERSION;
    return 0;
}

// Not loaded unless a test asks for it, since loading fails.

SEC("?raw_tp/sys_enter")
int unguarded(void *ctx)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    struct task_struct___eunomia *flavored = (void *)task;

    return read_missing(task) + BPF_CORE_READ(flavored, comm[4000]);
}

// A helper that programs of this type must not call.
SEC("?raw_tp/sys_enter")
int wrong_helper(void *ctx)
{
    return bpf_redirect(1, 0);
}

// Targets that no kernel has.

SEC("tp/sched/eunomia_none")
int on_tracepoint(void *ctx)
{
    return 0;
}

SEC("?tp_btf/eunomia_none")
int on_raw_tracepoint(void *ctx)
{
    return 0;
}

SEC("?fentry/eunomia_none")
int on_function(void *ctx)
{
    return 0;
}

SEC("?kprobe/eunomia_none")
int on_probe(void *ctx)
{
    return 0;
}

SEC("?uprobe//proc/self/exe:eunomia_none")
int on_call(void *ctx)
{
    return 0;
}

SEC("?uprobe//eunomia/none:main")
int on_file(void *ctx)
{
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
