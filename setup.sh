#!/bin/sh
# Installs what the workspace needs besides Rust, git and make, and prepares this machine for BPF.
#
#   ./setup.sh build   packages for building: a C compiler and the libraries that libbpf needs
#   ./setup.sh test    those of `build`, the clang for the BPF C of this repository, and busybox
#   ./setup.sh fuzz    those of `build`, clang and libFuzzer
#   ./setup.sh asan    those of `test`, and clang's sanitizers
#   ./setup.sh vm      packages with which tests/vm runs test programs on other kernels
#
# Uses apt-get, with sudo unless run as root. If it cannot install, it prints the list and fails.
set -eu

case "${1-}" in
    # libbpf is written in C and needs libelf and zlib, which pkg-config finds.
    build) packages="gcc libc6-dev pkg-config libelf-dev zlib1g-dev" ;;
    # The committed objects are the output of this version of clang. The tests of tests/vm prepare a
    # machine, which needs busybox, but start none.
    test) packages="gcc libc6-dev pkg-config libelf-dev zlib1g-dev clang-19 busybox-static" ;;
    # libFuzzer is written in C++ and is part of clang's runtime libraries.
    fuzz) packages="gcc g++ libc6-dev pkg-config libelf-dev zlib1g-dev clang-19 libclang-rt-19-dev" ;;
    # The sanitizer's runtime for C; the one for Rust comes with Rust.
    asan) packages="gcc libc6-dev pkg-config libelf-dev zlib1g-dev clang-19 libclang-rt-19-dev busybox-static" ;;
    # The machine, its commands, the tool that unpacks modules, and the tool that strips programs.
    vm) packages="qemu-system-x86 busybox-static xz-utils binutils" ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

if ! command -v cargo >/dev/null; then
    echo "setup: cargo is missing: install Rust 1.88 or newer" >&2
    exit 1
fi

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 1; fi
}

missing=
for package in $packages; do
    # Queries the state of the package, because dpkg still knows the names of removed packages.
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
        missing="$missing $package"
    fi
done
if [ -n "$missing" ]; then
    echo "setup: installing$missing"
    # shellcheck disable=SC2086 # the list is meant to be split
    if ! { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; }; then
        echo "setup: cannot install; these Debian packages are needed:$missing" >&2
        exit 1
    fi
fi

# Programs on tracepoints need tracefs; most systems mount it at boot.
if [ ! -d /sys/kernel/tracing/events ] && [ -d /sys/kernel/tracing ]; then
    echo "setup: mounting tracefs on /sys/kernel/tracing"
    as_root mount -t tracefs tracefs /sys/kernel/tracing || echo "setup: cannot mount tracefs; programs on tracepoints will not attach" >&2
fi
