//! `cargo eunomia matrix`.

mod cargo;
mod table;

use std::{
    io::{self, Write},
    path::Path,
};

use eunomia_vm::{Event, Kernel};

use super::{
    Failure,
    args::{Format, Matrix},
    output,
};
use crate::{Error, files};
use cargo::Program;
use table::Table;

pub(super) fn run(args: &Matrix, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Failure> {
    let (cargo, tests) = args.words()?;
    let file = args.output();
    file.map_or(Ok(()), can_be_written)?;
    let kernels = args.kernels();
    // What is missing is said before anything is built.
    let releases = eunomia_vm::prepare(&kernels)?;
    let programs = cargo::build(cargo)?;
    let runs = programs.iter().map(|program| program.run(&tests)).collect::<Result<Vec<_>, _>>()?;
    let outcomes = eunomia_vm::matrix(&runs, &kernels, |event| {
        // Where nobody reads it any more the results are still true.
        _ = tell(err, event, &programs, &kernels);
    })?;
    let mut table = Table::new(kernels.iter().map(Kernel::to_string).zip(releases));
    for (program, outcomes) in programs.iter().zip(outcomes) {
        table.add(&program.name, outcomes.into_iter().map(|outcome| (outcome.report(), outcome.ended)));
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
        failed => Err(Failure::Tests(format!("{failed} of {} results are failures", table.results()))),
    }
}

/// Whether there is a place for the file, before all that time passes in which the tests run.
fn can_be_written(file: &Path) -> Result<(), Error> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(Error::File { tried: "write", path: file.to_owned(), source: io::Error::other("there is no such folder") })
        }
        _ => Ok(()),
    }
}

/// Says what happens and, where something failed, what was printed.
fn tell(err: &mut dyn Write, event: Event<'_>, programs: &[Program], kernels: &[Kernel]) -> io::Result<()> {
    match event {
        Event::Begun { run, kernel } => writeln!(err, "kernel {}: {}: begun", kernels[kernel], programs[run].name),
        Event::Ended { run, kernel, outcome } => {
            if outcome.report().failed() {
                err.write_all(&outcome.printed)?;
            }
            let time = outcome.time.as_secs_f32();
            writeln!(err, "kernel {}: {}: {} ({time:.1} s)", kernels[kernel], programs[run].name, outcome.ended)
        }
    }
}
