//! The texts that follow the options in help.

pub(super) const AFTER: &str = "\
Examples:
  eunomia inspect bootstrap.json
  eunomia doctor bootstrap.json
  eunomia run bootstrap.json
  eunomia run bootstrap.json --format json --duration 10s -- --min_duration_ns 1000000

Exit codes:
  0  done
  1  the input has faults, the answer is no (doctor), or a file cannot be read or written
  2  the command line is wrong
  3  the kernel refused, or no program could be attached";

pub(super) const AFTER_RUN: &str = "\
Events go to standard output. A summary with the number of lost events goes to standard error.
Ctrl-C and SIGTERM stop the command; Ctrl-Z pauses and resumes it. The text of iterators is printed
once, with characters escaped that a terminal does not show; `--format raw` prints its bytes. The
command ends after it if no other programs run.

If a program cannot be attached, the reason is printed to standard error and the others run. A
program whose section names no target needs `--attach`. Options for programs, maps and events can be
repeated.

Targets:
  xdp:eth0              an interface; optionally with ,generic or ,native or ,offload
  tcx:eth0/ingress      or egress; optionally with an order: ,first or ,last or ,before=ANCHOR or
                        ,after=ANCHOR. ANCHOR is program:ID, link:ID or the path of a pin.
                        Kernels before 6.6 take ,priority=N instead
  netkit:nk0/primary    or peer; optionally with an order as for tcx
  cgroup:/sys/fs/cgroup optionally with an order as for tcx
  netns:/proc/self/ns/net
  netfilter:ipv4/pre_routing,priority=-128,defragmented
  socket:eth0           a socket filter on the packets of an interface
  map:NAME              a sockmap or sockhash, or the map that an iterator walks
  kprobe:vfs_read       likewise kretprobe, ksyscall, raw_tp
  fentry:vfs_read       likewise fexit, fmod_ret, fsession, lsm, tp_btf
  tp:sched/sched_switch
  uprobe:/bin/bash:readline,pid=1234
                        likewise uretprobe; also FUNCTION+OFFSET or OFFSET; a library can be given
                        by its name, for example libc.so.6
  usdt:FILE:PROVIDER:PROBE,pid=1234
  cpu-clock:99hz        a perf event on all CPUs, 99 times a second; also ,cpu=0 and ,pid=1234
  cache-misses:10000    a perf event after every 10000 occurrences

Examples:
  eunomia run bootstrap.json
  eunomia run bootstrap.json -- --help
  eunomia run bootstrap.json -f json -- --min_duration_ns 1000 | jq .comm
  eunomia run meta.skel.json --object prog.bpf.o -n 100 -o events.txt
  eunomia run softirqs.bpf.o --without '*_btf' --event 'events=struct event'
  eunomia run profile.bpf.o --attach do_perf_event=cpu-clock:99hz --map stackmap=10240
  curl https://example.org/package.json | eunomia run - -d 10s

Exit codes:
  0  done
  1  the input has faults, or a file cannot be read or written
  2  the command line is wrong, or the options of the skeleton are
  3  the kernel refused, or no program could be attached";

pub(super) const AFTER_INSPECT: &str = "\
Examples:
  eunomia inspect bootstrap.json
  eunomia inspect prog.bpf.o --json | jq '.exports[].fields'

Exit codes:
  0  done
  1  the input has faults, or a file cannot be read
  2  the command line is wrong";

pub(super) const AFTER_CHECK: &str = "\
Prints one line with the object, its maps and programs, and the type of each export. Every fault is
a line on standard error:
file:line:column: json.path: what is wrong; what to do

Exit codes:
  0  the skeleton and its object agree
  1  they disagree, libbpf can open or load the object on no kernel, or a file cannot be read
  2  the command line is wrong";

pub(super) const AFTER_DOCTOR: &str = "\
Without FILE, checks what every BPF program needs: capabilities, lockdown, the bpf system call, BTF,
tracefs and perf events. With FILE, also checks what its programs need; give the same options for
programs, maps and events as to `eunomia run`. Nothing stays loaded.

Exit codes:
  0  the kernel can run the programs
  1  the kernel cannot run them, or the file has faults
  2  the command line is wrong";

pub(super) const AFTER_RECORD: &str = "\
Ctrl-C and SIGTERM end the recording, which is complete up to there. A new file can be read only by
its owner.

Examples:
  eunomia record bootstrap.json -o exec.rec -d 1m
  eunomia replay bootstrap.json exec.rec -f json

Exit codes:
  0  done
  1  the input has faults, or a file cannot be read or written
  2  the command line is wrong, or the options of the skeleton are
  3  the kernel refused, or no program could be attached";

pub(super) const AFTER_REPLAY: &str = "\
The layouts of the recording must be those of the skeleton. A recording that was cut off is replayed
up to its last whole record.

Exit codes:
  0  done
  1  the skeleton has faults, the recording is damaged or has other layouts, or a file cannot be read
     or written
  2  the command line is wrong";
