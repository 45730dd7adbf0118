//! A handle must be dropped before its object is loaded or dropped.

use eunomia_tests::built::bootstrap;

fn main() {
    let mut open = bootstrap::open().unwrap();
    let rodata = open.rodata().unwrap();
    let skel = open.load().unwrap();
    rodata.min_duration_ns.set(1).unwrap();
    let map = skel.maps().unwrap().exec_start;
    drop(skel);
    map.get(&1).unwrap();
}
