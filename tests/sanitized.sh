# sanitized.sh: the build settings that asan.sh and fuzz/campaign.sh share, so that each reuses what
# the other has built.
#
# AddressSanitizer and the counters of libFuzzer are in the Rust code of this workspace and its
# dependencies, and in libbpf. `RUSTC_BOOTSTRAP` lets the stable compiler accept the one flag, only
# in these runs; the sanitizer's runtime comes with Rust. clang compiles the C code with the same
# sanitizer.
host=$(rustc -vV | sed -n 's/^host: //p')
clang=${EUNOMIA_CLANG:-clang-19}
# The options that `cargo fuzz` passes, which work with any compiler: counters on every edge, and
# traced comparisons.
flags="-Zsanitizer=address -Cforce-frame-pointers -Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
c_flags="-fsanitize=address -fno-omit-frame-pointer -fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp"
# Leaks are not detected, because the C library and libbpf keep some memory until the end.
export ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=1:abort_on_error=1"

# sanitized COMMAND ..: runs a command of cargo with an explicit target, so that the flags do not
# apply to build scripts and macros.
sanitized() {
    command=$1
    shift
    env RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags" "CC_$(echo "$host" | tr - _)=$clang" \
        LIBBPF_SYS_EXTRA_CFLAGS="$c_flags" \
        cargo "$command" --locked --profile sanitized --target "$host" -p eunomia-tests "$@"
}
