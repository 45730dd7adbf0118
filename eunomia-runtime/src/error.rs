//! What can go wrong at run time, as values.

use std::{fmt, io, path::PathBuf};

#[cfg(feature = "load")]
use crate::hint::{Advice, Hint};
use crate::{
    Refusal,
    plain::{line, message, name as cut, plain},
    recording::Flaw,
};
#[cfg(feature = "dynamic")]
use crate::{fault::Faults, suggestion::near};

/// The result of everything that asks the kernel or reads a skeleton.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was tried, why it failed, and what to do about it.
#[non_exhaustive]
pub enum Error {
    /// The skeleton or its object is wrong, or the two disagree.
    #[cfg(feature = "dynamic")]
    Input(Faults),
    /// A file could not be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel, or libbpf on its behalf, refused.
    Kernel(Box<Refusal>),
    /// A program was to be attached, and neither its section nor a target says what to. The kernel was not asked.
    #[cfg(feature = "load")]
    NoTarget {
        /// The program.
        program: String,
        /// Its section.
        section: String,
        /// What a target of it is: `an interface`.
        wants: &'static str,
    },
    /// There is no map, program, section or variable of this name.
    NotFound {
        /// `map`, `program`, `section` or `variable`.
        what: &'static str,
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A value does not fit its variable, key or entry.
    Value {
        /// What it is for.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A recording cannot be written or replayed.
    Recording(Box<Flaw>),
    /// Callbacks returned errors. All records of this poll were delivered.
    Callback {
        /// How many did.
        count: u64,
        /// What the first one said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A map that has one reader, or one producer, has it already, in this process.
    InUse {
        /// The map.
        name: String,
        /// `reader` or `producer`.
        role: &'static str,
    },
    /// There is no room for a record now, since no program has read those that are there.
    Full {
        /// The ring buffer.
        name: String,
    },
    /// What the kernel gives back has more bytes than there is room for.
    Room {
        /// What it is.
        name: String,
        /// Its bytes.
        needed: usize,
        /// Bytes of the room.
        room: usize,
    },
}

/// What documents, files and the kernel put into it is escaped where a terminal would obey it, see [`CharArray`](crate::sample::CharArray).
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "dynamic")]
            Self::Input(faults) => faults.fmt(f),
            Self::File { path, source } => write!(f, "{}: {}", line(&path.to_string_lossy()), line(&source.to_string())),
            Self::Kernel(refusal) => refusal.fmt(f),
            #[cfg(feature = "load")]
            Self::NoTarget { program, section, wants } => {
                let (program, section) = (cut(program), cut(section));
                let (todo, program, section) = (Hint::from(Advice::Target { program: &program }), line(&program), line(&section));
                write!(f, "program `{program}`: its section `{section}` does not say what to attach it to, which is {wants}: {todo}")
            }
            Self::NotFound { what, name, known } => {
                write!(f, "no {what} `{}`", line(&cut(name)))?;
                if !known.is_empty() {
                    write!(f, "; there are {}", line(&message(&known.iter().map(|known| cut(known)).collect::<Vec<_>>().join(", "))))?;
                }
                // A typed app has its names from the generator and does not pay for guesses.
                #[cfg(feature = "dynamic")]
                if let Some(near) = near(name, known.iter().map(String::as_str)) {
                    write!(f, "; did you mean `{}`?", line(near))?;
                }
                Ok(())
            }
            Self::Value { name, why } => write!(f, "{}: {}", line(&message(name)), line(&message(why))),
            Self::Recording(flaw) => flaw.fmt(f),
            Self::Callback { count: 1, source } => write!(f, "the callback failed on a record: {}", plain(&source.to_string())),
            Self::Callback { count, source } => {
                write!(f, "the callback failed on {count} records; on the first: {}", plain(&source.to_string()))
            }
            Self::InUse { name, role } => {
                write!(f, "{}: this process has a {role} of it already, and there can be only one: drop that first", line(&cut(name)))?;
                if *role == "reader" {
                    write!(f, ", or leave the records to it (`Open::leave_records`)")?;
                }
                Ok(())
            }
            Self::Full { name } => write!(f, "{}: it is full, no program has read the records that are there", line(&cut(name))),
            Self::Room { name, needed, room } => write!(f, "{}: it needs {needed} bytes, and there is room for {room}", line(&cut(name))),
        }
    }
}

/// The same text as `Display`: it is what a `main` that returns the error prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// The text of `Display`, with hints that name options of the command `eunomia` in place of calls. The command has its own words for
    /// [`Self::NoTarget`].
    #[cfg(feature = "cli")]
    pub(crate) fn for_command(&self) -> String {
        match self {
            Self::Kernel(refusal) => refusal.for_command(),
            error => error.to_string(),
        }
    }

    /// With another hint, where there is one and the kernel refused for lack of permission.
    #[cfg(feature = "load")]
    pub(crate) fn without<H: Into<Hint>>(self, hint: impl FnOnce() -> Option<H>) -> Self {
        let denied = matches!(&self, Self::Kernel(refusal) if refusal.is_denial());
        if denied { self.with_hint(hint) } else { self }
    }

    /// With another hint, where there is one and the kernel refused.
    #[cfg(feature = "load")]
    pub(crate) fn with_hint<H: Into<Hint>>(self, hint: impl FnOnce() -> Option<H>) -> Self {
        match self {
            Self::Kernel(refusal) => Self::Kernel(Box::new(refusal.with_hint(hint()))),
            other => other,
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Kernel(refusal) => Some(&refusal.source),
            Self::Recording(flaw) => flaw.source(),
            Self::Callback { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

#[cfg(feature = "dynamic")]
impl From<Faults> for Error {
    fn from(faults: Faults) -> Self {
        Self::Input(faults)
    }
}

impl From<Flaw> for Error {
    fn from(flaw: Flaw) -> Self {
        Self::Recording(Box::new(flaw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_forges_a_line() {
        let hostile = || "x\u{1b}[2J\nhint: run it\u{202e}\u{9b}".to_owned();
        let refusal = Refusal {
            tried: hostile(),
            source: io::Error::other(hostile()),
            messages: "one\r\u{85}\n".to_owned(),
            verifier_log: Some("0:\tr0\u{7}\n".to_owned()),
            hint: Some(hostile().into()),
        };
        let flaw = Flaw::Layout { map: hostile(), types: [(hostile(), 1), (hostile(), 2)], lines: [Some(hostile()), None] };
        let errors = [
            (Error::File { path: hostile().into(), source: io::Error::other(hostile()) }, 1),
            (Error::Kernel(Box::new(refusal)), 5),
            (Error::NotFound { what: "map", name: hostile(), known: vec![hostile()] }, 1),
            (Error::Value { name: hostile(), why: hostile() }, 1),
            (Error::Recording(Box::new(flaw)), 1),
            (Error::Recording(Box::new(Flaw::Corrupt { at: 1, why: hostile() })), 1),
            // The callback's own text, which may have lines.
            (Error::Callback { count: 2, source: hostile().into() }, 2),
            (Error::Full { name: hostile() }, 1),
        ];
        for (error, lines) in errors {
            let text = error.to_string();
            assert!(text.lines().count() == lines && text.chars().all(|letter| letter == '\n' || crate::plain::is_shown(letter)), "{text}");
            assert_eq!(format!("{error:?}"), text);
        }
    }
}
