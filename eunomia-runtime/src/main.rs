//! The command `eunomia`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    eunomia_runtime::cli::main().into()
}
