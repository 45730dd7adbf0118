//! `cargo eunomia build`: compiles BPF C to a skeleton.

use std::{io::Write, path::PathBuf};

use super::{CommandError, args::Build, output};
use crate::{Config, Skeleton, clang::Target, config::stem, files};

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
    let mut warn = |warnings: &str| {
        // If this write fails, no other place is left for the warnings.
        let _ = err.write_all(warnings.as_bytes());
    };
    let (text, depends_on) = packages(&config, &args.target_archs, &mut warn)?;
    match file {
        Some(file) => {
            // The inputs are the sources and every header that clang read.
            output::apart(&file, depends_on.iter().map(PathBuf::as_path))?;
            Ok(files::write(&[(&file, text.as_bytes())])?)
        }
        None => Ok(output::print(out, text.as_bytes())?),
    }
}

/// Returns the text of the package, or of one that holds a package for each architecture, and the
/// files that it depends on.
fn packages(
    config: &Config,
    archs: &[String],
    warn: &mut dyn FnMut(&str),
) -> Result<(String, Vec<PathBuf>), CommandError> {
    let mut packages = Vec::new();
    let mut all = Vec::new();
    for name in archs {
        let Target { arch, .. } = Target::named(name)?;
        let (text, _, depends_on) = config.clone().target_arch(&arch).packed(warn)?;
        packages.push((arch, text));
        all.extend(depends_on);
    }
    match packages.len() {
        0 => {
            let (text, _, depends_on) = config.packed(warn)?;
            Ok((text, depends_on))
        }
        1 => Ok((packages.remove(0).1, all)),
        _ => Ok((Skeleton::combined(&packages)?, all)),
    }
}
