// Reports every process start and exit on the machine through a ring buffer.
//
// The kernel fields that it reads are declared here and relocated when the object is loaded
// (CO-RE), so it needs no vmlinux.h.
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <eunomia.bpf.h>

#define COMM_LEN 16
#define FILENAME_LEN 127

enum event_type {
    EVENT_TYPE__ENTER,
    EVENT_TYPE__EXIT,
};

struct event {
    int pid;
    int ppid;
    unsigned int exit_code;
    unsigned long long duration_ns EUNOMIA_FORMAT(ns);
    char comm[COMM_LEN];
    char filename[FILENAME_LEN];
    bool exit_event;
    enum event_type et;
};

struct task_struct {
    int tgid;
    int exit_code;
    struct task_struct *real_parent;
} __attribute__((preserve_access_index));

struct trace_event_raw_sched_process_exec {
    unsigned int __data_loc_filename;
} __attribute__((preserve_access_index));

// If set, starts are not reported.
const volatile unsigned long long min_duration_ns
    EUNOMIA_HELP("Report only processes that lived at least this long, in nanoseconds") = 0;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8192);
    __type(key, int);
    __type(value, unsigned long long);
} exec_start SEC(".maps");

EUNOMIA_RINGBUF(rb, 256 * 1024, struct event);

char LICENSE[] SEC("license") EUNOMIA_BRIEF("Reports every process start and exit.") = "Dual BSD/GPL";

static __always_inline void fill(struct event *event, int pid)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();

    event->pid = pid;
    event->ppid = BPF_CORE_READ(task, real_parent, tgid);
    bpf_get_current_comm(event->comm, sizeof(event->comm));
}

SEC("tp/sched/sched_process_exec")
int handle_exec(struct trace_event_raw_sched_process_exec *ctx)
{
    int pid = bpf_get_current_pid_tgid() >> 32;
    unsigned long long now = bpf_ktime_get_ns();
    struct event *event;

    bpf_map_update_elem(&exec_start, &pid, &now, BPF_ANY);
    if (min_duration_ns)
        return 0;

    event = eunomia_reserve(rb);
    if (!event)
        return 0;
    fill(event, pid);
    event->exit_code = 0;
    event->duration_ns = 0;
    event->exit_event = false;
    event->et = EVENT_TYPE__ENTER;
    bpf_probe_read_kernel_str(event->filename, sizeof(event->filename), (void *)ctx + (ctx->__data_loc_filename & 0xffff));
    eunomia_submit(event);
    return 0;
}

SEC("tp/sched/sched_process_exit")
int handle_exit(void *ctx)
{
    unsigned long long id = bpf_get_current_pid_tgid();
    unsigned long long *start, duration_ns = 0;
    struct task_struct *task;
    struct event *event;
    int pid = id >> 32;

    // The exit of one thread is not the exit of the process.
    if (pid != (int)id)
        return 0;

    start = bpf_map_lookup_elem(&exec_start, &pid);
    if (start)
        duration_ns = bpf_ktime_get_ns() - *start;
    else if (min_duration_ns)
        return 0;
    bpf_map_delete_elem(&exec_start, &pid);
    if (duration_ns < min_duration_ns)
        return 0;

    event = eunomia_reserve(rb);
    if (!event)
        return 0;
    fill(event, pid);
    task = (struct task_struct *)bpf_get_current_task();
    event->exit_code = (BPF_CORE_READ(task, exit_code) >> 8) & 0xff;
    event->duration_ns = duration_ns;
    event->filename[0] = '\0';
    event->exit_event = true;
    event->et = EVENT_TYPE__EXIT;
    eunomia_submit(event);
    return 0;
}
