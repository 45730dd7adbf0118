//! Generates `bootstrap.rs` from the skeleton.

fn main() -> Result<(), eunomia_build::Error> {
    eunomia_build::Config::new().skeleton("bpf/bootstrap.json").generate()
}
