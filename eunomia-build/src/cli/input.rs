//! What a command works on: a skeleton, from a file or from standard input.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::error::ErrorKind;
use eunomia_runtime::{
    Skeleton,
    fault::Faults,
    skeleton::{Format, object_name},
};

use super::{
    Failure,
    args::{is_stream, usage},
};
use crate::{Error, config::stem, files};

pub(super) struct Input {
    pub(super) skeleton: Skeleton,
    /// What the module is called where nobody says.
    pub(super) name: String,
    pub(super) document: Document,
}

/// Where a skeleton came from, for messages.
pub(super) struct Document {
    pub(super) file: String,
    /// `None` for an object.
    text: Option<String>,
}

impl Input {
    /// Reads a skeleton, or describes an object: the first bytes decide.
    pub(super) fn read(path: &Path, object: Option<&Path>, stdin: &mut dyn Read) -> Result<Self, Failure> {
        let (bytes, name, file) = if is_stream(path) {
            let file = "<stdin>".to_owned();
            let mut bytes = Vec::new();
            stdin.read_to_end(&mut bytes).map_err(|source| Error::File { tried: "read", path: PathBuf::from(&file), source })?;
            (bytes, object_name("stdin"), file)
        } else {
            (files::read(path)?, stem(path), path.display().to_string())
        };
        if bytes.starts_with(b"\x7fELF") {
            if object.is_some() {
                return Err(usage(ErrorKind::ArgumentConflict, "`--object` completes a skeleton, and the input is an object itself"));
            }
            let skeleton = Skeleton::from_object(name.clone(), bytes, &file)?;
            return Ok(Self { skeleton, name, document: Document { file, text: None } });
        }
        let mut skeleton = Skeleton::from_slice(&bytes, &file)?;
        if let Some(object) = object {
            skeleton = skeleton.with_object(files::read(object)?);
            sound(&skeleton, object)?;
        }
        Ok(Self { skeleton, name, document: Document { file, text: String::from_utf8(bytes).ok() } })
    }
}

impl Document {
    /// Puts lines and columns to faults that were found behind the document's reading.
    pub(super) fn faults(&self, faults: Faults) -> Failure {
        match &self.text {
            Some(text) => faults.locate(text).into(),
            None => faults.into(),
        }
    }
}

/// Checks the object by itself, so that what is wrong with it is said of its own file and not of the document.
fn sound(skeleton: &Skeleton, object: &Path) -> Result<(), Faults> {
    let bare = Skeleton {
        format: Format::Object,
        sections: Vec::new(),
        maps: Vec::new(),
        programs: Vec::new(),
        exports: Vec::new(),
        export_btf: None,
        multiple_exports: false,
        ..skeleton.clone()
    };
    bare.check(&object.display().to_string()).map(drop)
}
