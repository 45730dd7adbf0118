eunomia_macros::include_skeleton!("bpf/nowhere.json");

fn main() {}
