eunomia_macros::include_skeleton!("bpf/kinds.json", module = kinds);
eunomia_macros::include_skeleton!("bpf/kinds.json", mod = a, mod = b);
eunomia_macros::include_skeleton!("$OUT_DIR/kinds.json");
eunomia_macros::include_skeleton!(kinds);

fn main() {}
