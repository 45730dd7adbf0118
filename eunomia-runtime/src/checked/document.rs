//! [`Document`]: a skeleton with the text that it was read from.

use std::{io::Read, path::Path};

use super::Checked;
use crate::{
    Error, Result,
    error::{Diagnostic, Diagnostics, JsonPath},
    object::foreign::foreign,
    skeleton::{Skeleton, object_name},
};

/// A skeleton and the text that it was read from, so that faults found later also have a line and
/// column.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The skeleton.
    pub skeleton: Skeleton,
    /// Name of the file, or its substitute in messages.
    pub file: String,
    /// Text of the document; `None` if it was made from an object.
    text: Option<String>,
}

impl Document {
    /// Reads a JSON skeleton of any generation, or makes one from a bare BPF object (`.bpf.o`),
    /// depending on the first bytes.
    ///
    /// Messages call it `file`, and an object gets its name from it.
    ///
    /// # Errors
    /// All faults of the input at once.
    pub fn new(bytes: Vec<u8>, file: &str) -> Result<Self, Diagnostics> {
        const GIVE: &str = "give the .json file that the eunomia-bpf compiler, `cargo eunomia build` or `Config::package` wrote, or the BPF object \
                            (.bpf.o)";

        let refuse =
            |what: &str| Diagnostics::one(file, Diagnostic::new(JsonPath::default(), what, GIVE));
        if let Some((what, todo)) = foreign(&bytes) {
            return Err(Diagnostics::one(file, Diagnostic::new(JsonPath::default(), what, todo)));
        }
        let (skeleton, text) = if bytes.starts_with(b"\x7fELF") {
            let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
            (Skeleton::from_object(object_name(name.trim_matches(['<', '>'])), bytes, file)?, None)
        } else {
            let text = String::from_utf8(bytes)
                .map_err(|_| refuse("neither a BPF object nor a text file in UTF-8"))?;
            if !text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
                return Err(refuse("neither a BPF object nor a skeleton, which is a JSON object"));
            }
            (Skeleton::parse(&text, file)?, Some(text))
        };
        Ok(Self { skeleton, file: file.to_owned(), text })
    }

    /// Returns true if the skeleton was made from an object.
    pub fn is_object(&self) -> bool {
        self.text.is_none()
    }

    /// Sets the skeleton's object, in place of one that it may carry.
    ///
    /// Diagnostics of the object name `file`.
    ///
    /// # Errors
    /// The faults of the object alone, or that this document is itself an object.
    pub fn with_object(self, object: Vec<u8>, file: &str) -> Result<Self, Diagnostics> {
        if self.is_object() {
            let what = "an object can be given for a skeleton only, and this is an object";
            return Err(Diagnostics::one(
                self.file,
                Diagnostic::new(JsonPath::default(), what, "leave out the other object"),
            ));
        }
        Skeleton::bare(self.skeleton.name.clone(), object.clone()).check(file)?;
        let skeleton = self.skeleton.with_object(object);
        Ok(Self { skeleton, ..self })
    }

    /// Adds lines and columns to faults that were found after the document was read.
    #[must_use]
    pub fn locate(&self, diagnostics: Diagnostics) -> Diagnostics {
        match &self.text {
            Some(text) => diagnostics.locate(text),
            None => diagnostics,
        }
    }

    /// Checks the skeleton against its object, including all values and targets that it sets.
    ///
    /// # Errors
    /// All faults of [`Skeleton::check`], or if it finds none, all of [`Checked::setup`].
    pub fn check(&self) -> Result<Checked, Diagnostics> {
        let checked = self
            .skeleton
            .clone()
            .check(&self.file)
            .map_err(|diagnostics| self.locate(diagnostics))?;
        checked.setup(&self.file).map_err(|diagnostics| self.locate(diagnostics))?;
        Ok(checked)
    }
}

impl Skeleton {
    /// Reads a document, or makes one from a bare BPF object, depending on the first bytes.
    ///
    /// Messages call it `file`, and an object gets its name from it.
    ///
    /// # Errors
    /// Those of [`Document::new`].
    pub fn from_slice(bytes: &[u8], file: &str) -> Result<Self, Diagnostics> {
        Document::new(bytes.to_vec(), file).map(|document| document.skeleton)
    }

    /// Reads a file as [`Self::from_slice`] does.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, [`Error::Input`] with every fault of its
    /// content.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = crate::file::read_any(path, crate::file::MOST)
            .map_err(|source| Error::File { path: path.to_owned(), source })?;
        Ok(Self::from_slice(&bytes, &path.display().to_string())?)
    }

    /// Reads a reader to its end, at most 256 MiB, as [`Self::from_slice`] does.
    ///
    /// # Errors
    /// Those of [`Self::from_file`].
    pub fn from_reader(from: impl Read, file: &str) -> Result<Self> {
        let bytes = crate::file::read_from(from, crate::file::MOST)
            .map_err(|source| Error::File { path: file.into(), source })?;
        Ok(Document::new(bytes, file)?.skeleton)
    }
}
