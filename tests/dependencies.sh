#!/bin/sh
# What each crate is allowed to bring along, and every set of features on its own.
set -eu
cd "$(dirname "$0")/.."

# absent PACKAGES TREE..: fails where the tree of dependencies holds one of the packages.
absent() {
    packages=$1
    shift
    if found=$(cargo tree --locked --prefix none --format '{p}' "$@" | grep -E "^($packages) v"); then
        echo "cargo tree $*: must not hold" >&2
        echo "$found" >&2
        exit 1
    fi
    echo "cargo tree $*: none of $packages"
}

# A proc macro is built in every user's build: no libbpf, no C, no command line.
absent 'libbpf-rs|libbpf-sys|libbpf-cargo|cc|pkg-config|clap|prettyplease' -p eunomia-macros --edges normal,build
absent 'libbpf-rs|libbpf-sys|libbpf-cargo|cc|pkg-config|clap' -p eunomia-build --edges normal,build
# A typed program ships no JSON, base64, zlib, ELF or BTF reader, and guesses no names.
absent 'serde_json|base64|miniz_oxide|elf|btf-rs|strsim' -p eunomia-runtime --no-default-features --features load --edges normal
absent 'serde_json|base64|miniz_oxide|elf|btf-rs' -p bootstrap-build --edges normal
# With the macro they stand in the tree of the macro alone, which is no part of the program.
absent 'serde_json|base64|miniz_oxide|elf|btf-rs' -p bootstrap --edges no-proc-macro,normal
# The typed core builds on any system.
absent 'libbpf-rs|libbpf-sys|rustix|libc' -p eunomia-runtime --no-default-features --edges normal

for features in '' load dynamic serde load,dynamic; do
    echo "cargo check -p eunomia-runtime --no-default-features --features '$features'"
    RUSTFLAGS="-D warnings" cargo check --locked --quiet -p eunomia-runtime --no-default-features --features "$features" --target-dir target/features
done
for features in '' format compile cli; do
    echo "cargo check -p eunomia-build --no-default-features --features '$features'"
    RUSTFLAGS="-D warnings" cargo check --locked --quiet -p eunomia-build --no-default-features --features "$features" --target-dir target/features
done
