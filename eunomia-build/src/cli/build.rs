//! `cargo eunomia build`: compiles BPF C to a skeleton.

use std::{io::Write, path::PathBuf};

use super::{CommandError, args::Build, output};
use crate::{Config, config::stem, files};

pub(super) fn run(
    args: &Build,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), CommandError> {
    let file = args.output()?;
    let mut config = args.sources.iter().fold(Config::new(), Config::source);
    if let [_, _, ..] = args.sources.as_slice() {
        config = config.module(file.as_deref().map_or_else(|| "linked".to_owned(), stem));
    }
    if let Some(clang) = &args.clang {
        config = config.clang(clang);
    }
    for arg in &args.clang_args {
        config = config.clang_arg(arg);
    }
    for (map, c_type) in &args.events {
        config = config.event(map, c_type);
    }
    for (program, section) in &args.programs {
        config = config.program(program, section);
    }
    let (text, _, depends_on) = config.packed(&mut |warnings| {
        // If this write fails, no other place is left for the warnings.
        let _ = err.write_all(warnings.as_bytes());
    })?;
    match file {
        Some(file) => {
            // The inputs are the sources and every header that clang read.
            output::apart(&file, depends_on.iter().map(PathBuf::as_path))?;
            Ok(files::write(&[(&file, text.as_bytes())])?)
        }
        None => Ok(output::print(out, text.as_bytes())?),
    }
}
