//! `cargo eunomia build`: compiles BPF C to a skeleton.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use clap::error::ErrorKind;
use eunomia_runtime::__private::to_yaml;

use super::{
    CommandError, archive,
    args::{Build, usage},
    output,
};
use crate::{Config, Error, Skeleton, clang::Target, config::stem, files};

pub(super) fn run(
    args: &Build,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), CommandError> {
    if args.sources().next().is_none() {
        let message = "only headers are given; name the C source (FILE.bpf.c) as well";
        return Err(usage(ErrorKind::MissingRequiredArgument, message));
    }
    let file = args.output()?;
    if file.is_none() && (args.separate || args.btf_archive.is_some()) {
        let message = "`--separate` and `--btf-archive` write files, and `-` is standard output";
        return Err(usage(ErrorKind::ValueValidation, message));
    }
    if args.separate && args.target_archs.len() > 1 {
        let message = "`--separate` writes one object; use it with one `--target-arch`";
        return Err(usage(ErrorKind::ArgumentConflict, message));
    }
    let mut config = args.sources().fold(Config::new(), Config::source);
    config = args.export_headers().fold(config, Config::export_header);
    if args.sources().nth(1).is_some() {
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
    let mut warn = output::warnings(err);
    let (text, depends_on, notes) = packages(&config, &args.target_archs, &mut warn)?;
    let is_yaml = args.is_yaml(file.as_deref());
    let written = |json: String| match is_yaml {
        true => to_yaml(&json, "the skeleton"),
        false => Ok(json),
    };
    let Some(file) = file else {
        return Ok(output::print(out, written(text)?.as_bytes())?);
    };
    let outputs = match &args.btf_archive {
        Some(folder) => vec![(file, archive::pack(&text, folder)?)],
        None if args.separate => {
            let (metadata, object) = separate(&file, &text)?;
            let extension = if is_yaml { "skel.yaml" } else { "skel.json" };
            vec![
                (file.with_extension(extension), written(metadata)?.into_bytes()),
                (file.with_extension("bpf.o"), object),
            ]
        }
        None => vec![(file, written(text)?.into_bytes())],
    };
    for (output, _) in &outputs {
        // The inputs are the sources and every header that clang read.
        output::apart(output, depends_on.iter().map(PathBuf::as_path))?;
    }
    if let Some(folder) = args.new_folder() {
        fs::create_dir_all(folder).map_err(|source| Error::File {
            tried: "create",
            path: folder.to_owned(),
            source,
        })?;
    }
    let outputs: Vec<_> =
        outputs.iter().map(|(path, bytes)| (path.as_path(), bytes.as_slice())).collect();
    files::write(&outputs)?;
    output::notes(&notes, &mut warn);
    Ok(())
}

/// Returns the metadata and the object of a package.
fn separate(file: &Path, text: &str) -> Result<(String, Vec<u8>), CommandError> {
    let mut skeleton = Skeleton::parse(text, &file.display().to_string())?;
    let object = skeleton.object.take().unwrap_or_default();
    Ok((skeleton.to_json(), object))
}

/// Returns the text of the package, or of one that holds a package for each architecture, the files
/// that it depends on, and notes about it.
fn packages(
    config: &Config,
    archs: &[String],
    warn: &mut dyn FnMut(&str),
) -> Result<(String, Vec<PathBuf>, Vec<String>), CommandError> {
    if archs.is_empty() {
        let packed = config.packed(warn)?;
        return Ok((packed.text, packed.depends_on, packed.notes));
    }
    let (mut packages, mut depends_on, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for name in archs {
        let Target { arch, .. } = Target::named(name)?;
        let packed = config.clone().target_arch(&arch).packed(warn)?;
        packages.push((arch, packed.text));
        depends_on.extend(packed.depends_on);
        notes = packed.notes;
    }
    let text = match packages.as_slice() {
        [(_, text)] => text.clone(),
        several => Skeleton::combined(several)?,
    };
    Ok((text, depends_on, notes))
}
