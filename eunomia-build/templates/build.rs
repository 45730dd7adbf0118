//! Compiles the BPF program and generates the module `bpf` for it.

fn main() -> Result<(), eunomia_build::Error> {
    eunomia_build::Config::new().source("src/bpf/NAME.bpf.c").module("bpf").generate()
}
