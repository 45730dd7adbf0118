eunomia_macros::include_skeleton!("$OUT_DIR/unsupported.json");

fn main() {}
