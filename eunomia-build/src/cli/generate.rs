//! `cargo eunomia gen`: generates the Rust module of a skeleton.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::{CommandError, args::Gen, input::Input, output};
use crate::{Embed, Error, config::text, files, tokens};

pub(super) fn run(
    args: &Gen,
    stdin: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let file = args.output()?;
    let inputs =
        || [Some(&args.input), args.object.as_ref()].into_iter().flatten().map(PathBuf::as_path);
    if let Some(file) = file {
        output::apart(file, inputs())?;
    }
    let Input { mut skeleton, name } = Input::read(
        &args.input,
        args.object.as_deref(),
        args.target_arch.as_deref(),
        args.stale,
        stdin,
    )?;
    for (map, c_type) in &args.events {
        skeleton = skeleton.with_event(map, c_type);
    }
    skeleton = skeleton.with_types(&args.types);
    for (program, section) in &args.programs {
        skeleton = skeleton.with_program(program, section);
    }
    let name = args.module.as_ref().unwrap_or(&name);
    let module = |embed| -> Result<String, CommandError> {
        Ok(text(tokens(skeleton.clone(), name, &embed)?)?)
    };
    let Some(file) = file else {
        return Ok(output::print(out, module(Embed::Literal)?.as_bytes())?);
    };
    // Named after the file and not after the module: other files in the directory may have a module
    // of the same name.
    let object_file = file.with_extension("bpf.o");
    let module = module(Embed::File(utf8_name(&object_file)?))?;
    let object = skeleton.object.as_deref().unwrap_or_default();
    // The object beside the module may be the input itself. If it is up to date, it is not written,
    // so it may be an input.
    if !output::stale(&[(&object_file, object)], skeleton.file())
        .is_ok_and(|stale| stale.is_empty())
    {
        output::apart(&object_file, inputs())?;
    }
    let files = [(object_file.as_path(), object), (file, module.as_bytes())];
    if !args.check {
        return Ok(files::write(&files)?);
    }
    match output::stale(&files, skeleton.file())? {
        stale if stale.is_empty() => Ok(()),
        stale => Err(CommandError::Stale(stale)),
    }
}

/// Returns the file name by which the module's source includes the object.
fn utf8_name(path: &Path) -> Result<String, Error> {
    let Some(name) = path.file_name() else {
        // The path is `.`, `..` or `/`.
        let source = io::Error::other("it is not a regular file");
        return Err(Error::File { tried: "write", path: path.to_owned(), source });
    };
    name.to_str().map(str::to_owned).ok_or_else(|| {
        Error::Config(format!(
            "{}: the object's name is not UTF-8, but Rust source names it; give another `-o`",
            path.display()
        ))
    })
}
