//! Read-only variables have no setter after loading.

use eunomia_tests::built::bootstrap;

fn main() {
    let skel = bootstrap::open().unwrap().load().unwrap();
    skel.rodata().unwrap().min_duration_ns.set(1).unwrap();
}
