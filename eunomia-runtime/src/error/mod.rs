//! The errors of the crate: what was tried, why it failed, and what to do about it.
//!
//! [`Error`] is what every call returns. Its variants tell causes apart; [`Error::kind`] groups
//! them for callers that only ask whether something was not found or not permitted.

#[cfg(feature = "dynamic")]
mod diagnostic;
mod hint;
mod kernel;
mod kind;
#[cfg(feature = "dynamic")]
pub(crate) mod locate;
mod recording;

use std::{fmt, io, path::PathBuf};

#[cfg(feature = "dynamic")]
pub use diagnostic::{Diagnostic, Diagnostics, JsonPath, Position};
#[cfg(feature = "dynamic")]
pub(crate) use diagnostic::{Found, SHOWN, Step};
pub use hint::Hint;
pub use kernel::KernelError;
pub use kind::ErrorKind;
pub use recording::RecordingError;

use crate::plain::{line, message, name as cut, plain};
#[cfg(feature = "dynamic")]
use crate::suggestion::near;

/// The result of everything that calls the kernel or reads a skeleton.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: what was tried, why it failed, and what to do about it.
#[non_exhaustive]
pub enum Error {
    /// The skeleton or its object is invalid, or the two disagree.
    #[cfg(feature = "dynamic")]
    Input(Diagnostics),
    /// A file or folder could not be read, written or used.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The kernel, or libbpf on its behalf, refused.
    Kernel(Box<KernelError>),
    /// A program could not be attached because neither its section nor the caller names a target.
    /// The kernel was not asked.
    NoTarget {
        /// The name of the program.
        program: String,
        /// The name of its section.
        section: String,
        /// The kind of target that it needs, for example `an interface`.
        wants: &'static str,
        /// How to name the target.
        hint: Hint,
    },
    /// No map, program, section or variable has this name.
    NotFound {
        /// The kind of object that was not found, for example `map`, `program` or `stream`.
        what: &'static str,
        /// The name that was not found.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// A value does not fit: its variable, key, entry or setting cannot hold it, or its text cannot
    /// be read.
    Value {
        /// The object or setting that the value is for.
        name: String,
        /// The reason.
        why: String,
    },
    /// An object is of another kind, type or size than the handle or call expects.
    Mismatch {
        /// The object, or what was tried with it.
        name: String,
        /// Both kinds or sizes.
        why: String,
    },
    /// A map, program or section is not in the kernel, because it was left out of loading.
    NotLoaded {
        /// The object.
        name: String,
        /// The reason.
        why: String,
    },
    /// The object does not allow the operation, on any kernel.
    Misuse {
        /// The object or operation.
        name: String,
        /// The reason.
        why: String,
    },
    /// A callback, or the holder of a batch, called the reader that called it or lent the batch.
    Reentered {
        /// The operation.
        name: String,
        /// The reason.
        why: String,
    },
    /// The memory of a ring is inconsistent: another process writes to it or reads it. The ring is
    /// not read again.
    Damaged {
        /// The ring.
        name: String,
        /// The inconsistency.
        why: String,
    },
    /// A map changed too fast to be walked from end to end.
    Incomplete {
        /// The map.
        name: String,
        /// The reason.
        why: String,
    },
    /// A recording cannot be written or replayed.
    Recording(Box<RecordingError>),
    /// Callbacks returned errors. All records of this poll were delivered.
    Callback {
        /// The number of errors.
        count: u64,
        /// The first error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This process already has the only reader, or the only producer, that a map can have.
    InUse {
        /// The name of the map.
        name: String,
        /// The role that is taken: `reader` or `producer`.
        role: &'static str,
    },
    /// A record does not fit now, because no program has read the earlier ones.
    Full {
        /// The name of the ring buffer.
        name: String,
    },
    /// The kernel returned more bytes than the buffer holds.
    Room {
        /// A description of the data.
        name: String,
        /// The number of bytes that the data needs.
        needed: usize,
        /// The number of bytes in the buffer.
        room: usize,
    },
}

/// Control characters in names and texts of documents, files and the kernel are escaped, so that a
/// terminal does not interpret them, see [`CharArray`](crate::sample::CharArray).
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "dynamic")]
            Self::Input(diagnostics) => diagnostics.fmt(f),
            Self::File { path, source } => {
                write!(f, "{}: {}", line(&path.to_string_lossy()), line(&source.to_string()))
            }
            Self::Kernel(error) => error.fmt(f),
            Self::NoTarget { program, section, wants, hint } => write!(
                f,
                "program `{}`: its section `{}` does not name its target, which is {wants}: {}",
                line(&cut(program)),
                line(&cut(section)),
                line(hint)
            ),
            Self::NotFound { what, name, known } => {
                write!(f, "no {what} `{}`", line(&cut(name)))?;
                if !known.is_empty() {
                    write!(
                        f,
                        "; known: {}",
                        line(&message(
                            &known.iter().map(|known| cut(known)).collect::<Vec<_>>().join(", ")
                        ))
                    )?;
                }
                // Typed applications get their names from the generator, so they do without
                // suggestions.
                #[cfg(feature = "dynamic")]
                if let Some(near) = near(name, known.iter().map(String::as_str)) {
                    write!(f, "; did you mean `{}`?", line(near))?;
                }
                Ok(())
            }
            Self::Value { name, why }
            | Self::Mismatch { name, why }
            | Self::NotLoaded { name, why }
            | Self::Misuse { name, why }
            | Self::Reentered { name, why }
            | Self::Damaged { name, why }
            | Self::Incomplete { name, why } => {
                write!(f, "{}: {}", line(&message(name)), line(&message(why)))
            }
            Self::Recording(error) => error.fmt(f),
            Self::Callback { count: 1, source } => {
                write!(f, "the callback failed on a record: {}", plain(&source.to_string()))
            }
            Self::Callback { count, source } => {
                write!(
                    f,
                    "the callback failed on {count} records; on the first: {}",
                    plain(&source.to_string())
                )
            }
            Self::InUse { name, role } => {
                write!(
                    f,
                    "{}: this process already has a {role} of it, and only one is possible; drop that one first",
                    line(&cut(name))
                )?;
                if *role == "reader" {
                    write!(f, ", or leave the records to it (`Open::leave_records`)")?;
                }
                Ok(())
            }
            Self::Full { name } => write!(
                f,
                "{}: the buffer is full, since no program has read its records",
                line(&cut(name))
            ),
            Self::Room { name, needed, room } => {
                write!(f, "{}: needs {needed} bytes, but the buffer has {room}", line(&cut(name)))
            }
        }
    }
}

/// The same text as `Display`, because `main` prints the `Debug` text of an error that it returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Returns the group of the error, for callers that do not tell all causes apart.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::of(self)
    }

    /// Returns the text of `Display`, but with hints that name options of the command `eunomia` in
    /// place of calls. The command words [`Self::NoTarget`] itself.
    #[cfg(feature = "cli")]
    pub(crate) fn for_command(&self) -> String {
        match self {
            Self::Kernel(error) => error.for_command(),
            error => error.to_string(),
        }
    }

    /// Replaces the hint by the given one, if there is one and the kernel refused for lack of
    /// permission.
    #[cfg(feature = "load")]
    pub(crate) fn without<H: Into<Hint>>(self, hint: impl FnOnce() -> Option<H>) -> Self {
        let denied = matches!(&self, Self::Kernel(error) if error.is_denial());
        if denied { self.with_hint(hint) } else { self }
    }

    /// Replaces the hint by the given one, if there is one and the kernel refused.
    #[cfg(feature = "load")]
    pub(crate) fn with_hint<H: Into<Hint>>(self, hint: impl FnOnce() -> Option<H>) -> Self {
        match self {
            Self::Kernel(error) => Self::Kernel(Box::new(error.with_hint(hint()))),
            other => other,
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Kernel(error) => Some(&error.source),
            Self::Recording(error) => error.source(),
            Self::Callback { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

#[cfg(feature = "dynamic")]
impl From<Diagnostics> for Error {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Input(diagnostics)
    }
}

impl From<RecordingError> for Error {
    fn from(error: RecordingError) -> Self {
        Self::Recording(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_on_one_line() {
        let hostile = || "x\u{1b}[2J\nhint: run it\u{202e}\u{9b}".to_owned();
        let kernel_error = KernelError {
            tried: hostile(),
            source: io::Error::other(hostile()),
            messages: "one\r\u{85}\n".to_owned(),
            verifier_log: Some("0:\tr0\u{7}\n".to_owned()),
            hint: Some(hostile().into()),
        };
        let recording_error = RecordingError::Layout {
            map: hostile(),
            types: [(hostile(), 1), (hostile(), 2)],
            lines: [Some(hostile()), None],
        };
        let errors = [
            (Error::File { path: hostile().into(), source: io::Error::other(hostile()) }, 1),
            (Error::Kernel(Box::new(kernel_error)), 5),
            (Error::NotFound { what: "map", name: hostile(), known: vec![hostile()] }, 1),
            (Error::Value { name: hostile(), why: hostile() }, 1),
            (Error::Recording(Box::new(recording_error)), 1),
            (Error::Recording(Box::new(RecordingError::Corrupt { at: 1, why: hostile() })), 1),
            // The text of the callback itself may have several lines.
            (Error::Callback { count: 2, source: hostile().into() }, 2),
            (Error::Full { name: hostile() }, 1),
        ];
        for (error, lines) in errors {
            let text = error.to_string();
            assert!(
                text.lines().count() == lines
                    && text.chars().all(|letter| letter == '\n' || crate::plain::is_shown(letter)),
                "{text}"
            );
            assert_eq!(format!("{error:?}"), text);
        }
    }
}
