//! Options must have the form that the error shows.
eunomia_macros::include_skeleton!("bpf/kinds.json", prograns(sum = "xdp"));
eunomia_macros::include_skeleton!("bpf/kinds.json", object("x.bpf.o"));
eunomia_macros::include_skeleton!("bpf/kinds.json", args = "net-");
eunomia_macros::include_skeleton!("bpf/kinds.json", prefix = "net-");
eunomia_macros::include_skeleton!("bpf/kinds.json", stale);
eunomia_macros::include_skeleton!("bpf/kinds.json", events = "struct kinds");
eunomia_macros::include_skeleton!("bpf/kinds.json", events(rb = struct kinds));
eunomia_macros::include_skeleton!("bpf/kinds.json", mod = "kinds");
eunomia_macros::include_skeleton!("bpf/kinds.json", "bpf/names.json");
eunomia_macros::include_skeleton!("../../../../tests/bpf/kinds.json", object = "../../../../tests/bpf/kinds.bpf.c");
eunomia_macros::include_skeleton!("../../../../tests/bpf");

fn main() {}
