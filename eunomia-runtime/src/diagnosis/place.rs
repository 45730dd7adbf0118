//! Attach targets that a name identifies, and whether they exist.

mod find;

use std::{fmt, path::Path};

#[cfg(feature = "dynamic")]
use find::in_file;
use find::{OTHER_TARGET, in_types, kprobe, kprobes, symbol, traced, tracepoint};

#[cfg(feature = "dynamic")]
use super::pattern::matches_pattern;
use super::{
    Kernel,
    symbols::{FORBIDDEN, traceable},
};
use crate::{Error, Hint};

/// An attach target that a name identifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// `category/name`.
    Tracepoint(&'a str),
    RawTracepoint(&'a str),
    /// The offset is a string, `+0x3`, which may be empty.
    Kprobe {
        function: &'a str,
        offset: &'a str,
    },
    /// Functions by a pattern.
    Kprobes(&'a str),
    SystemCall(&'a str),
    /// A function looked up in BTF: `fentry`, `fexit` and others. A module may precede it,
    /// `module:function`.
    Traced(&'a str),
    /// An LSM hook.
    Hook(&'a str),
    Iterator(&'a str),
    Uprobe {
        file: &'a str,
        function: &'a str,
    },
    /// Functions by a pattern.
    Uprobes {
        file: &'a str,
        pattern: &'a str,
    },
    Usdt {
        file: &'a str,
        provider: &'a str,
        probe: &'a str,
    },
}

/// The result of looking up a target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Found; for a target in a file, the path of the file.
    There(Option<String>),
    /// Not found, or refused by the kernel: why, and what to do.
    Missing(String, Hint),
    /// Unknown: why it cannot be determined, and what to do.
    Untold(String, Hint),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tracepoint(name) => write!(f, "tracepoint {name}"),
            Self::RawTracepoint(name) => write!(f, "raw tracepoint {name}"),
            Self::Kprobe { function, offset } => write!(f, "kernel function {function}{offset}"),
            Self::Kprobes(pattern) => write!(f, "kernel functions {pattern}"),
            Self::SystemCall(name) => write!(f, "system call {name}"),
            Self::Traced(name) => write!(f, "kernel function {name}"),
            Self::Hook(name) => write!(f, "LSM hook {name}"),
            Self::Iterator(name) => write!(f, "iterator {name}"),
            Self::Uprobe { file, function } => write!(f, "function {function} of {file}"),
            Self::Uprobes { file, pattern } => write!(f, "functions {pattern} of {file}"),
            Self::Usdt { file, provider, probe } => {
                write!(f, "static probe {provider}:{probe} of {file}")
            }
        }
    }
}

impl<'a> Place<'a> {
    /// Parses `function` or `function+0x3`.
    pub(crate) fn kprobe(text: &'a str) -> Self {
        let at = text.find('+').unwrap_or(text.len());
        let (function, offset) = text.split_at_checked(at).unwrap_or((text, ""));
        Self::Kprobe { function, offset }
    }

    /// Parses `file:function`, with or without `+offset`.
    pub(super) fn uprobe(text: &'a str) -> Option<Self> {
        let (file, function) = text
            .split_once(':')
            .filter(|(file, function)| !file.is_empty() && !function.is_empty())?;
        // Some names contain a plus that begins no offset.
        let is_number = |offset: &str| offset.starts_with(|first: char| first.is_ascii_digit());
        let function = function
            .rsplit_once('+')
            .filter(|(_, offset)| is_number(offset))
            .map_or(function, |(function, _)| function);
        Some(Self::Uprobe { file, function })
    }

    /// Parses `file:pattern`.
    pub(super) fn uprobes(text: &'a str) -> Option<Self> {
        let (file, pattern) = text
            .split_once(':')
            .filter(|(file, pattern)| !file.is_empty() && !pattern.is_empty())?;
        Some(Self::Uprobes { file, pattern })
    }

    /// Parses `file:provider:probe`.
    pub(super) fn usdt(text: &'a str) -> Option<Self> {
        let mut parts = text.split(':').filter(|part| !part.is_empty());
        let (file, provider, probe) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self::Usdt { file, provider, probe })
    }

    /// Returns true if the target is looked up in the kernel's BTF when a program is loaded. For
    /// raw tracepoints that holds only for `tp_btf`.
    pub(crate) fn is_of_types(&self) -> bool {
        matches!(self, Self::RawTracepoint(_) | Self::Traced(_) | Self::Hook(_) | Self::Iterator(_))
    }

    /// Looks up the target.
    pub(crate) fn find(&self, kernel: &Kernel) -> Finding {
        match *self {
            Self::Tracepoint(target) => tracepoint(target),
            Self::RawTracepoint(name) => in_types(
                kernel,
                "__traceiter_",
                name,
                kernel.has_typedef(&format!("btf_trace_{name}")),
            ),
            Self::Kprobe { function, offset } => kprobe(kernel, function, offset),
            Self::Kprobes(pattern) => kprobes(kernel, pattern),
            Self::SystemCall(name) => {
                let prefixes =
                    ["__x64_sys_", "__arm64_sys_", "__riscv_sys_", "__s390x_sys_", "__se_sys_"];
                symbol(kernel, name, prefixes.as_slice())
            }
            Self::Traced(target) => traced(kernel, target),
            Self::Hook(name) => {
                in_types(kernel, "bpf_lsm_", name, kernel.has_function(&format!("bpf_lsm_{name}")))
            }
            Self::Iterator(name) => in_types(
                kernel,
                "bpf_iter_",
                name,
                kernel.has_function(&format!("bpf_iter_{name}")),
            ),
            #[cfg(feature = "dynamic")]
            Self::Uprobe { file, function } => {
                in_file(kernel, file, |found| found.function(function))
            }
            #[cfg(feature = "dynamic")]
            Self::Uprobes { file, pattern } => in_file(kernel, file, |found| {
                found.functions(|name| matches_pattern(name, pattern))
            }),
            #[cfg(feature = "dynamic")]
            Self::Usdt { file, provider, probe } => {
                in_file(kernel, file, |found| found.probe(provider, probe))
            }
            #[cfg(not(feature = "dynamic"))]
            Self::Uprobe { file, .. } | Self::Uprobes { file, .. } | Self::Usdt { file, .. } => {
                let todo =
                    format!("`nm -D {file}` lists functions, `readelf -n {file}` static probes");
                Finding::Untold("the file was not found, or lacks it".to_owned(), todo.into())
            }
        }
    }

    /// Returns why attaching failed, if the reason is known.
    pub(crate) fn reason(&self, errno: Option<i32>) -> Option<Hint> {
        match (self.find(&Kernel::default()), errno) {
            (Finding::Missing(why, todo), _) => Some(todo.after(format_args!("{self}: {why}; "))),
            (_, Some(libc::EILSEQ)) => {
                Some(format!("{self}: no instruction begins at this offset; objdump(1) shows where instructions begin").into())
            }
            (_, Some(libc::EADDRNOTAVAIL)) => {
                Some(format!("{self}: several kernel functions have this name, and the kernel accepts none of them").into())
            }
            (Finding::Untold(..), Some(libc::ESRCH)) => Some(format!("{self}: not in the kernel's BTF; {OTHER_TARGET}").into()),
            (_, Some(libc::EINVAL)) => self.unprobed().or_else(|| self.exceeded()),
            (Finding::Untold(why, todo), Some(libc::ENOENT)) => Some(todo.after(format_args!("{self}: {why}; "))),
            _ => None,
        }
    }

    /// Returns why the kernel refuses a probe in a function that exists.
    fn unprobed(&self) -> Option<Hint> {
        let Self::Kprobe { function, .. } = self else { return None };
        let why = if traceable(|name| name == *function) == Some(false) {
            "the kernel marks it notrace (it is not in available_filter_functions of tracefs)"
        } else if !Path::new(FORBIDDEN).exists() {
            "the kernel may forbid probes in it; /sys/kernel/debug/kprobes/blacklist (debugfs) lists such functions"
        } else {
            return None;
        };
        Some(format!("{self}: {why}; probe a function that calls it").into())
    }

    /// Returns why the kernel refuses a program on a raw tracepoint that exists. The program has
    /// loaded, because only attaching compares what it reads with the tracepoint.
    fn exceeded(&self) -> Option<Hint> {
        let Self::RawTracepoint(name) = self else { return None };
        Some(
            format!(
                "{self}: the program may read more arguments than the tracepoint has; \
                 the type `btf_trace_{name}` in the kernel's BTF lists them"
            )
            .into(),
        )
    }
}

/// Adds why the target was refused, if the reason is known and the kernel did not deny this process
/// access.
pub(crate) fn explained(error: Error, place: Place<'_>) -> Error {
    match &error {
        Error::Kernel(kernel_error) if !kernel_error.is_denial() => {
            let errno = kernel_error.source.raw_os_error();
            error.with_hint(|| place.reason(errno))
        }
        _ => error,
    }
}
