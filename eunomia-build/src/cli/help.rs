//! The texts after the options in `--help`: examples, and what the options do not say.

pub(super) const ALL: &str = "\
Examples:
  cargo eunomia new hello --template tracer
  cargo eunomia make --release
  cargo eunomia build bpf/bootstrap.bpf.c -o bpf/bootstrap.json
  cargo eunomia check bpf/bootstrap.json
  cargo eunomia gen bpf/bootstrap.json -o src/bootstrap.rs
  cargo eunomia vmlinux -o bpf/vmlinux.h
  cargo eunomia matrix --kernel 5.10 --kernel 7.2 --test live

Exit codes:
  0  done
  1  the input has faults, a file differs (--check), a test failed, or a file cannot be read or written
  2  the command line is wrong";

pub(super) const NEW: &str = "\
The app builds and runs as it is, without clang. README.md in it has the commands.

Templates:
  tracer      records of a ring buffer: every program that starts
  histogram   a map that is read once a second: how long system calls take
  xdp         packets of an interface, counted and filtered, in tests too
  profiler    stacks of what runs on each CPU, with the names of functions

Examples:
  cargo eunomia new hello && cd hello && cargo run
  cargo eunomia new latency --template histogram
  cargo eunomia new guard --template xdp --build-script --eunomia ../eunomia

Exit codes:
  0  done
  1  the folder exists already, or a file cannot be written
  2  the command line is wrong, or the name is not one of a package";

pub(super) const MAKE: &str = "\
src/bpf/NAME.bpf.c becomes src/bpf/NAME.json, in every member of the workspace. A skeleton is left
alone if its source and headers are as they were when it was built. If a source is refused, cargo
does not run.

Examples:
  cargo eunomia make
  cargo eunomia make --release
  cargo eunomia make --clang clang-19 --clang-arg=-DMAX=16 --package hello
  cargo eunomia make --manifest-path hello/Cargo.toml

Exit codes:
  0  done
  1  there is no source, clang refused one, its object cannot be described, or a file cannot be read
     or written
  2  the command line is wrong
  That of cargo if `cargo build` fails";

pub(super) const GEN: &str = "\
The module needs the crate eunomia-runtime. A module on standard output is self-contained; a module
in a file includes the object beside it.

Examples:
  cargo eunomia gen bpf/bootstrap.json -o src/bootstrap.rs
                        writes src/bootstrap.rs and src/bootstrap.bpf.o
  cargo eunomia gen bpf/bootstrap.json -o src/bootstrap.rs --check
                        fails if they are out of date, for CI
  cargo eunomia gen tracer.skel.json --object tracer.bpf.o | less
  cargo eunomia gen tracer.bpf.o --module tracing

Exit codes:
  0  done
  1  the input has faults, a file differs (--check), or a file cannot be read or written
  2  the command line is wrong";

pub(super) const CHECK: &str = "\
Prints one line with the object, its maps and programs, and the type of each export. Every fault is
a line on standard error:
file:line:column: json.path: what is wrong; what to do

Examples:
  cargo eunomia check bpf/bootstrap.json
  cargo eunomia check tracer.skel.json --object tracer.bpf.o
  curl https://example.org/package.json | cargo eunomia check -

Exit codes:
  0  the skeleton and its object agree
  1  they disagree, libbpf can open or load the object on no kernel, or a file cannot be read
  2  the command line is wrong";

pub(super) const BUILD: &str = "\
clang's messages go to standard error unchanged. If clang refuses the source, nothing is written.

Examples:
  cargo eunomia build bpf/bootstrap.bpf.c          writes bootstrap.json
  cargo eunomia build bpf/bootstrap.bpf.c -o bpf/bootstrap.json --clang-arg=-Ivmlinux --clang-arg=-DMAX=16
  cargo eunomia build bpf/bootstrap.bpf.c -o - --clang clang-19 | cargo eunomia check -

Exit codes:
  0  done
  1  clang refused the source, its object cannot be described, or a file cannot be read or written
  2  the command line is wrong";

pub(super) const VMLINUX: &str = "\
Accesses to members of these types are relocated when the object is loaded (CO-RE), so the object
runs on other kernels too. Types that the chosen ones only point to are declared and not defined.
--for does not compile the file: it ignores conditions of the preprocessor and does not find names
that macros put together; add those with --only.

Names that a program may define before it includes the header:
  BPF_NO_PRESERVE_ACCESS_INDEX   accesses are not relocated
  BPF_NO_KFUNC_PROTOTYPES        kernel functions (kfuncs) are not declared

Examples:
  cargo eunomia vmlinux -o bpf/vmlinux.h           every type of the running kernel
  cargo eunomia vmlinux --for bpf/tracer.bpf.c -o bpf/vmlinux.h
  cargo eunomia vmlinux --only task_struct 'struct sock' bpf_task_acquire -o bpf/vmlinux.h
  cargo eunomia vmlinux --btf 5.15.0-91-generic.btf | less

Exit codes:
  0  done
  1  the BTF has no such type, or a file cannot be read or written
  2  the command line is wrong";

pub(super) const HEADERS: &str = "\
`cargo eunomia build` and build scripts need none of these files: they give them to clang by
themselves.

Examples:
  cargo eunomia headers -o include
  clang -g -O2 -target bpf -Iinclude -c trace.bpf.c -o trace.bpf.o";

pub(super) const MATRIX: &str = "\
Builds the test programs as `cargo test` does and runs each of them on each kernel, as root, in a
virtual machine of QEMU. The machines use software emulation; as many run at once as this machine
has CPUs. Doc tests are not run. A machine has the program with its libraries, busybox, the files
that VM_FILES lists and, of the environment, CARGO*, RUST*, the variables that VM_ENV lists, and
VM_KERNEL. Kernels are downloaded once, with apt, and kept. Required Debian packages:
qemu-system-x86 busybox-static xz-utils binutils.

Results in the table:
  ok      the test passed
  FAILED  the test failed; the output of the program goes to standard error
  1       the test was ignored, for the reason with this number
  ?       the result is unknown, because the machine or the program ended early or the output cannot
          be parsed; counts as failed
  -       the test does not exist on this kernel

Environment variables (items of a list are separated by colons):
  VM_FILES             files and directories that the tests read; they have the same paths in the
                       machine
  VM_ENV               names of variables that the tests read
  VM_TIMEOUT           time limit in seconds for a machine with all its tests; 1800 by default
  VM_BOOT_TIMEOUT      time limit in seconds until the tests start; 30 by default
  VM_MEMORY, VM_CPUS   memory in MiB and CPUs of a machine; 512 and 2 by default

Examples:
  cargo eunomia matrix                             all tests on all kernels
  cargo eunomia matrix --kernel 5.10 --kernel 7.2 -p mycrate --test live -- maps::
  cargo eunomia matrix --kernel 6.1@bookworm-security --lib -- --test-threads 1
  VM_FILES=tests/data cargo eunomia matrix --test live --format markdown -o KERNELS.md

Exit codes:
  0  all tests passed or were ignored
  1  a test failed or its machine died, the tests cannot be built, a kernel cannot be downloaded, or
     a file cannot be written
  2  the command line is wrong";
