//! The error of everything that prepares a machine.

use std::{fmt, io};

/// The reason why no machine could be prepared. What happens inside a machine is an
/// [`Ended`](crate::Ended).
#[derive(Debug)]
pub enum Error {
    /// An unknown kernel, or a setting that is not a number.
    Usage(String),
    /// An operation on a file that failed.
    Io {
        /// The operation, as a verb and its object.
        tried: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A program of the host that is missing, or that failed.
    Command {
        /// The program and its arguments.
        command: String,
        /// Its standard error, or the reason why it did not start.
        said: String,
    },
    /// A kernel that is not in the cache and cannot be fetched.
    Fetch {
        /// The kernel, as the caller named it.
        kernel: String,
        /// The reason why it cannot be fetched.
        why: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(text) => f.write_str(text),
            Error::Io { tried, source } => write!(f, "cannot {tried}: {source}"),
            Error::Command { command, said } => write!(f, "{command}: {}", said.trim_end()),
            Error::Fetch { kernel, why } => write!(
                f,
                "kernel {kernel} is not in the cache and cannot be fetched: {}\n\
                 To do: run this once where apt reaches its archive (fetched kernels are kept), or choose kernels that are in the cache",
                why.trim_end()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Adds the operation that failed to an [`io::Error`].
pub(crate) trait Tried<T> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Tried<T> for io::Result<T> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { tried: what(), source })
    }
}
