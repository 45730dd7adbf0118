//! Options, paths and arguments that the macro does not know are refused, with the nearest form.
eunomia_macros::include_skeleton!("bpf/kinds.json", module = kinds);
eunomia_macros::include_skeleton!("bpf/kinds.json", mod = a, mod = b);
eunomia_macros::include_skeleton!("$OUT_DIR/kinds.json");
eunomia_macros::include_skeleton!(kinds);
eunomia_macros::include_skeleton!("bpf/kinds.json", event(rb = "struct kinds"));
eunomia_macros::include_skeleton!("bpf/kinds.json", nothing = 1);
eunomia_macros::include_skeleton!("bpf/kinds.bpf.c");

fn main() {}
