// Reports every program that starts: each successful execve, with its parent.
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <eunomia.bpf.h>

// A record of the ring buffer. The build makes `types::Event` of it.
struct event {
    int pid;
    int ppid;
    unsigned int uid;
    char comm[16];
    char filename[128];
};

// What the program reads of the kernel's structs. Their offsets are those of the running kernel
// (CO-RE), so it needs no vmlinux.h.
struct task_struct {
    int tgid;
    struct task_struct *real_parent;
} __attribute__((preserve_access_index));

struct linux_binprm {
    const char *filename;
} __attribute__((preserve_access_index));

// An option of the command line.
const volatile int parent EUNOMIA_HELP("Report only what this process starts") EUNOMIA_SHORT("p") = 0;

EUNOMIA_RINGBUF(events, 256 * 1024, struct event);

char LICENSE[] SEC("license") = "Dual MIT/GPL";

SEC("raw_tp/sched_process_exec")
int BPF_PROG(started, struct task_struct *task, int old_pid, struct linux_binprm *program)
{
    int ppid = BPF_CORE_READ(task, real_parent, tgid);
    struct event *event;

    if (parent && ppid != parent)
        return 0;
    // The texts do not fill their arrays, so the record is zeroed. A full ring counts it as lost.
    event = eunomia_reserve_zeroed(events);
    if (!event)
        return 0;
    event->pid = bpf_get_current_pid_tgid() >> 32;
    event->ppid = ppid;
    event->uid = bpf_get_current_uid_gid();
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    bpf_probe_read_kernel_str(event->filename, sizeof(event->filename), BPF_CORE_READ(program, filename));
    eunomia_submit(event);
    return 0;
}
