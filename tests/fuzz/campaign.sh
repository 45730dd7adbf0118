#!/bin/sh
# campaign.sh TARGET SECONDS: a target, or `all` of them one after the other, under libFuzzer, from the inputs that earlier campaigns kept in
# target/fuzz/corpus. An input that fails is kept in target/fuzz/found; run it again with `campaign.sh TARGET 0 FILE`.
set -eu
cd "$(dirname "$0")/../.."
TARGET=$1
seconds=$2
shift 2
host=$(rustc -vV | sed -n 's/^host: //p')
clang=${EUNOMIA_CLANG:-clang-19}
fuzzer=$($clang -print-resource-dir)/lib/linux/libclang_rt.fuzzer-$(uname -m).a
# What `cargo fuzz` passes too, and works with any compiler: counters on every edge, and comparisons told.
llvm="-Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    llvm="$llvm -Cllvm-args=-sanitizer-coverage-$option"
done
# With a target of its own, flags are not for build scripts and macros.
RUSTFLAGS="$llvm -Cdebug-assertions -Coverflow-checks" \
    cargo rustc --locked --release --target "$host" --target-dir target/fuzz -p eunomia-tests --example campaign -- --cfg campaign \
    -Clink-arg="$fuzzer" -Clink-arg=-lstdc++
run=$PWD/target/fuzz/$host/release/examples/campaign
mkdir -p target/fuzz/found
[ "$TARGET" != all ] || TARGET=$(sed -n 's/^    Target { name: "\([a-z]*\)".*/\1/p' tests/fuzz/targets.rs)
for target in $TARGET; do
    export TARGET="$target" SEEDS="$PWD/target/fuzz/seeds/$target"
    corpus=$PWD/target/fuzz/corpus/$target
    mkdir -p "$corpus" "$SEEDS"
    if [ "$#" -gt 0 ]; then
        exec "$run" "$@"
    fi
    echo "fuzz: $target for $seconds s"
    "$run" -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$PWD/target/fuzz/found/$target-" "$corpus" "$SEEDS"
done
