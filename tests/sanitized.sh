# sanitized.sh, sourced by asan.sh and fuzz/campaign.sh: the flags of both, so that they share builds.
#
# AddressSanitizer instruments the Rust code of this workspace, its dependencies and libbpf; the
# counters of libFuzzer are only in the Rust code. `RUSTC_BOOTSTRAP` allows the `-Z` flag with the
# stable compiler, for these builds only. The runtime of the sanitizer comes with Rust. clang compiles
# the C code, with the same sanitizer.
host=$(rustc -vV | sed -n 's/^host: //p')
clang=${EUNOMIA_CLANG:-clang-19}
# The flags of `cargo fuzz`, except those for nightly compilers: counters on every edge, and traced
# comparisons.
flags="-Zsanitizer=address -Cforce-frame-pointers -Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
# Leaks are not detected, because the C library and libbpf keep some memory until the end.
export ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=1:abort_on_error=1"

# sanitized COMMAND ..: runs a command of cargo with `--target`, so that the flags do not apply to
# build scripts and macros.
sanitized() {
    command=$1
    shift
    env RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags" "CC_$(echo "$host" | tr - _)=$clang" \
        LIBBPF_SYS_EXTRA_CFLAGS="-fsanitize=address -fno-omit-frame-pointer" \
        cargo "$command" --locked --profile sanitized --target "$host" -p eunomia-tests "$@"
}
