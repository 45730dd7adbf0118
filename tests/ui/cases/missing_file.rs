//! The file of a skeleton must exist.
eunomia_macros::include_skeleton!("bpf/nowhere.json");

fn main() {}
