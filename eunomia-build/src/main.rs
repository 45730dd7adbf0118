//! `cargo eunomia`.
#![forbid(unsafe_code)]

use std::{env, io, process::ExitCode};

fn main() -> ExitCode {
    eunomia_build::cli::run(env::args_os(), &mut io::stdin(), &mut io::stdout(), &mut io::stderr())
        .into()
}
