//! The file must be a skeleton or an object.
eunomia_macros::include_skeleton!("Cargo.toml");

fn main() {}
