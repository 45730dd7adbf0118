//! `vmlinux.h`: the types of a kernel as a header for BPF C, from the kernel's BTF.

mod choice;
mod words;

use std::{
    io,
    path::{Path, PathBuf},
};

use eunomia_runtime::{__private::CTypes, error::Diagnostics};

use crate::{Error, files};
use choice::{Choice, everything};
use words::Words;

/// The BTF of the running kernel.
const RUNNING: &str = "/sys/kernel/btf/vmlinux";

/// The header `vmlinux.h`: the types of a kernel for BPF C, from the kernel's BTF.
///
/// By default it has every type of the running kernel. Accesses to their members are relocated when
/// the object is loaded (CO-RE), so the object runs on other kernels too.
///
/// ```no_run
/// # fn main() -> Result<(), eunomia_build::Error> {
/// eunomia_build::Vmlinux::new().only(["task_struct", "sock"]).write("bpf/vmlinux.h")
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Vmlinux {
    btf: Option<PathBuf>,
    only: Vec<String>,
    sources: Vec<PathBuf>,
}

impl Vmlinux {
    /// Selects every type of the running kernel.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the file with the BTF: a copy of `/sys/kernel/btf/vmlinux`, or an ELF file with a
    /// section `.BTF`.
    pub fn btf(mut self, path: impl AsRef<Path>) -> Self {
        self.btf = Some(path.as_ref().to_owned());
        self
    }

    /// Reduces the header to these types, with all that they contain. A type that they only point to
    /// is declared, but its members are left out unless it is named too. A name is that of a type
    /// (`task_struct` or `struct task_struct`), of a constant, which selects its enum, or of a
    /// kernel function (kfunc), which is declared.
    ///
    /// Types of several calls and of [`Self::source`] are put together.
    pub fn only<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.only.extend(types.into_iter().map(Into::into));
        self
    }

    /// Reduces the header to what a C file needs: the types, constants and kernel functions whose
    /// names occur in it or in the headers that it includes with quotes, and all types to which
    /// pointers with the name of one of its members lead. The file is not compiled, so conditions
    /// of the preprocessor are ignored, and names that macros put together are not found; add those
    /// with [`Self::only`].
    pub fn source(mut self, path: impl AsRef<Path>) -> Self {
        self.sources.push(path.as_ref().to_owned());
        self
    }

    /// Returns the header.
    ///
    /// # Errors
    /// [`Error::File`] if a file cannot be read or is not the BTF of a kernel. [`Error::Input`] with
    /// every name that the BTF does not have.
    pub fn text(&self) -> Result<String, Error> {
        let (words, types) = (self.words()?, self.types()?);
        self.generate(&types, &words, self.head(&types, &words))
    }

    /// Writes the header, whole or not at all. A file that is up to date is not touched.
    ///
    /// # Errors
    /// The errors of [`Self::text`], and [`Error::File`] if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        files::write(&[(path.as_ref(), self.text()?.as_bytes())])
    }

    /// Writes the header as [`Self::write`] does, unless an earlier build made the file of the same BTF
    /// and the same choice.
    pub(crate) fn cached(&self, path: &Path) -> Result<(), Error> {
        let (words, types) = (self.words()?, self.types()?);
        let head = self.head(&types, &words);
        if files::written(path).is_ok_and(|found| found.starts_with(head.as_bytes())) {
            return Ok(());
        }
        files::write(&[(path, self.generate(&types, &words, head)?.as_bytes())])
    }

    /// Returns the files that the header is made of. The running kernel's is left out: the kernel
    /// gives it a new time whenever it forgets the old one.
    pub(crate) fn depends_on(&self) -> impl Iterator<Item = &PathBuf> {
        self.btf.iter().filter(|path| !path.starts_with("/sys")).chain(&self.sources)
    }

    fn words(&self) -> Result<Words, Error> {
        let mut words = Words::default();
        self.sources.iter().try_for_each(|path| words.read(path))?;
        Ok(words)
    }

    fn types(&self) -> Result<CTypes, Error> {
        CTypes::read(self.path()).map_err(|error| match failed(error) {
            Error::File { tried, path, source }
                if self.btf.is_none() && source.kind() == io::ErrorKind::NotFound =>
            {
                let why =
                    format!("{source}; this kernel has no BTF, name a file with that of another");
                Error::File { tried, path, source: io::Error::new(source.kind(), why) }
            }
            other => other,
        })
    }

    /// Returns the file with the BTF.
    fn path(&self) -> &Path {
        self.btf.as_deref().unwrap_or(Path::new(RUNNING))
    }

    /// Returns the header that begins with `head`.
    fn generate(&self, types: &CTypes, words: &Words, head: String) -> Result<String, Error> {
        let file = self.path().display().to_string();
        let chosen = if self.only.is_empty() && self.sources.is_empty() {
            everything(types)
        } else {
            let mut choice = Choice::new(types);
            let unknown: Vec<_> =
                self.only.iter().filter_map(|name| choice.add(name).err()).collect();
            if !unknown.is_empty() {
                return Err(Diagnostics { file, diagnostics: unknown }.into());
            }
            if !self.sources.is_empty() {
                choice.add_words(words);
            }
            // libbpf's header declares every helper, whatever the program uses.
            words::helpers().iter().for_each(|name| choice.add_typedef(name));
            choice.finish()
        };
        let printed = types.print(&chosen.types, &chosen.functions).map_err(failed)?;
        let mut text = head;
        text.push_str(BEGIN);
        text.push_str(&printed.types);
        text.push_str(&chosen.declared);
        if !printed.functions.is_empty() {
            text.push_str("#ifndef BPF_NO_KFUNC_PROTOTYPES\n");
            for function in &printed.functions {
                text.push_str(&format!("extern {function} __weak __ksym;\n"));
            }
            text.push_str("#endif\n\n");
        }
        text.push_str(END);
        Ok(text)
    }

    /// Returns the first line of the header, which tells whether it is up to date: it has a hash of
    /// the BTF and of all that the choice depends on.
    fn head(&self, types: &CTypes, words: &Words) -> String {
        let choice = format!("{:?} {:?} {words:?}", self.only, self.sources.is_empty());
        let bytes = types.bytes().chunks(8).chain(choice.as_bytes().chunks(8));
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, chunk| {
            let word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            // FNV-1a over words; the rotation brings their high bits into play.
            (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
        });
        format!(
            "/* The types of a kernel. Generated by eunomia-build {} ({hash:016x}); do not edit. */\n",
            env!("CARGO_PKG_VERSION")
        )
    }
}

fn failed(error: eunomia_runtime::Error) -> Error {
    match error {
        eunomia_runtime::Error::File { path, source } => {
            Error::File { tried: "read", path, source }
        }
        other => Error::Config(other.to_string()),
    }
}

/// The begin of the header. libbpf's headers look for the guard. Programs may define the other names
/// before they include the header, as those of bpftool's header.
const BEGIN: &str = "\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

#ifndef __ksym
#define __ksym __attribute__((section(\".ksyms\")))
#endif

#ifndef __weak
#define __weak __attribute__((weak))
#endif

";

const END: &str = "\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif
";
