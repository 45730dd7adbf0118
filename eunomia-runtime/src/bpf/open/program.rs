//! Programs of an object that is not yet loaded.

use std::{
    ffi::OsStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use libbpf_rs::{AsRawLibbpf as _, OpenProgramMut, ProgramAttachType, ProgramType, libbpf_sys};

use crate::{
    Error, Result,
    bpf::sys::c_string,
    host::{
        kernel_error,
        messages::{listen, refused},
        privilege::{Need, lacking},
    },
};

/// A program of an object that is not yet loaded.
#[derive(Debug)]
pub struct OpenProgram<'a>(pub(super) OpenProgramMut<'a>, pub(super) &'a mut Option<OwnedFd>);

impl OpenProgram<'_> {
    /// Returns the name of the C function.
    pub fn name(&self) -> &OsStr {
        self.0.name()
    }

    /// Returns the ELF section, which names the program's type and target.
    pub fn section(&self) -> &OsStr {
        self.0.section()
    }

    /// Sets whether the program is loaded. It is by default, unless its section starts with `?`.
    pub fn set_autoload(&mut self, on: bool) {
        self.0.set_autoload(on);
    }

    /// Sets the type as which the program is loaded, for a program whose section names no type
    /// (`SEC("ext/hook")`) or another one.
    ///
    /// Its handle is then one of kind [`Any`](crate::bpf::kind::Any);
    /// [`Program::into_kind`](crate::bpf::Program::into_kind) makes it one of the type:
    /// `skel.progs()?.hook.into_kind::<kind::Xdp>()?`.
    ///
    /// libbpf then ignores the section, so `attach` does not know the target: attach it with a
    /// method of its kind, or set a target with [`Open::set_target`](super::Open::set_target). If
    /// the type has several attach types, call [`Self::set_attach_type`] too.
    ///
    /// # Errors
    /// [`Error::Kernel`] from libbpf; none occurs before the object is loaded.
    pub fn set_type(&mut self, ty: ProgramType) -> Result<()> {
        self.set_type_number(ty as u32)
    }

    fn set_type_number(&mut self, ty: libbpf_sys::bpf_prog_type) -> Result<()> {
        // SAFETY: the pointer is that of a program of a live object, and the call writes a number.
        let error =
            unsafe { libbpf_sys::bpf_program__set_type(self.0.as_libbpf_object().as_ptr(), ty) };
        self.check_set(error, "type")
    }

    /// Sets the expected attach type (`expected_attach_type`), which the kernel requires for some
    /// types, for example those of sockets and cgroups. [`Self::set_type`] does not change it.
    ///
    /// # Errors
    /// Those of [`Self::set_type`].
    pub fn set_attach_type(&mut self, ty: ProgramAttachType) -> Result<()> {
        self.set_attach_type_number(ty as u32)
    }

    fn set_attach_type_number(&mut self, ty: libbpf_sys::bpf_attach_type) -> Result<()> {
        // SAFETY: the pointer is that of a program of a live object, and the call writes a number.
        let error = unsafe {
            libbpf_sys::bpf_program__set_expected_attach_type(
                self.0.as_libbpf_object().as_ptr(),
                ty,
            )
        };
        self.check_set(error, "attach type")
    }

    /// Returns the type that the section names or that was set; `Unspec` if libbpf does not know
    /// the section.
    pub fn prog_type(&self) -> ProgramType {
        self.0.prog_type()
    }

    fn check_set(&self, error: i32, property: &str) -> Result<()> {
        let tried =
            || format!("set the {property} of the program `{}`", self.name().to_string_lossy());
        if error < 0 {
            Err(kernel_error(tried(), io::Error::from_raw_os_error(-error)))
        } else {
            Ok(())
        }
    }

    /// Sets the function to which the program attaches.
    ///
    /// For `fentry`, `fexit`, `fmod_ret`, `fsession` and `lsm` it is a function of the kernel. For
    /// `freplace` it is a function of the program `of`, which this program replaces. `of` may be
    /// closed afterwards. The kernel checks the types of the two functions at loading.
    ///
    /// # Errors
    /// [`Error::Kernel`] if libbpf refuses the function: ENOENT (for a function of the kernel also
    /// ESRCH) if it is not found, EINVAL if `of` has no BTF. The target is then that of before.
    pub fn set_attach_target(&mut self, function: &str, of: Option<BorrowedFd<'_>>) -> Result<()> {
        let tried = format!(
            "set `{function}` as the target of the program `{}`",
            self.name().to_string_lossy()
        );
        let held = of.map(|program| program.try_clone_to_owned()).transpose();
        let held = held.map_err(|error| kernel_error(tried.clone(), error))?;
        let program = held.as_ref().map_or(0, AsRawFd::as_raw_fd);
        let (set, log) = listen(|| self.0.set_attach_target(program, Some(function.to_owned())));
        set.map_err(|error| {
            refused(tried, &error, &log)
                .without(|| lacking(&[Need::by_number("finding the functions of another program")]))
        })?;
        *self.1 = held;
        Ok(())
    }

    /// Sets the type and the expected attach type to those of programs in `section`, for example
    /// `xdp` or `cgroup/connect4`. The program's own section is then ignored.
    ///
    /// # Errors
    /// [`Error::Value`] if libbpf does not know the section; otherwise those of [`Self::set_type`].
    pub fn set_type_of(&mut self, section: &str) -> Result<()> {
        let name =
            || format!("type `{section}` of the program `{}`", self.name().to_string_lossy());
        let c_section = c_string(section, name)?;
        let (mut ty, mut attach_type) = (0, 0);
        // SAFETY: the string ends with a NUL and lives through the call, as do the two numbers that
        // the call writes.
        let (error, _) = listen(|| unsafe {
            libbpf_sys::libbpf_prog_type_by_name(
                c_section.as_ptr(),
                &raw mut ty,
                &raw mut attach_type,
            )
        });
        if error < 0 {
            return Err(Error::Value {
                name: name(),
                why: "libbpf does not know this section".to_owned(),
            });
        }
        // Set as numbers, because libbpf-rs has no names for some of them.
        self.set_type_number(ty)?;
        self.set_attach_type_number(attach_type)
    }

    /// Sets whether `attach` attaches the program. It does by default.
    pub fn set_autoattach(&mut self, on: bool) {
        self.0.set_autoattach(on);
    }
}
