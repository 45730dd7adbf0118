#!/bin/sh
# Checks the dependencies that each crate may have, and builds every set of features alone.
set -eu
cd "$(dirname "$0")/.."

# absent PACKAGES TREE..: fails if the dependency tree has one of the packages.
absent() {
    packages=$1
    shift
    if found=$(cargo tree --locked --prefix none --format '{p}' "$@" | grep -E "^($packages) v"); then
        echo "cargo tree $*: must not have" >&2
        echo "$found" >&2
        exit 1
    fi
    echo "cargo tree $*: none of $packages"
}

# A proc macro is built in every user's build: no libbpf, no C, no command line.
absent 'libbpf-rs|libbpf-sys|libbpf-cargo|cc|pkg-config|clap|prettyplease|eunomia-vm' -p eunomia-macros --edges normal,build
absent 'libbpf-rs|libbpf-sys|libbpf-cargo|cc|pkg-config|clap' -p eunomia-build --edges normal,build
# Only the command needs virtual machines.
absent 'eunomia-vm|cpio' -p eunomia-build --features compile --edges normal,build
# Only the commands read YAML.
absent 'saphyr|saphyr-parser' -p eunomia-runtime --edges normal
# A typed program has no JSON, base64, zlib, ELF or BTF reader and suggests no similar names.
absent 'serde_json|base64|miniz_oxide|elf|btf-rs|strsim' -p eunomia-runtime --no-default-features --features load --edges normal
absent 'serde_json|base64|miniz_oxide|elf|btf-rs' -p bootstrap-build --edges normal
# With the macro these crates are only in the macro's tree, which is not part of the program.
absent 'serde_json|base64|miniz_oxide|elf|btf-rs' -p bootstrap --edges no-proc-macro,normal
# A program has a command line only if it enables the feature.
absent 'clap|clap_builder|arrow-array' -p eunomia-runtime --edges normal
absent 'clap_derive|blazesym|tar' -p eunomia-runtime --features clap,serde,tokio --edges normal
# The typed core builds on any system.
absent 'libbpf-rs|libbpf-sys|rustix|libc' -p eunomia-runtime --no-default-features --edges normal
# Columns are vectors. A table of columns needs no C and no crate that computes or reads files.
absent 'arrow-array|arrow-buffer|arrow-schema' -p eunomia-runtime --no-default-features --features columns --edges normal
absent 'arrow|arrow-cast|arrow-ipc|arrow-select|parquet|cc' -p eunomia-runtime --no-default-features --features arrow --edges normal,build

for features in '' load dynamic serde columns arrow fuzz load,dynamic load,columns clap clap,load clap,dynamic symbolize yaml cli; do
    echo "cargo check -p eunomia-runtime --no-default-features --features '$features'"
    RUSTFLAGS="-D warnings" cargo check --locked --quiet -p eunomia-runtime --no-default-features --features "$features" --target-dir target/features
done
for features in '' format compile cli; do
    echo "cargo check -p eunomia-build --no-default-features --features '$features'"
    RUSTFLAGS="-D warnings" cargo check --locked --quiet -p eunomia-build --no-default-features --features "$features" --target-dir target/features
done

# A generated module compiles with every set of features of the runtime, in an app without other
# dependencies.
app=target/app
mkdir -p "$app/src"
cp Cargo.lock "$app"
cat >"$app/Cargo.toml" <<'EOF'
[package]
name = "app"
edition = "2024"

[workspace]

[dependencies]
eunomia-macros = { path = "../../eunomia-macros" }
eunomia-runtime = { path = "../../eunomia-runtime", default-features = false }

[features]
clap = ["eunomia-runtime/clap"]
columns = ["eunomia-runtime/columns"]
load = ["eunomia-runtime/load"]
EOF
cat >"$app/src/lib.rs" <<'EOF'
//! An app.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]
eunomia_macros::include_skeleton!("../../tests/bpf/args.json");
eunomia_macros::include_skeleton!("../../tests/bpf/shapes.json");
EOF
for features in '' load columns clap clap,load; do
    echo "cargo check of a generated module, features '$features' of the runtime"
    cargo check --quiet --manifest-path "$app/Cargo.toml" --features "$features" --target-dir target/features
done

# Recordings are replayed without the feature that loads programs.
cat >"$app/src/main.rs" <<'END'
//! Replays a recording.
eunomia_macros::include_skeleton!("../../tests/bpf/streams.json");

fn main() -> eunomia_runtime::Result<()> {
    streams::replay(std::io::stdin(), |event| println!("{event}")).map(drop)
}
END
echo "cargo run of a replay, without features of the runtime"
cargo run --quiet --manifest-path "$app/Cargo.toml" --target-dir target/features <tests/recordings/streams.rec | cmp - tests/recordings/streams.txt
