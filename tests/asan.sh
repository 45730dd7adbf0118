#!/bin/sh
# asan.sh [NAME..]: the live tests with AddressSanitizer, in the Rust code of this workspace and its dependencies and in libbpf.
#
# The soak is left out: freed memory is kept for a while by design, and it looks at just that.
#
# `RUSTC_BOOTSTRAP` permits the one flag to the stable compiler, for this run alone; the runtime of the sanitizer comes with Rust. The C code is
# compiled by clang, whose sanitizer is the same one. Leaks are not looked for: the C library and libbpf keep some memory until the end.
set -eu
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
clang=${EUNOMIA_CLANG:-clang-19}
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers"
export "CC_$(echo "$host" | tr - _)=$clang" LIBBPF_SYS_EXTRA_CFLAGS="-fsanitize=address -fno-omit-frame-pointer"
export ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=1:abort_on_error=1"
# With a target of its own, flags are not for build scripts and macros. What is not instrumented for fuzzing and loom is left out.
VM_KERNELS=none exec cargo test --locked --target "$host" --target-dir target/asan -p eunomia-tests --test live -- --skip soak:: "$@"
