#!/bin/sh
# campaign.sh TARGET SECONDS: runs a target, or `all` targets in sequence, under libFuzzer and
# AddressSanitizer, starting from the inputs of earlier campaigns in target/fuzz/corpus. The output
# of libFuzzer goes to target/fuzz/log, and inputs that fail to target/fuzz/found.
# campaign.sh TARGET 0 FILE: runs the target on one input.
set -eu
cd "$(dirname "$0")/../.."
. tests/sanitized.sh
target=$1
seconds=$2
shift 2
fuzzer=$($clang -print-resource-dir)/lib/linux/libclang_rt.fuzzer-$(uname -m).a
sanitized rustc --example campaign -- --cfg campaign -Clink-arg="$fuzzer" -Clink-arg=-lstdc++
folder=target/fuzz
mkdir -p $folder/found $folder/log

# campaign OPTION|FOLDER|FILE..: runs the target.
campaign() {
    TARGET=$target SEEDS=$PWD/$folder/seeds/$target "target/$host/sanitized/examples/campaign" -timeout=20 -rss_limit_mb=2048 "$@"
}

if [ "$#" -gt 0 ]; then
    campaign "$@"
    exit
fi
targets=$target
[ "$target" != all ] || targets=$(sed -n 's/^    Target { name: "\([a-z]*\)".*/\1/p' tests/fuzz/targets.rs)
failed=
for target in $targets; do
    log=$folder/log/$target
    mkdir -p "$folder/corpus/$target" "$folder/seeds/$target"
    echo "fuzz: $target for $seconds s, see $log"
    if campaign -max_total_time="$seconds" -max_len=65536 -artifact_prefix="$folder/found/$target-" \
        "$folder/corpus/$target" "$folder/seeds/$target" >"$log" 2>&1; then
        sed -n '/INITED/p; /DONE/p; /inputs accepted/p' "$log"
    else
        tail -n 60 "$log"
        failed="$failed $target"
    fi
done
for target in $failed; do
    echo "fuzz: $target FAILED, see $folder/log/$target; to run it again:" >&2
    inputs=$(sed -n '/slow-unit-/d; s/.*Test unit written to //p' "$folder/log/$target")
    # Empty if a seed could not be created.
    [ -n "$inputs" ] || echo "    make fuzz TARGET=$target" >&2
    for input in $inputs; do
        echo "    make fuzz TARGET=$target INPUT=$input" >&2
    done
done
[ -z "$failed" ]
