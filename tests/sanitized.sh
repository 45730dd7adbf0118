# sanitized.sh, read by asan.sh and fuzz/campaign.sh: what both build with, so that each finds built what the other has built.
#
# AddressSanitizer is in the Rust code of this workspace and its dependencies and in libbpf, the counters of libFuzzer are in the Rust code.
# `RUSTC_BOOTSTRAP` permits the one flag to the stable compiler, for these runs alone; the runtime of the sanitizer comes with Rust. The C code
# is compiled by clang, whose sanitizer is the same one.
host=$(rustc -vV | sed -n 's/^host: //p')
clang=${EUNOMIA_CLANG:-clang-19}
# What `cargo fuzz` passes too, and works with any compiler: counters on every edge, and comparisons told.
flags="-Zsanitizer=address -Cforce-frame-pointers -Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
# Leaks are not looked for: the C library and libbpf keep some memory until the end.
export ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=1:abort_on_error=1"

# sanitized COMMAND ..: a command of cargo, with a target of its own, so that flags are not for build scripts and macros.
sanitized() {
    command=$1
    shift
    env RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags" "CC_$(echo "$host" | tr - _)=$clang" \
        LIBBPF_SYS_EXTRA_CFLAGS="-fsanitize=address -fno-omit-frame-pointer" \
        cargo "$command" --locked --profile sanitized --target "$host" -p eunomia-tests "$@"
}
