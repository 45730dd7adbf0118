use std::{fmt, io, path::PathBuf};

use eunomia_runtime::{__private::one_line as line, fault::Faults};

/// Why a build failed.
#[non_exhaustive]
pub enum Error {
    /// The skeleton or its object is wrong.
    Input(Faults),
    /// A file could not be read or written.
    File {
        /// `read` or `write`.
        tried: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration asks for too little or too much.
    Config(String),
    /// clang refused the source.
    Compile {
        /// The C file.
        path: PathBuf,
        /// What clang wrote, as it wrote it.
        message: String,
    },
    /// clang could not be run.
    Clang {
        /// The C file.
        path: PathBuf,
        /// The clang.
        program: PathBuf,
        /// Why.
        source: io::Error,
        /// What to do about it, as the end of the message; empty if that is unknown.
        advice: String,
    },
    /// libbpf's linker refused what clang made.
    Link {
        /// The C file.
        path: PathBuf,
        /// What libbpf said.
        message: String,
    },
    /// clang ended without a word.
    Toolchain {
        /// The C file.
        path: PathBuf,
        /// What was tried and why it failed.
        message: String,
    },
    /// The generated tokens are no Rust; please report it with the input.
    Tokens(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(faults) => faults.fmt(f),
            Self::File { tried, path, source } => {
                write!(f, "cannot {tried} {}: {source}", line(&path.to_string_lossy()))?;
                f.write_str(if source.kind() == io::ErrorKind::IsADirectory { "; name a file in it" } else { "" })
            }
            Self::Config(what) => f.write_str(what),
            Self::Compile { path, message } => write!(f, "cannot compile {}:\n{}", line(&path.to_string_lossy()), message.trim_end()),
            Self::Clang { path, program, source, advice } => {
                let [path, shown] = [path, program].map(|path| path.to_string_lossy());
                write!(f, "cannot compile {}: cannot run `{}`: {source}{advice}", line(&path), line(&shown))
            }
            Self::Link { path, message } => write!(f, "cannot link {}: {}", line(&path.to_string_lossy()), message.trim_end()),
            Self::Toolchain { path, message } => write!(f, "cannot compile {}: {message}", line(&path.to_string_lossy())),
            Self::Tokens(what) => write!(f, "the generated code is no Rust, which is a bug: {what}"),
        }
    }
}

/// The same text as `Display`: it is what a build script whose `main` returns the error prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } | Self::Clang { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<Faults> for Error {
    fn from(faults: Faults) -> Self {
        Self::Input(faults)
    }
}
