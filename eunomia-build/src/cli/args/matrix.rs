//! The arguments of `cargo eunomia matrix`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{ValueEnum, error::ErrorKind};
use eunomia_vm::Kernel;

use super::{CommandError, foreign, is_stream, usage};

#[derive(clap::Args)]
pub(in super::super) struct Matrix {
    /// A kernel: 5.10, 6.1, 6.12, 7.2, or VERSION@SUITE of Debian; can be repeated; by default all
    /// four
    #[arg(long = "kernel", value_name = "KERNEL", value_parser = Kernel::named)]
    kernels: Vec<Vec<Kernel>>,
    /// The format of the table
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub(in super::super) format: Format,
    /// The file to write the table to; standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Arguments for `cargo test`, such as -p PACKAGE, --test NAME or --features LIST; they come
    /// after the options of this command
    #[arg(value_name = "CARGO TEST ARGUMENTS", allow_hyphen_values = true)]
    cargo: Vec<OsString>,
    /// Arguments for the test programs: names of tests and options of the test harness
    #[arg(value_name = "TEST PROGRAM ARGUMENTS", last = true)]
    tests: Vec<OsString>,
}

// The format of a table. The variants have no doc comments, because each would become a paragraph
// of the help text.
#[derive(Clone, Copy, ValueEnum)]
pub(in super::super) enum Format {
    Text,
    Markdown,
}

impl Matrix {
    /// Returns the kernels without duplicates.
    pub(in super::super) fn kernels(&self) -> Vec<Kernel> {
        let mut kernels = Vec::new();
        for kernel in self.kernels.iter().flatten() {
            if !kernels.contains(kernel) {
                kernels.push(kernel.clone());
            }
        }
        if kernels.is_empty() { Kernel::all() } else { kernels }
    }

    /// Returns the file to write; `None` is standard output.
    pub(in super::super) fn output(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| !is_stream(path))
    }

    /// Returns the arguments for `cargo test`, and those for the test programs. clap takes every
    /// word after the first of them as it is.
    pub(in super::super) fn words(&self) -> Result<(&[OsString], Vec<OsString>), CommandError> {
        let mut parts = self.cargo.splitn(2, |word| word == "--");
        let cargo = parts.next().unwrap_or_default();
        let tests = parts.next().unwrap_or_default().iter().chain(&self.tests).cloned().collect();
        let wrong = |message: String| Err(usage(ErrorKind::UnknownArgument, &message));
        let mut before = None;
        for word in cargo {
            let text = word.to_string_lossy();
            foreign(word, &OWN)?;
            // cargo takes the names of tests here, but then builds as if there were none.
            if !text.starts_with('-') && !before.is_some_and(takes_value) {
                return wrong(format!("`{text}` looks like the name of a test; put it after `--`"));
            }
            before = Some(word);
        }
        Ok((cargo, tests))
    }
}

/// Options of `cargo eunomia matrix` that `cargo test` does not have.
const OWN: [&str; 6] = ["--kernel", "--format", "--output", "-o", "--help", "-h"];

/// Options of `cargo test` that take no value and may come before a test name. After any other
/// option the next word may be its value.
const FLAGS: &[&str] = &[
    "--lib",
    "--bins",
    "--tests",
    "--examples",
    "--benches",
    "--all-targets",
    "--all",
    "--workspace",
    "--release",
    "-r",
    "--all-features",
    "--no-default-features",
    "--locked",
    "--offline",
    "--frozen",
    "--no-fail-fast",
    "--keep-going",
    "--verbose",
    "-v",
    "-vv",
    "--quiet",
    "-q",
];

/// Reports whether the word after this one may be its value.
fn takes_value(word: &OsString) -> bool {
    let text = word.to_string_lossy();
    // In `-j4` the value is part of the word.
    let joined = !text.starts_with("--") && text.len() > 2;
    text.starts_with('-') && !text.contains('=') && !joined && !FLAGS.contains(&&*text)
}
