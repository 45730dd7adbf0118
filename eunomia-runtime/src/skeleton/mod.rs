//! The JSON skeleton document: read from every generation of the format, written as the current one.

mod derive;
pub(crate) mod locate;
pub mod model;
mod package;
mod read;
mod table;
mod write;

use std::{fs, path::Path, str::FromStr};

pub use model::{Format, Skeleton};

use crate::{
    Error, Result,
    fault::{Fault, Faults, Place},
    skeleton::model::EventType,
};

impl Skeleton {
    /// Reads a document of any generation; `file` stands for it in messages.
    ///
    /// # Errors
    /// Every fault of the document at once, each with its JSON path, line and column.
    pub fn parse(text: &str, file: &str) -> Result<Self, Faults> {
        read::document(text, file)
    }

    /// Reads a document from bytes, which must be UTF-8; `file` stands for it in messages.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_slice(bytes: &[u8], file: &str) -> Result<Self, Faults> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text, file),
            Err(error) => Err(Faults::one(file, Fault::new(Place::default(), format!("not a text file: {error}"), ""))),
        }
    }

    /// Reads a document from a file, or makes one from a bare BPF object (`.bpf.o`): the first bytes decide.
    ///
    /// # Errors
    /// [`Error::File`] where the file cannot be read, [`Error::Input`] with every fault of what it holds.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        let file = path.display().to_string();
        Ok(if bytes.starts_with(b"\x7fELF") {
            let name = path.file_name().map_or_else(|| file.clone(), |name| name.to_string_lossy().into_owned());
            Self::from_object(object_name(&name), bytes, &file)?
        } else {
            Self::from_slice(&bytes, &file)?
        })
    }

    /// Says what the records of a ring buffer or perf event array hold, in place of what the document says: a C type of the object as C
    /// writes it, `struct event` for example.
    #[must_use]
    pub fn with_event(mut self, map: impl Into<String>, c_type: impl Into<String>) -> Self {
        self.events.insert(map.into(), EventType::One(c_type.into()));
        self
    }

    /// As [`Self::with_event`], for a map with records of several types: each has `member` at one place (`kind`, or `header.kind` inside
    /// of another), and its value, a number or the name of an enum's constant, tells the type.
    ///
    /// Records with another value there are delivered as bytes.
    #[must_use]
    pub fn with_tagged_event<V: Into<String>, T: Into<String>>(
        mut self,
        map: impl Into<String>,
        member: impl Into<String>,
        types: impl IntoIterator<Item = (V, T)>,
    ) -> Self {
        let types = types.into_iter().map(|(value, c_type)| (value.into(), c_type.into())).collect();
        self.events.insert(map.into(), EventType::Tagged { member: member.into(), types });
        self
    }

    /// Gives metadata its object, in place of one that it may carry.
    #[must_use]
    pub fn with_object(self, object: Vec<u8>) -> Self {
        Self { object: Some(object), ..self }
    }
}

/// The object's name from its file's: what stands before the first dot, in characters that the kernel takes.
pub fn object_name(file: &str) -> String {
    let stem = file.split('.').next().unwrap_or(file);
    stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

impl FromStr for Skeleton {
    type Err = Faults;

    fn from_str(text: &str) -> Result<Self, Faults> {
        Self::parse(text, "skeleton")
    }
}
