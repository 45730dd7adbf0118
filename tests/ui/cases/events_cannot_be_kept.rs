//! An event borrows the kernel's memory and cannot outlive the callback.

use std::time::Duration;

use eunomia_tests::built::bootstrap;

fn main() {
    let skel = bootstrap::open().unwrap().load().unwrap();
    let mut kept = Vec::new();
    skel.poll(Duration::ZERO, |export| kept.push(export)).unwrap();
}
