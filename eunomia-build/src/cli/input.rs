//! The input of a command: a skeleton from a file or from standard input.

use std::{
    env::consts::ARCH,
    io::Read,
    path::{Path, PathBuf},
};

use clap::error::ErrorKind;
use eunomia_runtime::{
    __private::{MOST, read_any, read_from},
    Skeleton,
    skeleton::Format,
};

use super::{
    CommandError,
    args::{is_stream, usage},
};
use crate::{Error, clang::Target, config::stem, stale};

/// The input of a command.
pub(super) struct Input {
    pub(super) skeleton: Skeleton,
    /// The module's name unless `--module` is given.
    pub(super) name: String,
}

impl Input {
    /// Reads a skeleton or an object; the first bytes tell which it is. Of a package that holds one
    /// for each architecture, takes that of `arch`, or of this machine. Refuses a skeleton that is
    /// older than its C source, unless `is_accepted`.
    pub(super) fn read(
        path: &Path,
        object: Option<&Path>,
        arch: Option<&str>,
        is_accepted: bool,
        stdin: &mut dyn Read,
    ) -> Result<Self, CommandError> {
        let arch = match arch {
            Some(arch) => Target::named(arch)?.arch,
            None => ARCH.to_owned(),
        };
        let (bytes, name, file) = if is_stream(path) {
            let file = "<stdin>".to_owned();
            let bytes = read_from(stdin, MOST).map_err(|source| Error::File {
                tried: "read",
                path: PathBuf::from(&file),
                source,
            })?;
            (bytes, "stdin".to_owned(), file)
        } else {
            (read(path)?, stem(path), path.display().to_string())
        };
        let mut skeleton = Skeleton::from_input(&bytes, &file, &arch)?;
        // Standard input has no directory in which a source could lie.
        let is_compared = !is_accepted && !is_stream(path);
        if let Some(diagnostics) = stale(&skeleton, path).diagnostics.filter(|_| is_compared) {
            return Err(diagnostics.into());
        }
        if let Some(object) = object {
            if skeleton.format == Format::Object {
                return Err(usage(
                    ErrorKind::ArgumentConflict,
                    "`--object` belongs to a skeleton, but the input is an object",
                ));
            }
            skeleton = skeleton.with_object(read(object)?, &object.display().to_string())?;
        }
        Ok(Self { skeleton, name })
    }
}

/// Reads a file, or the pipe that a shell passes as one.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    read_any(path, MOST).map_err(|source| Error::File {
        tried: "read",
        path: path.to_owned(),
        source,
    })
}
