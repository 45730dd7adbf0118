//! Programs in the kernel: their names, ids, pins and links.

use std::{
    ffi::{OsStr, c_int, c_long},
    io,
    marker::PhantomData,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
    path::Path,
    sync::Arc,
};

use libbpf_rs::{
    AsRawLibbpf as _, MapCore as _, MapType, Object, ProgramMut, ProgramType, libbpf_sys,
};

use super::{
    kind::{Any, ProgramKind},
    link::{Held, Link, alone},
    sys::pin::pin,
};
use crate::{
    Error, Hint, Result,
    diagnosis::{
        place::{Place, explained},
        requirement::of_programs,
        section::says,
    },
    host::{
        Advice, kernel_error,
        messages::{listen, refused},
        privilege::{
            Need, closed_tracefs, lacking, map_type_name, missing, paranoid, type_name, type_names,
        },
    },
};

/// A program in the kernel. Its kind `K` decides what it can be attached to other than the target
/// that its section names.
///
/// ```
/// use eunomia_runtime::bpf::{Link, Program};
///
/// fn attach(program: &Program<'_>) -> eunomia_runtime::Result<Link> {
///     println!("{} {}", program.section().display(), program.id()?);
///     program.attach()
/// }
/// ```
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

    /// Converts the program to another kind. Needed, for example, if its section names no type and
    /// a type was set before loading ([`super::OpenProgram::set_type`]). A program of unknown type,
    /// which libbpf does not load by default, converts to any kind.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the program has a type that is not of the kind.
    pub fn into_kind<Other: ProgramKind>(self) -> Result<Program<'a, Other>> {
        let found = self.program.prog_type();
        if Other::TYPES.is_empty() || Other::TYPES.contains(&found) || found == ProgramType::Unspec
        {
            return Ok(Program::new(self.program, self.object));
        }
        Err(Error::Mismatch {
            name: self.describe(),
            why: format!(
                "its type is {}, expected {}",
                type_name(found as u32),
                type_names(Other::TYPES)
            ),
        })
    }

    /// Converts the program to the kind of its section, without a check. If it was given another
    /// type, the kernel refuses to attach it as that kind.
    pub(super) fn of_section<Other: ProgramKind>(self) -> Program<'a, Other> {
        Program::new(self.program, self.object)
    }

    /// Returns the name of the program's C function.
    pub fn name(&self) -> &OsStr {
        self.program.name()
    }

    /// Returns the name of the program's ELF section.
    pub fn section(&self) -> &OsStr {
        self.program.section()
    }

    /// Returns the file descriptor of the program.
    ///
    /// # Errors
    /// [`Error::NotLoaded`] if the program was not loaded ([`super::OpenProgram::set_autoload`]).
    pub fn fd(&self) -> Result<BorrowedFd<'_>> {
        if self.program.autoload() {
            return Ok(self.program.as_fd());
        }
        Err(Error::NotLoaded {
            name: self.describe(),
            why: "it was not loaded, so it has no descriptor".to_owned(),
        })
    }

    /// Returns the kernel's id of the program, which is unique in the system.
    /// [`LinkInfo`](super::LinkInfo) and [`super::attached_xdp`] report it.
    ///
    /// # Errors
    /// [`Error::NotLoaded`] as [`Self::fd`], [`Error::Kernel`] if the kernel refuses.
    pub fn id(&self) -> Result<u32> {
        let mut info = libbpf_sys::bpf_prog_info::default();
        let mut size = size_of_val(&info) as u32;
        // SAFETY: the call writes at most `size` bytes to `info`. Its fields name no other memory,
        // so nothing else is written. The descriptor lives through the call.
        match unsafe {
            libbpf_sys::bpf_prog_get_info_by_fd(
                self.fd()?.as_raw_fd(),
                &raw mut info,
                &raw mut size,
            )
        } {
            0 => Ok(info.id),
            error => Err(kernel_error(
                format!("ask the kernel about the {}", self.describe()),
                io::Error::from_raw_os_error(-error),
            )),
        }
    }

    /// Pins the program to a path in a BPF file system. It then outlives this object, until the
    /// file is removed. Links are pinned separately, see [`Link::pin`].
    ///
    /// # Errors
    /// Those of [`super::Map::pin`] and [`Self::fd`].
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<()> {
        pin(self.fd()?, path.as_ref(), &format!("the {}", self.describe()))
    }

    /// Attaches the program to the target that its section names.
    ///
    /// # Errors
    /// [`Error::NoTarget`] if the section does not name the whole target, [`Error::NotLoaded`] as
    /// [`Self::fd`], otherwise [`Error::Kernel`] with a hint. For EPERM and EACCES, the hint names
    /// what this process lacks.
    pub fn attach(&self) -> Result<Link> {
        let tried =
            format!("attach the {} ({})", self.describe(), self.section().to_string_lossy());
        let held = self.attach_held(&self.section().to_string_lossy(), &tried);
        let link = if let Some(link) = held {
            link
        } else if self.section().as_encoded_bytes().starts_with(b"usdt") {
            self.linked_usdt(tried, ProgramMut::attach)
        } else {
            self.linked(tried, ProgramMut::attach)
        };
        link.map_err(|error| self.explain_section(error))
    }

    /// Returns the type of the program: that of its section, or the one that was set before
    /// loading.
    pub fn prog_type(&self) -> ProgramType {
        self.program.prog_type()
    }

    /// Returns the attach type with which the program was loaded.
    pub(super) fn attach_type(&self) -> libbpf_sys::bpf_attach_type {
        // SAFETY: the pointer belongs to a program of a live object, and the call only reads a
        // number.
        match unsafe {
            libbpf_sys::bpf_program__expected_attach_type(self.program.as_libbpf_object().as_ptr())
        } {
            // The section `sk_skb` does not name an attach type, and the kernel accepts either.
            0 if self.program.prog_type() == ProgramType::SkSkb => {
                libbpf_sys::BPF_SK_SKB_STREAM_VERDICT
            }
            attach_type => attach_type,
        }
    }

    /// Returns the name of the program for errors.
    pub(super) fn describe(&self) -> String {
        format!("program `{}`", self.name().to_string_lossy())
    }

    /// Attaches the program through libbpf.
    pub(super) fn linked(
        &self,
        tried: String,
        attach: impl FnOnce(&ProgramMut<'a>) -> libbpf_rs::Result<libbpf_rs::Link>,
    ) -> Result<Link> {
        self.linked_as(Held::Libbpf, tried, attach)
    }

    /// Attaches the probes of a USDT through libbpf.
    pub(super) fn linked_usdt(
        &self,
        tried: String,
        attach: impl FnOnce(&ProgramMut<'a>) -> libbpf_rs::Result<libbpf_rs::Link>,
    ) -> Result<Link> {
        check_usdt_maps(self.object)?;
        self.linked_as(Held::Usdt, tried, |program| alone(|| attach(program)))
    }

    fn linked_as(
        &self,
        held: fn(libbpf_rs::Link) -> Held,
        tried: String,
        attach: impl FnOnce(&ProgramMut<'a>) -> libbpf_rs::Result<libbpf_rs::Link>,
    ) -> Result<Link> {
        self.fd()?;
        let (link, messages) = listen(|| attach(&self.program));
        link.map(|link| self.held(held(link)))
            .map_err(|error| self.explain(refused(tried, &error, &messages)))
    }

    /// Adds to an error what the kernel lacks for programs of this section, or what this process
    /// lacks.
    pub(super) fn explain(&self, error: Error) -> Error {
        let closed = matches!(&error, Error::Kernel(kernel_error)
            if kernel_error.messages.contains("failed to determine tracepoint") && kernel_error.source.raw_os_error() == Some(libc::EACCES));
        match &error {
            Error::Kernel(kernel_error) if kernel_error.is_denial() => error.with_hint(|| {
                if closed {
                    Some(closed_tracefs())
                } else {
                    self.forbidden().or_else(|| self.lacking().map(Hint::from))
                }
            }),
            _ => error.with_hint(|| self.lacking()),
        }
    }

    /// Adds to an error why the program cannot be attached as its section says.
    fn explain_section(&self, error: Error) -> Error {
        let Error::Kernel(kernel_error) = &error else { return error };
        let section = self.section().to_string_lossy();
        let named = says(&section, self.program.prog_type());
        // libbpf returns EOPNOTSUPP for a section that it cannot attach by itself, and the others
        // for one that names only part of a target.
        let incomplete = matches!(
            kernel_error.source.raw_os_error(),
            Some(libc::EOPNOTSUPP | libc::EINVAL | libc::EBADF)
        );
        match (named.wants.filter(|_| incomplete), named.place) {
            (Some(wants), _) => {
                let program = self.name().to_string_lossy().into_owned();
                let hint = Advice::Target { program: &program }.into();
                Error::NoTarget { program, section: section.into_owned(), wants, hint }
            }
            (None, Some(place)) => self.explain_place(error, place),
            (None, None) => error,
        }
    }

    /// Adds to an error why the program cannot be attached to a place, unless the kernel does not
    /// support such programs.
    pub(super) fn explain_place(&self, error: Error, place: Place<'_>) -> Error {
        if self.lacking().is_some() { error } else { explained(error, place) }
    }

    /// Returns the object of the program, whose memory the program borrows.
    pub(super) fn object(&self) -> &Arc<Object> {
        self.object
    }

    /// Returns what the kernel lacks for programs of this section.
    fn lacking(&self) -> Option<String> {
        of_programs(&self.section().to_string_lossy())?.lacking()
    }

    /// Returns what prevents this process from attaching the program.
    fn forbidden(&self) -> Option<Hint> {
        let (ty, section) = (self.program.prog_type(), self.section().to_string_lossy());
        let mechanism = section.split('/').next().unwrap_or_default();
        let mut needs = vec![Need::of_program(ty)];
        if matches!(
            mechanism,
            "uprobe" | "uretprobe" | "usdt" | "uprobe.s" | "uretprobe.s" | "usdt.s"
        ) {
            needs.push(Need::of_uprobes());
        }
        let by_event =
            matches!(ty, ProgramType::Kprobe | ProgramType::Tracepoint | ProgramType::PerfEvent);
        missing(&needs)
            .or_else(|| by_event.then(paranoid).flatten().map(Hint::from))
            .or_else(|| lacking(&needs))
    }

    /// Returns a link that keeps the object alive.
    pub(super) fn held(&self, held: Held) -> Link {
        Link::new(held, self.object)
    }
}

/// Refuses an object whose maps for USDTs differ from those of `usdt.bpf.h`, or were changed before
/// loading. libbpf finds them by their names, and writes keys and values of its own sizes
/// (`usdt_manager_attach_usdt`): a longer one would hold other memory of this process.
fn check_usdt_maps(object: &Object) -> Result<()> {
    /// The size of `struct usdt_spec`. Objects that were compiled with an older `usdt.bpf.h` have
    /// 208 bytes.
    const SPEC: usize = 304;
    let expected = [
        ("__bpf_usdt_specs", MapType::Array, size_of::<c_int>(), SPEC),
        ("__bpf_usdt_ip_to_spec_id", MapType::Hash, size_of::<c_long>(), size_of::<c_int>()),
    ];
    for map in object.maps() {
        let Some((name, kind, key, value)) =
            expected.into_iter().find(|(name, ..)| map.name() == *name)
        else {
            continue;
        };
        let (has_key, has_value) = (map.key_size() as usize, map.value_size() as usize);
        if map.map_type() != kind || has_key > key || has_value > value {
            let why = format!(
                "it is of type {} with keys and values of {has_key} and {has_value} bytes, but libbpf writes up to {key} and {value} bytes for USDTs: declare it as in bpf/usdt.bpf.h",
                map_type_name(map.map_type() as u32)
            );
            return Err(Error::Mismatch { name: format!("map `{name}`"), why });
        }
    }
    Ok(())
}
