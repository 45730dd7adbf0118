//! Runs programs of the host.

use std::{
    io,
    process::{Command, Output, Stdio},
};

use crate::Error;

/// Runs a program and returns its standard output. If it fails, its standard error is the error.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, Error> {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().map_err(|error| missing(command, &error))?;
    if status.success() {
        Ok(stdout)
    } else {
        Err(failed(command, String::from_utf8_lossy(&stderr).into_owned()))
    }
}

/// Runs a program that prints text and returns that text, like [`output`].
pub(crate) fn text(command: &mut Command) -> Result<String, Error> {
    let stdout = output(command)?;
    String::from_utf8(stdout).map_err(|error| failed(command, error.to_string()))
}

/// Returns the error of a program that could not be started.
pub(crate) fn missing(command: &Command, error: &io::Error) -> Error {
    let todo = if error.kind() == io::ErrorKind::NotFound {
        "; install these Debian packages: qemu-system-x86 busybox-static xz-utils binutils"
    } else {
        ""
    };
    failed(command, format!("{error}{todo}"))
}

fn failed(command: &Command, said: String) -> Error {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>();
    Error::Command { command: words.join(" "), said }
}
