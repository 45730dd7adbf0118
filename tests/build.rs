//! Generates a module for each fixture, beside the ones that the macro makes in `src/lib.rs`.

fn main() -> Result<(), eunomia_build::Error> {
    for name in ["kinds", "names", "refused", "streams"] {
        eunomia_build::Config::new().skeleton(format!("bpf/{name}.json")).generate()?;
    }
    // For the compile-fail tests, which run in a folder of their own.
    std::fs::copy("bpf/unsupported.json", format!("{}/unsupported.json", std::env::var("OUT_DIR").unwrap())).unwrap();
    eunomia_build::Config::new().skeleton("bpf/bootstrap.json").generate()
}
