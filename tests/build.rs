//! Generates a module for each fixture, beside the ones that the macro makes in `src/lib.rs`.

fn main() -> Result<(), eunomia_build::Error> {
    for name in ["kinds", "names", "refused", "streams"] {
        eunomia_build::Config::new().skeleton(format!("bpf/{name}.json")).generate()?;
    }
    eunomia_build::Config::new().skeleton("../examples/bootstrap/bpf/bootstrap.json").generate()
}
