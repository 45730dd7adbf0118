//! A document must agree with the object that is passed with it.
eunomia_macros::include_skeleton!("../../../../tests/bpf/bootstrap.json", object = "../../../../tests/bpf/kinds.json");
eunomia_macros::include_skeleton!("../../../../tests/bpf/bootstrap.json", object = "nowhere.bpf.o");

fn main() {}
