#!/bin/sh
# asan.sh [NAME..]: runs the live tests with AddressSanitizer, or those whose names contain a NAME.
#
# The soak test is skipped: it checks that memory does not grow, but the sanitizer delays the reuse
# of freed memory. The test of an arena at an address where the sanitizer has its own memory is
# skipped, too.
set -eu
cd "$(dirname "$0")/.."
. tests/sanitized.sh
# The tests run without the flags, so the programs that they build are built as usual.
live=$(sanitized test --test live --no-run --message-format json-render-diagnostics | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
[ -x "$live" ] || exit 1
cd tests
set_aside="--skip soak:: --skip given::an_arena_is_not_mapped_over_other_memory"
failed=
for name in "${@:-}"; do
    if [ "$("$live" --list $set_aside "$name" | grep -c ': test$')" -eq 0 ]; then
        echo "asan: no live test has a name with \`$name\`" >&2
        exit 2
    fi
    echo "asan: live tests $name"
    VM_KERNELS=none "$live" $set_aside "$name" || failed="$failed NAME=$name"
done
for name in $failed; do
    echo "asan: FAILED; to run it again: make asan $name" >&2
done
[ -z "$failed" ]
