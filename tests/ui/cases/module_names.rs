//! A word that cannot name a module is refused.
eunomia_macros::include_skeleton!("bpf/kinds.json", mod = self);
eunomia_macros::include_skeleton!("bpf/kinds.json", mod = Self);
eunomia_macros::include_skeleton!("bpf/kinds.json", mod = super);
eunomia_macros::include_skeleton!("bpf/kinds.json", mod = crate);
eunomia_macros::include_skeleton!("bpf/kinds.json", mod = _);
eunomia_macros::include_skeleton!("bpf/kinds.json", mod = 3);

fn main() {}
