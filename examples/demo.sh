#!/bin/sh
# Builds the bootstrap example, runs it for 5 seconds and starts a few processes meanwhile.
set -eu

cd "$(dirname "$0")/.."
cargo build --locked --quiet -p bootstrap
# Without sudo the example still runs, and reports what the kernel refuses.
if [ "$(id -u)" -ne 0 ] && command -v sudo >/dev/null; then sudo=sudo; else sudo=; fi

(
    sleep 1
    /bin/true
    ls / >/dev/null
    sh -c 'sleep 0.2; exit 3' || :
    date >/dev/null
) &
status=0
$sudo "${CARGO_TARGET_DIR:-target}/debug/bootstrap" --duration 5 || status=$?
wait
exit "$status"
