// Sends the stacks of what runs on each CPU, each time that its clock ticks.
#include <linux/bpf.h>
#include <eunomia.bpf.h>

#define DEPTH 64

// A record of the ring buffer. The build makes `types::Sample` of it.
struct sample {
    __u32 pid;
    char comm[16];
    // In bytes, or a negative error.
    int kernel_len;
    int user_len;
    __u64 kernel[DEPTH];
    __u64 user[DEPTH];
};

// An option of the command line.
const volatile __u32 pid EUNOMIA_HELP("The one process to look at; 0 means all") EUNOMIA_SHORT("p") = 0;

EUNOMIA_RINGBUF(samples, 1024 * 1024, struct sample);

char LICENSE[] SEC("license") = "Dual MIT/GPL";

// The app says how often it runs.
SEC("perf_event")
int tick(void *ctx)
{
    __u32 running = bpf_get_current_pid_tgid() >> 32;
    struct sample *sample;

    // The idle task has the pid 0.
    if (!running || (pid && running != pid))
        return 0;
    // The stacks do not fill their arrays, so the record is zeroed. A full ring counts it as lost.
    sample = eunomia_reserve_zeroed(samples);
    if (!sample)
        return 0;
    sample->pid = running;
    bpf_get_current_comm(sample->comm, sizeof(sample->comm));
    sample->kernel_len = bpf_get_stack(ctx, sample->kernel, sizeof(sample->kernel), 0);
    sample->user_len = bpf_get_stack(ctx, sample->user, sizeof(sample->user), BPF_F_USER_STACK);
    eunomia_submit(sample);
    return 0;
}
