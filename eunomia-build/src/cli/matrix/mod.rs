//! `cargo eunomia matrix`: runs the tests of a crate on other kernels.

mod cargo;
mod table;

use std::{
    io::{self, Write},
    path::Path,
};

use eunomia_vm::{Event, Kernel};

use super::{
    CommandError,
    args::{Format, Matrix},
    output,
};
use crate::{Error, files};
use cargo::Program;
use table::Table;

pub(super) fn run(
    args: &Matrix,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), CommandError> {
    let (cargo, tests) = args.words()?;
    let file = args.output();
    file.map_or(Ok(()), check_output)?;
    let kernels = args.kernels();
    // Missing tools are reported before anything is built.
    let releases = eunomia_vm::prepare(&kernels)?;
    let programs = cargo::build(cargo)?;
    let runs = programs.iter().map(|program| program.run(&tests)).collect::<Result<Vec<_>, _>>()?;
    let outcomes = eunomia_vm::matrix(&runs, &kernels, |event| {
        // If standard error cannot be written, the results are still valid.
        _ = print(err, event, &programs, &kernels);
    })?;
    let mut table = Table::new(kernels.iter().map(Kernel::to_string).zip(releases));
    for (program, outcomes) in programs.iter().zip(outcomes) {
        table.add(
            &program.name,
            outcomes.into_iter().map(|outcome| (outcome.report(), outcome.ended)),
        );
    }
    let text = match args.format {
        Format::Text => table.text(),
        Format::Markdown => table.markdown(),
    };
    match file {
        Some(file) => files::write(&[(file, text.as_bytes())])?,
        None => output::print(out, text.as_bytes())?,
    }
    match table.failed() {
        0 => Ok(()),
        failed => {
            Err(CommandError::Tests(format!("{failed} of {} results failed", table.results())))
        }
    }
}

/// Refuses an output in a missing directory before the tests, which take a long time, run.
fn check_output(file: &Path) -> Result<(), Error> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => Err(Error::File {
            tried: "write",
            path: file.to_owned(),
            source: io::Error::other("no such directory"),
        }),
        _ => Ok(()),
    }
}

/// Prints the progress and, if a run failed, the output of the program.
fn print(
    err: &mut dyn Write,
    event: Event<'_>,
    programs: &[Program],
    kernels: &[Kernel],
) -> io::Result<()> {
    match event {
        Event::Begun { run, kernel } => {
            writeln!(err, "kernel {}: {}: started", kernels[kernel], programs[run].name)
        }
        Event::Ended { run, kernel, outcome } => {
            if outcome.report().failed() {
                err.write_all(&outcome.printed)?;
            }
            let time = outcome.time.as_secs_f32();
            writeln!(
                err,
                "kernel {}: {}: {} ({time:.1} s)",
                kernels[kernel], programs[run].name, outcome.ended
            )
        }
    }
}
