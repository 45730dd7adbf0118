#!/bin/sh
# Packs the published crates and checks the contents of each package. Needs no network after a build.
set -eu
cd "$(dirname "$0")/.."
crates="eunomia-runtime eunomia-build eunomia-macros eunomia-vm"
set --
for crate in $crates; do set -- "$@" -p "$crate"; done
# The tests compile the code. Without `--no-verify`, `cargo package` also compiles each package.
cargo package --locked --offline --allow-dirty --no-verify --quiet "$@" 2>&1 | grep -v "no documentation, homepage or repository" | grep -v '^ *|$' |
    grep -v 'see https://doc.rust-lang.org/cargo/reference/manifest.html' | sed '/^$/d' >&2
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
for crate in $crates; do
    list=$(tar tzf "target/package/$crate-$version.crate")
    files="LICENSE README.md Cargo.toml src/lib.rs"
    # What a crate includes as text.
    if [ "$crate" = eunomia-build ]; then files="$files $(cd eunomia-build && find include templates -type f)"; fi
    for file in $files; do
        if ! echo "$list" | grep -qx "$crate-$version/$file"; then
            echo "the package of $crate lacks $file" >&2
            exit 1
        fi
    done
done
echo "packages: $crates, each with its licence, its README and the files that it includes"
