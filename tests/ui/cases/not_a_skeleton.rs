eunomia_macros::include_skeleton!("Cargo.toml");

fn main() {}
