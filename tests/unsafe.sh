#!/bin/sh
# Compares the list in docs/unsafe.md with the code: it names each file with unsafe code, and no
# other.
set -eu
cd "$(dirname "$0")/.."
mkdir -p target
sed -n 's/^| `\([^`]*\.rs\)` |.*/\1/p' docs/unsafe.md | sort >target/unsafe.listed
# Matches code (a block, an item or an attribute), not comments or strings.
grep -rlE '^[^/"]*\bunsafe *(\{|\(|impl\b|fn\b|extern\b|trait\b)' --include='*.rs' eunomia-*/src examples tests/vm tests/src | grep -v /target/ | sort \
    >target/unsafe.found
if ! diff target/unsafe.listed target/unsafe.found; then
    echo "docs/unsafe.md (<) and the code (>) differ in the files with unsafe code" >&2
    exit 1
fi
for root in eunomia-build/src/lib.rs eunomia-build/src/main.rs eunomia-macros/src/lib.rs eunomia-runtime/src/main.rs tests/src/lib.rs \
    tests/vm/src/lib.rs examples/*/src/main.rs; do
    grep -qx '#!\[forbid(unsafe_code)\]' "$root" || { echo "$root: must forbid unsafe code" >&2; exit 1; }
done
grep -qx '#!\[cfg_attr(not(test), deny(unsafe_code))\]' eunomia-runtime/src/lib.rs || { echo "eunomia-runtime: must deny unsafe code" >&2; exit 1; }
echo "unsafe code: $(wc -l <target/unsafe.found) files, all of them in docs/unsafe.md"
