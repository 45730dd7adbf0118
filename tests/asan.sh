#!/bin/sh
# asan.sh [NAME..]: runs the live tests with AddressSanitizer, or those with a NAME in their names.
#
# Two tests are left out: the soak, which measures memory, because the sanitizer keeps freed memory
# for a while; and an arena at an address at which the sanitizer has its own memory.
set -eu
cd "$(dirname "$0")/.."
. tests/sanitized.sh
# The tests run without the flags, so that what they build does not use the sanitizer.
live=$(sanitized test --test live --no-run --message-format json-render-diagnostics | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
[ -x "$live" ] || exit 1
cd tests
set_aside="--skip soak:: --skip given::an_arena_is_not_mapped_over_other_memory"
failed=
for name in "${@:-}"; do
    if [ "$("$live" --list $set_aside "$name" | grep -c ': test$')" -eq 0 ]; then
        echo "asan: no live test has \`$name\` in its name" >&2
        exit 2
    fi
    echo "asan: live tests $name"
    VM_KERNELS=none "$live" $set_aside "$name" || failed="$failed NAME=$name"
done
for name in $failed; do
    echo "asan: FAILED; to run it again: make asan $name" >&2
done
[ -z "$failed" ]
