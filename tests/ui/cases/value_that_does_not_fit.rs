//! A fault of a document has the line and column of its place.
eunomia_macros::include_skeleton!("../../../../tests/documents/misfit.json");

fn main() {}
