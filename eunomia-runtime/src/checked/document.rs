//! Skeletons with the text that they were read from.

use std::{io::Read, path::Path};

use super::Checked;
use crate::{
    Error, Result,
    fault::{Fault, Faults, Place},
    object::foreign::foreign,
    skeleton::{Skeleton, object_name},
};

/// A skeleton and the text that it was read from, so that what is found to be wrong later has its line and column, too.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What was read.
    pub skeleton: Skeleton,
    /// The file, or what stands for it in messages.
    pub file: String,
    /// `None` for an object.
    text: Option<String>,
}

impl Document {
    /// Reads a JSON skeleton of any generation, or makes one of a bare BPF object (`.bpf.o`): the first bytes decide. `file` stands for it
    /// in messages, and names an object.
    ///
    /// # Errors
    /// Every fault of what was read, at once.
    pub fn new(bytes: Vec<u8>, file: &str) -> Result<Self, Faults> {
        const GIVE: &str = "give the .json file that the eunomia-bpf compiler, `cargo eunomia build` or `Config::package` wrote, or the BPF object \
                            (.bpf.o)";

        let refuse = |what: &str| Faults::one(file, Fault::new(Place::default(), what, GIVE));
        if let Some((what, todo)) = foreign(&bytes) {
            return Err(Faults::one(file, Fault::new(Place::default(), what, todo)));
        }
        let (skeleton, text) = if bytes.starts_with(b"\x7fELF") {
            let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
            (Skeleton::from_object(object_name(name.trim_matches(['<', '>'])), bytes, file)?, None)
        } else {
            let text = String::from_utf8(bytes).map_err(|_| refuse("neither a BPF object nor a text file in UTF-8"))?;
            if !text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
                return Err(refuse("neither a BPF object nor a skeleton, which is a JSON object"));
            }
            (Skeleton::parse(&text, file)?, Some(text))
        };
        Ok(Self { skeleton, file: file.to_owned(), text })
    }

    /// Whether it was made of an object.
    pub fn is_object(&self) -> bool {
        self.text.is_none()
    }

    /// Gives the skeleton its object, in place of one that it may hold. What is wrong with the object is said of its own file.
    ///
    /// # Errors
    /// The faults of the object by itself; where this is made of an object already.
    pub fn with_object(self, object: Vec<u8>, file: &str) -> Result<Self, Faults> {
        if self.is_object() {
            let what = "an object completes a skeleton, and this is an object itself";
            return Err(Faults::one(self.file, Fault::new(Place::default(), what, "leave the other object out")));
        }
        Skeleton::bare(self.skeleton.name.clone(), object.clone()).check(file)?;
        let skeleton = self.skeleton.with_object(object);
        Ok(Self { skeleton, ..self })
    }

    /// Gives faults that were found behind the document's reading their lines and columns.
    #[must_use]
    pub fn locate(&self, faults: Faults) -> Faults {
        match &self.text {
            Some(text) => faults.locate(text),
            None => faults,
        }
    }

    /// Holds the skeleton against its object, with all that it asks to be set.
    ///
    /// # Errors
    /// Every fault, those of [`Skeleton::check`] or else those of [`Checked::setup`].
    pub fn check(&self) -> Result<Checked, Faults> {
        let checked = self.skeleton.clone().check(&self.file).map_err(|faults| self.locate(faults))?;
        checked.setup(&self.file).map_err(|faults| self.locate(faults))?;
        Ok(checked)
    }
}

impl Skeleton {
    /// Reads a document, or makes one from a bare BPF object: the first bytes decide. `file` stands for it in messages, and names an object.
    ///
    /// # Errors
    /// As [`Document::new`].
    pub fn from_slice(bytes: &[u8], file: &str) -> Result<Self, Faults> {
        Document::new(bytes.to_vec(), file).map(|document| document.skeleton)
    }

    /// As [`Self::from_slice`], from a file.
    ///
    /// # Errors
    /// [`Error::File`] where the file cannot be read, [`Error::Input`] with every fault of what it holds.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = crate::file::read_any(path, crate::file::MOST).map_err(|source| Error::File { path: path.to_owned(), source })?;
        Ok(Self::from_slice(&bytes, &path.display().to_string())?)
    }

    /// As [`Self::from_slice`], from all that there is to read, which may be 256 MiB.
    ///
    /// # Errors
    /// As [`Self::from_file`].
    pub fn from_reader(from: impl Read, file: &str) -> Result<Self> {
        let bytes = crate::file::read_from(from, crate::file::MOST).map_err(|source| Error::File { path: file.into(), source })?;
        Ok(Document::new(bytes, file)?.skeleton)
    }
}
