//! Reads skeletons of any form, a JSON document or a bare BPF object, from bytes or a file.

use std::{io::Read, path::Path};

use crate::{
    Error, Result,
    error::{Diagnostic, Diagnostics, JsonPath},
    object::foreign::foreign,
    skeleton::{Format, Skeleton, object_name},
};

impl Skeleton {
    /// Reads a JSON skeleton of any generation, or makes one from a bare BPF object (`.bpf.o`),
    /// depending on the first bytes.
    ///
    /// Messages call it `file`, and an object gets its name from it.
    ///
    /// # Errors
    /// [`Diagnostics`] with every fault of the input.
    pub fn from_slice(bytes: &[u8], file: &str) -> Result<Self, Diagnostics> {
        Self::from_slice_for(bytes, file, std::env::consts::ARCH)
    }

    /// Reads an input as [`Self::from_slice`] does. If it holds a package for each architecture,
    /// takes that of `arch`, a name of Rust's `target_arch`.
    ///
    /// # Errors
    /// Those of [`Self::from_slice`].
    #[doc(hidden)]
    pub fn from_slice_for(bytes: &[u8], file: &str, arch: &str) -> Result<Self, Diagnostics> {
        const GIVE: &str = "give the .json file that the eunomia-bpf compiler, `cargo eunomia build` or `Config::package` wrote, or the BPF object \
                            (.bpf.o)";

        let refuse =
            |what: &str| Diagnostics::one(file, Diagnostic::new(JsonPath::default(), what, GIVE));
        if let Some((what, todo)) = foreign(bytes) {
            return Err(Diagnostics::one(file, Diagnostic::new(JsonPath::default(), what, todo)));
        }
        if bytes.starts_with(b"\x7fELF") {
            let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
            let name = object_name(name.trim_matches(['<', '>']));
            return Self::from_object(name, bytes.to_vec(), file);
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| refuse("neither a BPF object nor a text file in UTF-8"))?;
        if !text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
            let what = "neither a BPF object nor a skeleton, which is a JSON object";
            if file.ends_with(".yaml") || file.ends_with(".yml") {
                let todo = "only the commands read YAML; write JSON with `cargo eunomia build`";
                let fault = Diagnostic::new(JsonPath::default(), what, todo);
                return Err(Diagnostics::one(file, fault));
            }
            return Err(refuse(what));
        }
        Self::parse_for(text, file, arch)
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
        Ok(Self::from_slice(&bytes, file)?)
    }

    /// Sets the object, in place of one that the document may carry.
    ///
    /// Messages about the object alone call it `file`.
    ///
    /// # Errors
    /// [`Diagnostics`] if the object cannot be read, or if the skeleton itself was made from an
    /// object.
    pub fn with_object(self, object: Vec<u8>, file: &str) -> Result<Self, Diagnostics> {
        if self.format == Format::Object {
            let what = "an object can be given for a skeleton only, and this is an object";
            let todo = "leave out the other object";
            return Err(self.diagnostics(vec![Diagnostic::new(JsonPath::default(), what, todo)]));
        }
        let object =
            Self::bare(self.name.clone(), object, file).check()?.into_contents().skeleton.object;
        Ok(Self { object, ..self })
    }
}
