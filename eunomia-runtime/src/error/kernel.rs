//! [`KernelError`]: a refusal by the kernel or by libbpf, as plain data.

use std::{fmt, io};

use super::Hint;
use crate::plain::{line, message as cut};

/// A refusal by the kernel or by libbpf.
#[derive(Debug)]
pub struct KernelError {
    /// What was tried.
    pub tried: String,
    /// The errno, or the text of an error of libbpf that has no errno.
    pub source: io::Error,
    /// The messages that libbpf printed meanwhile, without the verifier's log.
    pub messages: String,
    /// The verifier's log, if it refused a program.
    pub verifier_log: Option<String>,
    /// What to do about it.
    pub hint: Option<Hint>,
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, self.hint.as_deref())
    }
}

impl KernelError {
    /// Reports whether the kernel refused for lack of permission.
    #[cfg(feature = "load")]
    pub(crate) fn is_denial(&self) -> bool {
        matches!(self.source.raw_os_error(), Some(libc::EPERM | libc::EACCES))
    }

    /// Replaces the hint, if another one is given.
    #[cfg(feature = "load")]
    pub(crate) fn with_hint(self, hint: Option<impl Into<Hint>>) -> Self {
        Self { hint: hint.map(Into::into).or(self.hint), ..self }
    }

    /// Returns the text of `Display`, with the hint for users of the command.
    #[cfg(feature = "cli")]
    pub(crate) fn for_command(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = self.write(&mut text, self.hint.as_ref().map(Hint::for_command));
        text
    }

    fn write(&self, f: &mut impl fmt::Write, hint: Option<&str>) -> fmt::Result {
        write!(f, "{}: {}", line(&cut(&self.tried)), line(&self.source.to_string()))?;
        for message in self.messages.lines() {
            write!(f, "\n  {}", line(&cut(message)))?;
        }
        if let Some(log) = &self.verifier_log {
            f.write_str("\n  the verifier's log:")?;
            for entry in log.lines() {
                write!(f, "\n    {}", line(entry))?;
            }
        }
        if let Some(hint) = hint {
            write!(f, "\n  hint: {}", line(&cut(hint)))?;
        }
        Ok(())
    }
}
