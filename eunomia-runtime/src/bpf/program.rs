use std::{
    ffi::OsStr,
    os::fd::{AsFd as _, BorrowedFd},
    time::Duration,
};

use libbpf_rs::{ProgramInput, ProgramMut};

use super::messages::{listen, refused};
use crate::{Error, Result};

/// A program in the kernel.
#[derive(Debug)]
pub struct Program<'a>(ProgramMut<'a>);

/// The result of a test run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestRun {
    /// What the program returned.
    pub return_value: u32,
    /// Mean time of one run, where the kernel measures it.
    pub duration: Duration,
}

impl<'a> Program<'a> {
    pub(super) fn new(program: ProgramMut<'a>) -> Self {
        Self(program)
    }

    /// The C function.
    pub fn name(&self) -> &OsStr {
        self.0.name()
    }

    /// The ELF section.
    pub fn section(&self) -> &OsStr {
        self.0.section()
    }

    /// Its descriptor.
    ///
    /// # Errors
    /// [`Error::Value`] for a program that was not loaded ([`super::OpenProgram::set_autoload`]).
    pub fn fd(&self) -> Result<BorrowedFd<'_>> {
        if self.0.autoload() {
            return Ok(self.0.as_fd());
        }
        let why = "it was not loaded, so it has no descriptor".to_owned();
        Err(Error::Value { name: format!("program `{}`", self.0.name().to_string_lossy()), why })
    }

    /// Runs the program once with `BPF_PROG_TEST_RUN`: `context` is what its first argument points to, `data` a packet for programs
    /// that take one.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`]; EINVAL or ENOTSUPP (524) where programs of its type cannot be run this way.
    pub fn test_run(&self, context: Option<&mut [u8]>, data: Option<&[u8]>) -> Result<TestRun> {
        self.fd()?;
        let input = ProgramInput { context_in: context, data_in: data, ..Default::default() };
        let (output, said) = listen(|| self.0.test_run(input));
        let output = output.map_err(|error| refused(format!("run the program `{}`", self.0.name().to_string_lossy()), &error, &said))?;
        Ok(TestRun { return_value: output.return_value, duration: output.duration })
    }
}
