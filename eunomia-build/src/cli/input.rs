//! What a command works on: a skeleton, from a file or from standard input.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::error::ErrorKind;
use eunomia_runtime::skeleton::Document;

use super::{
    Failure,
    args::{is_stream, usage},
};
use crate::{Error, config::stem, files};

pub(super) struct Input {
    pub(super) document: Document,
    /// What the module is called where nobody says.
    pub(super) name: String,
}

impl Input {
    /// Reads a skeleton, or describes an object: the first bytes decide.
    pub(super) fn read(path: &Path, object: Option<&Path>, stdin: &mut dyn Read) -> Result<Self, Failure> {
        let (bytes, name, file) = if is_stream(path) {
            let file = "<stdin>".to_owned();
            let mut bytes = Vec::new();
            stdin.read_to_end(&mut bytes).map_err(|source| Error::File { tried: "read", path: PathBuf::from(&file), source })?;
            (bytes, "stdin".to_owned(), file)
        } else {
            (files::read(path)?, stem(path), path.display().to_string())
        };
        let mut document = Document::new(bytes, &file)?;
        if let Some(object) = object {
            if document.is_object() {
                return Err(usage(ErrorKind::ArgumentConflict, "`--object` completes a skeleton, and the input is an object itself"));
            }
            document = document.with_object(files::read(object)?, &object.display().to_string())?;
        }
        Ok(Self { document, name })
    }
}
