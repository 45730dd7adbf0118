//! The error of a build.

use std::{fmt, io, path::PathBuf};

use eunomia_runtime::{__private::one_line as line, error::Diagnostics};

/// The reason why a build failed.
#[non_exhaustive]
pub enum Error {
    /// The skeleton or its object is wrong.
    Input(Diagnostics),
    /// A file could not be read or written.
    File {
        /// `read` or `write`.
        tried: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A setting is missing, or two settings contradict each other.
    Config(String),
    /// clang refused the source.
    Compile {
        /// The C file.
        path: PathBuf,
        /// The output of clang.
        message: String,
    },
    /// clang could not be run.
    Clang {
        /// The C file.
        path: PathBuf,
        /// The clang.
        program: PathBuf,
        /// The cause.
        source: io::Error,
        /// The hint at the end of the message; empty if there is none.
        advice: String,
    },
    /// libbpf's linker refused an object of clang.
    Link {
        /// The C file.
        path: PathBuf,
        /// The message of libbpf.
        message: String,
    },
    /// clang failed without a message, or wrote no object.
    Toolchain {
        /// The C file.
        path: PathBuf,
        /// The command and its outcome.
        message: String,
    },
    /// The generated tokens are not Rust, which is a bug; please report it with the input.
    Tokens(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(diagnostics) => diagnostics.fmt(f),
            Self::File { tried, path, source } => {
                write!(f, "cannot {tried} {}: {source}", line(&path.to_string_lossy()))?;
                f.write_str(if source.kind() == io::ErrorKind::IsADirectory {
                    "; name a file in it"
                } else {
                    ""
                })
            }
            Self::Config(message) => f.write_str(message),
            Self::Compile { path, message } => write!(
                f,
                "cannot compile {}:\n{}",
                line(&path.to_string_lossy()),
                message.trim_end()
            ),
            Self::Clang { path, program, source, advice } => {
                let [path, shown] = [path, program].map(|path| path.to_string_lossy());
                write!(
                    f,
                    "cannot compile {}: cannot run `{}`: {source}{advice}",
                    line(&path),
                    line(&shown)
                )
            }
            Self::Link { path, message } => {
                let message = lines(message.trim_end());
                write!(f, "cannot link {}: {message}", line(&path.to_string_lossy()))
            }
            Self::Toolchain { path, message } => {
                write!(f, "cannot compile {}: {message}", line(&path.to_string_lossy()))
            }
            Self::Tokens(reason) => {
                write!(f, "the generated code is not Rust, which is a bug: {reason}")
            }
        }
    }
}

/// Returns a text of another program in which each line is as [`line`] returns it: it has names of
/// files, which may be those of somebody else, and must not move a terminal.
pub(crate) fn lines(text: &str) -> String {
    let shown = text.split('\n').map(|text| {
        let parts: Vec<_> = text.trim_end_matches('\r').split('\t').map(line).collect();
        parts.join("\t")
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// Prints the text of `Display`: a build script whose `main` returns the error prints this one.
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

impl From<Diagnostics> for Error {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Input(diagnostics)
    }
}
