use std::{
    ffi::OsStr,
    io,
    marker::PhantomData,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
    path::Path,
    sync::Arc,
};

use libbpf_rs::{AsRawLibbpf as _, Object, ProgramMut, ProgramType, libbpf_sys};

use super::{
    kind::{Any, Kind},
    link::{Held, Link, alone},
    sys::{
        messages::{listen, refused},
        pin::pin,
    },
};
use crate::{
    Error, Hint, Result,
    diagnosis::{
        place::{Place, explained},
        privilege::{Need, closed_tracefs, lacking, missing, paranoid, type_name, type_names},
        requirement::of_programs,
        section::says,
    },
    refusal::refusal,
};

/// A program in the kernel. Its kind `K` decides what it can be attached to beside what its section says.
#[derive(Debug)]
pub struct Program<'a, K = Any> {
    program: ProgramMut<'a>,
    object: &'a Arc<Object>,
    kind: PhantomData<fn() -> K>,
}

impl<'a, K> Program<'a, K> {
    pub(super) fn new(program: ProgramMut<'a>, object: &'a Arc<Object>) -> Self {
        Self { program, object, kind: PhantomData }
    }

    /// The program as one of a kind, for example one whose section says no type and that was given one before it was loaded
    /// ([`super::OpenProgram::set_type`]). One that libbpf knows no type for, and does not load by itself, is of any.
    ///
    /// # Errors
    /// [`Error::Value`] where it is of another.
    pub fn into_kind<Other: Kind>(self) -> Result<Program<'a, Other>> {
        let found = self.program.prog_type();
        if Other::TYPES.is_empty() || Other::TYPES.contains(&found) || found == ProgramType::Unspec {
            return Ok(Program::new(self.program, self.object));
        }
        Err(Error::Value {
            name: self.describe(),
            why: format!("it is of type {}, not {}", type_name(found as u32), type_names(Other::TYPES)),
        })
    }

    /// The program as one of the kind that its section says. If it was given another type, the kernel refuses to attach it as that kind.
    pub(super) fn of_section<Other: Kind>(self) -> Program<'a, Other> {
        Program::new(self.program, self.object)
    }

    /// The C function.
    pub fn name(&self) -> &OsStr {
        self.program.name()
    }

    /// The ELF section.
    pub fn section(&self) -> &OsStr {
        self.program.section()
    }

    /// Its descriptor.
    ///
    /// # Errors
    /// [`Error::Value`] for a program that was not loaded ([`super::OpenProgram::set_autoload`]).
    pub fn fd(&self) -> Result<BorrowedFd<'_>> {
        if self.program.autoload() {
            return Ok(self.program.as_fd());
        }
        Err(Error::Value { name: self.describe(), why: "it was not loaded, so it has no descriptor".to_owned() })
    }

    /// The kernel's number of it, which no other program has: what [`LinkInfo`](super::LinkInfo) and [`super::attached_xdp`] say.
    ///
    /// # Errors
    /// Those of [`Self::fd`], [`Error::Kernel`].
    pub fn id(&self) -> Result<u32> {
        let mut info = libbpf_sys::bpf_prog_info::default();
        let mut size = size_of_val(&info) as u32;
        // SAFETY: the call writes so many bytes at most and, since they name no memory, nothing else; the descriptor lives through it.
        match unsafe { libbpf_sys::bpf_prog_get_info_by_fd(self.fd()?.as_raw_fd(), &raw mut info, &raw mut size) } {
            0 => Ok(info.id),
            error => Err(refusal(format!("ask the kernel about the {}", self.describe()), io::Error::from_raw_os_error(-error))),
        }
    }

    /// Pins the program to a path in a BPF file system, where it lives on behind this object; removing the file ends that. What attaches it
    /// is pinned apart, see [`Link::pin`].
    ///
    /// # Errors
    /// As [`super::Map::pin`], and those of [`Self::fd`].
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<()> {
        pin(self.fd()?, path.as_ref(), &format!("the {}", self.describe()))
    }

    /// Attaches the program to what its section says.
    ///
    /// # Errors
    /// [`Error::NoTarget`] if the section does not say enough, else [`Error::Kernel`] with a hint; for EPERM and EACCES that names what
    /// this process lacks.
    pub fn attach(&self) -> Result<Link> {
        let tried = format!("attach the {} ({})", self.describe(), self.section().to_string_lossy());
        let link = if self.section().as_encoded_bytes().starts_with(b"usdt") {
            self.linked_usdt(tried, ProgramMut::attach)
        } else {
            self.linked(tried, ProgramMut::attach)
        };
        link.map_err(|error| self.explain_section(error))
    }

    /// Its type, as the section says or as it was set before it was loaded.
    pub fn prog_type(&self) -> ProgramType {
        self.program.prog_type()
    }

    /// What it was loaded to be attached as.
    pub(super) fn attach_type(&self) -> libbpf_sys::bpf_attach_type {
        // SAFETY: the pointer is that of a program of a live object, and the call only reads a number.
        match unsafe { libbpf_sys::bpf_program__expected_attach_type(self.program.as_libbpf_object().as_ptr()) } {
            // The section `sk_skb` alone does not say it, and the kernel takes either.
            0 if self.program.prog_type() == ProgramType::SkSkb => libbpf_sys::BPF_SK_SKB_STREAM_VERDICT,
            attach_type => attach_type,
        }
    }

    pub(super) fn describe(&self) -> String {
        format!("program `{}`", self.name().to_string_lossy())
    }

    /// Attaches through libbpf.
    pub(super) fn linked(&self, tried: String, attach: impl FnOnce(&ProgramMut<'a>) -> libbpf_rs::Result<libbpf_rs::Link>) -> Result<Link> {
        self.linked_as(Held::Libbpf, tried, attach)
    }

    /// Attaches the probes of a USDT through libbpf.
    pub(super) fn linked_usdt(
        &self,
        tried: String,
        attach: impl FnOnce(&ProgramMut<'a>) -> libbpf_rs::Result<libbpf_rs::Link>,
    ) -> Result<Link> {
        self.linked_as(Held::Usdt, tried, |program| alone(|| attach(program)))
    }

    fn linked_as(
        &self,
        held: fn(libbpf_rs::Link) -> Held,
        tried: String,
        attach: impl FnOnce(&ProgramMut<'a>) -> libbpf_rs::Result<libbpf_rs::Link>,
    ) -> Result<Link> {
        self.fd()?;
        let (link, said) = listen(|| attach(&self.program));
        link.map(|link| self.held(held(link))).map_err(|error| self.explain(refused(tried, &error, &said)))
    }

    /// With what the kernel lacks for programs of this section, or this process.
    pub(super) fn explain(&self, error: Error) -> Error {
        let closed = matches!(&error, Error::Kernel(refusal)
            if refusal.messages.contains("failed to determine tracepoint") && refusal.source.raw_os_error() == Some(libc::EACCES));
        match &error {
            Error::Kernel(refusal) if refusal.is_denial() => error
                .with_hint(|| if closed { Some(closed_tracefs()) } else { self.forbidden().or_else(|| self.lacking().map(Hint::from)) }),
            _ => error.with_hint(|| self.lacking()),
        }
    }

    /// With why the program cannot be attached as its section says.
    fn explain_section(&self, error: Error) -> Error {
        let Error::Kernel(refusal) = &error else { return error };
        let section = self.section().to_string_lossy();
        let said = says(&section, self.program.prog_type());
        // libbpf says the first to what it attaches to nothing by itself, and the others to half a target.
        let unsaid = matches!(refusal.source.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EINVAL | libc::EBADF));
        match (said.wants.filter(|_| unsaid), said.place) {
            (Some(wants), _) => {
                let program = self.name().to_string_lossy().into_owned();
                Error::NoTarget { program, section: section.into_owned(), wants }
            }
            (None, Some(place)) => self.explain_place(error, place),
            (None, None) => error,
        }
    }

    /// With why the program cannot be attached to a place, unless the kernel takes such programs nowhere.
    pub(super) fn explain_place(&self, error: Error, place: Place<'_>) -> Error {
        if self.lacking().is_some() { error } else { explained(error, place) }
    }

    /// What it is of, and lives as long as.
    pub(super) fn object(&self) -> &Arc<Object> {
        self.object
    }

    /// What the kernel lacks for programs of this section.
    fn lacking(&self) -> Option<String> {
        of_programs(&self.section().to_string_lossy())?.lacking()
    }

    /// What keeps this process from attaching the program.
    fn forbidden(&self) -> Option<Hint> {
        let (ty, section) = (self.program.prog_type(), self.section().to_string_lossy());
        let mechanism = section.split('/').next().unwrap_or_default();
        let mut needs = vec![Need::of_program(ty)];
        if matches!(mechanism, "uprobe" | "uretprobe" | "usdt" | "uprobe.s" | "uretprobe.s" | "usdt.s") {
            needs.push(Need::of_uprobes());
        }
        let by_event = matches!(ty, ProgramType::Kprobe | ProgramType::Tracepoint | ProgramType::PerfEvent);
        missing(&needs).or_else(|| by_event.then(paranoid).flatten().map(Hint::from)).or_else(|| lacking(&needs))
    }

    pub(super) fn held(&self, held: Held) -> Link {
        Link::new(held, self.object)
    }
}
