//! Probes on many functions through one link.

use std::{ffi::CString, fmt, path::Path, ptr};

use libbpf_rs::{UprobeMultiOpts, libbpf_sys};

use super::any_or;
use crate::{
    Error, Result,
    bpf::{
        Link, Program,
        kind::{KprobeMulti, UprobeMulti},
        sys::c_string,
    },
    diagnosis::{
        Kernel, list,
        place::{Finding, Place},
    },
    glob,
};

/// The functions that one link attaches to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Functions<'a> {
    /// All functions whose name matches the pattern: `*` matches any characters, `?` matches one.
    Matching(&'a str),
    /// The named functions. The program reads the cookie of each with `bpf_get_attach_cookie`.
    Named(&'a [(&'a str, u64)]),
}

/// Formats the functions for messages.
impl fmt::Display for Functions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matching(pattern) => f.write_str(pattern),
            Self::Named(functions) => f.write_str(&list(functions.iter().map(|(name, _)| *name))),
        }
    }
}

impl Functions<'_> {
    /// Adds the function that is missing to the error, if that is why the kernel refused.
    fn explained<'a, K>(
        &'a self,
        program: &Program<'_, K>,
        error: Error,
        one: impl Fn(&'a str) -> Place<'a>,
        all: impl Fn(&'a str) -> Place<'a>,
    ) -> Error {
        match self {
            Self::Matching(pattern) => program.explain_place(error, all(pattern)),
            Self::Named(functions) => {
                let kernel = Kernel::default();
                let missing = functions
                    .iter()
                    .map(|(name, _)| one(name))
                    .find(|place| matches!(place.find(&kernel), Finding::Missing(..)));
                match missing {
                    Some(place) => program.explain_place(error, place),
                    None => error,
                }
            }
        }
    }

    /// Fails if libbpf would need too long for the pattern.
    fn check(&self, tried: &str) -> Result<()> {
        match self.pattern().and_then(glob::costs) {
            Some(why) => Err(Error::Value { name: tried.to_owned(), why }),
            None => Ok(()),
        }
    }

    fn pattern(&self) -> Option<&str> {
        match self {
            Self::Matching(pattern) => Some(pattern),
            Self::Named(_) => None,
        }
    }

    fn named(&self) -> &[(&str, u64)] {
        match self {
            Self::Matching(_) => &[],
            Self::Named(functions) => functions,
        }
    }
}

impl<K> Program<'_, K> {
    /// Returns true if the section is for the entries and returns of functions in one session.
    fn is_session(&self) -> bool {
        self.section()
            .to_string_lossy()
            .split('/')
            .next()
            .is_some_and(|head| head.contains(".session"))
    }
}

impl Program<'_, KprobeMulti> {
    /// Attaches the program to kernel functions (kernel 5.18 and later with CONFIG_FPROBE): to
    /// their entries, to their returns for a `kretprobe.multi`, to both for a `kprobe.session`
    /// (6.10 and later).
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENOENT if a function is not
    /// found or no function matches. [`Error::Value`] if the pattern has more than three stars
    /// before its end.
    pub fn attach_to(&self, functions: Functions<'_>) -> Result<Link> {
        let tried = self.tried(&format!("the kernel functions {functions}"));
        functions.check(&tried)?;
        let pattern =
            functions.pattern().map(|pattern| c_string(pattern, || tried.clone())).transpose()?;
        let names: Vec<CString> = functions
            .named()
            .iter()
            .map(|(name, _)| c_string(*name, || tried.clone()))
            .collect::<Result<_>>()?;
        let mut names: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let cookies: Vec<u64> = functions.named().iter().map(|(_, cookie)| *cookie).collect();
        let mut opts = libbpf_sys::bpf_kprobe_multi_opts {
            sz: size_of::<libbpf_sys::bpf_kprobe_multi_opts>() as libbpf_sys::size_t,
            retprobe: self.returns(),
            session: self.is_session(),
            ..Default::default()
        };
        // libbpf takes either a pattern or a list, and the other is NULL.
        if pattern.is_none() {
            (opts.syms, opts.cookies, opts.cnt) =
                (names.as_mut_ptr(), cookies.as_ptr(), names.len() as libbpf_sys::size_t);
        }
        let pattern = pattern.as_ref().map_or(ptr::null(), |pattern| pattern.as_ptr());
        self.linked_by(tried, |program| {
            // SAFETY: the program is of a live object. The pattern, the options and what they point
            // to live through the call, which only reads them.
            unsafe {
                libbpf_sys::bpf_program__attach_kprobe_multi_opts(program, pattern, &raw const opts)
            }
        })
        .map_err(|error| functions.explained(self, error, Place::kprobe, Place::Kprobes))
    }
}

impl Program<'_, UprobeMulti> {
    /// Attaches the program to functions of an executable or library (kernel 6.6 and later): to
    /// their entries, to their returns for a `uretprobe.multi`, to both for a `uprobe.session`
    /// (6.13 and later). It runs for one process, or for all (`None`).
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENOENT if the file or a
    /// function is not found, or no function matches. [`Error::Value`] as for kernel functions.
    pub fn attach_to(
        &self,
        binary: impl AsRef<Path>,
        functions: Functions<'_>,
        pid: Option<u32>,
    ) -> Result<Link> {
        let binary = binary.as_ref();
        let tried = self.tried(&format!("the functions {functions} of {}", binary.display()));
        functions.check(&tried)?;
        let (syms, cookies) =
            functions.named().iter().map(|(name, cookie)| ((*name).to_owned(), *cookie)).unzip();
        let opts = UprobeMultiOpts {
            syms,
            cookies,
            retprobe: self.returns(),
            session: self.is_session(),
            ..Default::default()
        };
        self.linked_in(binary, tried, |program, path| {
            program.attach_uprobe_multi_with_opts(
                any_or(pid),
                path,
                functions.pattern().unwrap_or_default(),
                opts,
            )
        })
        .map_err(|error| {
            let file = &*binary.to_string_lossy();
            functions.explained(
                self,
                error,
                |function| Place::Uprobe { file, function },
                |pattern| Place::Uprobes { file, pattern },
            )
        })
    }
}
