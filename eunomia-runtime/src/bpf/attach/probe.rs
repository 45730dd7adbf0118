//! Probes: programs on functions and tracepoints of the kernel, and on functions of executables and
//! libraries.

use std::{fmt, path::Path};

use libbpf_rs::{
    KprobeOpts, RawTracepointOpts, TracepointCategory, TracepointOpts, UprobeOpts, UsdtOpts,
    libbpf_sys,
};

use super::{any_or, binary::Binary};
use crate::{
    Result,
    bpf::{
        Link, Program,
        kind::{Kprobe, Ksyscall, RawTracepoint, Tracepoint, Uprobe, Usdt},
        sys::c_string,
    },
    diagnosis::{place::Place, requirement},
};

impl Program<'_, Kprobe> {
    /// Attaches the program to a kernel function: to its entry, or to its return for a `kretprobe`.
    /// The program reads `cookie` with `bpf_get_attach_cookie` (kernel 5.15 and later if it is not
    /// 0).
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENOENT if the function is not
    /// found.
    pub fn attach_to(&self, function: &str, cookie: u64) -> Result<Link> {
        let returns = self.returns();
        let opts = KprobeOpts { cookie, ..Default::default() };
        self.linked(self.tried(&format!("the kernel function `{function}`")), |program| {
            program.attach_kprobe_with_opts(returns, function, opts)
        })
        .map_err(|error| self.explain_place(error, Place::kprobe(function)))
    }
}

impl Program<'_, Ksyscall> {
    /// Attaches the program to a system call by its name (`unlinkat`): to its entry, or to its
    /// return for a `kretsyscall`. libbpf finds the kernel function of the call, whose name depends
    /// on the architecture.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENOENT if the system call is
    /// not found.
    pub fn attach_to(&self, call: &str, cookie: u64) -> Result<Link> {
        let tried = self.tried(&format!("the system call `{call}`"));
        let name = c_string(call, || tried.clone())?;
        let opts = libbpf_sys::bpf_ksyscall_opts {
            sz: size_of::<libbpf_sys::bpf_ksyscall_opts>() as libbpf_sys::size_t,
            bpf_cookie: cookie,
            retprobe: self.returns(),
            ..Default::default()
        };
        self.linked_by(tried, |program| {
            // SAFETY: the program is of a live object. The name and the options live through the
            // call, which only reads them.
            unsafe {
                libbpf_sys::bpf_program__attach_ksyscall(program, name.as_ptr(), &raw const opts)
            }
        })
        .map_err(|error| self.explain_place(error, Place::SystemCall(call)))
    }
}

impl Program<'_, Tracepoint> {
    /// Attaches the program to a tracepoint, `sched` and `sched_switch` for example. The program
    /// reads `cookie` with `bpf_get_attach_cookie` (kernel 5.15 and later if it is not 0).
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENOENT if the tracepoint is
    /// not found or tracefs is not mounted ([`mount::tracefs`](crate::host::mount::tracefs)),
    /// EACCES if this user may not read tracefs or may not open perf events.
    pub fn attach_to(&self, category: &str, name: &str, cookie: u64) -> Result<Link> {
        let opts = TracepointOpts { cookie, ..Default::default() };
        self.linked(self.tried(&format!("the tracepoint {category}/{name}")), |program| {
            program.attach_tracepoint_with_opts(
                TracepointCategory::Custom(category.to_owned()),
                name,
                opts,
            )
        })
        .map_err(|error| {
            self.explain_place(error, Place::Tracepoint(&format!("{category}/{name}")))
        })
    }
}

impl Program<'_, RawTracepoint> {
    /// Attaches the program to a tracepoint, `sched_switch` for example. The program sees the raw
    /// arguments of the tracepoint. It reads `cookie` with `bpf_get_attach_cookie` (kernel 6.10 and
    /// later if it is not 0).
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENOENT if the tracepoint is
    /// not found.
    pub fn attach_to(&self, name: &str, cookie: u64) -> Result<Link> {
        let tried = self.tried(&format!("the raw tracepoint {name}"));
        // Older kernels refuse options, even empty ones.
        let link = match cookie {
            0 => self.linked(tried, |program| program.attach_raw_tracepoint(name)),
            _ => {
                let opts = RawTracepointOpts { cookie, ..Default::default() };
                self.linked(tried, |program| program.attach_raw_tracepoint_with_opts(name, opts))
            }
        };
        // A kernel without cookies answers EINVAL before it looks for the tracepoint.
        link.map_err(|error| {
            let error = self.explain_place(error, Place::RawTracepoint(name));
            error.with_hint(|| requirement::COOKIES.lacking().filter(|_| cookie != 0))
        })
    }
}

/// A place in an executable or library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbePoint<'a> {
    /// The entry of a function, or its return for a `uretprobe`.
    Function(&'a str),
    /// A number of bytes from the start of the file.
    Offset(usize),
}

/// Formats the place for messages.
impl fmt::Display for ProbePoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(name) => write!(f, "the function {name}"),
            Self::Offset(offset) => write!(f, "offset {offset:#x}"),
        }
    }
}

impl Program<'_, Uprobe> {
    /// Attaches the program to a place in an executable or library. It runs for one process, or for
    /// all, also later ones (`None`). A library may be given by its name (`libc.so.6`). The program
    /// reads `cookie` with `bpf_get_attach_cookie` (kernel 5.15 and later if it is not 0).
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENOENT if the file or the
    /// function is not found.
    pub fn attach_to(
        &self,
        binary: impl AsRef<Path>,
        place: &ProbePoint<'_>,
        pid: Option<u32>,
        cookie: u64,
    ) -> Result<Link> {
        let binary = binary.as_ref();
        let (name, offset) = match place {
            ProbePoint::Function(name) => (Some((*name).to_owned()), 0),
            ProbePoint::Offset(offset) => (None, *offset),
        };
        let opts =
            UprobeOpts { cookie, retprobe: self.returns(), func_name: name, ..Default::default() };
        let link = self.linked_in(
            binary,
            self.tried(&format!("{place} of {}", binary.display())),
            |program, path| program.attach_uprobe_with_opts(any_or(pid), path, offset, opts),
        );
        link.map_err(|error| match place {
            ProbePoint::Function(function) => self
                .explain_place(error, Place::Uprobe { file: &binary.to_string_lossy(), function }),
            ProbePoint::Offset(_) => error,
        })
    }
}

impl Program<'_, Usdt> {
    /// Attaches the program to a static probe (USDT) of an executable or library. It runs for one
    /// process, or for all (`None`).
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENOENT if the probe is not
    /// found.
    pub fn attach_to(
        &self,
        binary: impl AsRef<Path>,
        provider: &str,
        probe: &str,
        pid: Option<u32>,
        cookie: u64,
    ) -> Result<Link> {
        let binary = binary.as_ref();
        let opts = UsdtOpts { cookie, ..Default::default() };
        let tried = self.tried(&format!("the probe {provider}:{probe} of {}", binary.display()));
        Binary::of(binary, &tried)
            .and_then(|held| {
                self.linked_usdt(tried, |program| {
                    program.attach_usdt_with_opts(any_or(pid), held.path(), provider, probe, opts)
                })
            })
            .map_err(|error| {
                self.explain_place(
                    error,
                    Place::Usdt { file: &binary.to_string_lossy(), provider, probe },
                )
            })
    }
}
