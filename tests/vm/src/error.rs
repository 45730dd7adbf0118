use std::{fmt, io};

/// Why no machine could be prepared. What happens inside of one is an [`Ended`](crate::Ended).
#[derive(Debug)]
pub enum Error {
    /// A word that names no kernel, or a setting that is no number.
    Usage(String),
    /// What was tried with a file.
    Io {
        /// What was tried.
        tried: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program of this machine that is missing, or failed.
    Command {
        /// The program, and what it was asked.
        command: String,
        /// What it said.
        said: String,
    },
    /// A kernel that is not in the cache and cannot be fetched.
    Fetch {
        /// As it was asked for.
        kernel: String,
        /// What is missing.
        why: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(text) => f.write_str(text),
            Error::Io { tried, source } => write!(f, "{tried}: {source}"),
            Error::Command { command, said } => write!(f, "{command}: {}", said.trim_end()),
            Error::Fetch { kernel, why } => write!(
                f,
                "kernel {kernel} is not in the cache and cannot be fetched: {}\n\
                 To do: run this once where apt reaches its archive (what was fetched is kept), or choose kernels that are there",
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

/// Says what was tried with a file.
pub(crate) trait Tried<T> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Tried<T> for io::Result<T> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { tried: what(), source })
    }
}
