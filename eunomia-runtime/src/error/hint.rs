//! [`Hint`]: what to do about a refusal, in the wording for callers of the library and, if that
//! differs, in the one for users of the command.

use std::{borrow::Cow, fmt, ops::Deref};

/// What to do about a refusal, or about something that is missing.
///
/// As a string, it addresses callers of this library. Users of the command `eunomia` have options
/// in place of calls: [`Self::for_command`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hint {
    library: Cow<'static, str>,
    /// The text for users of the command, if it differs.
    command: Option<String>,
}

impl Hint {
    /// Returns the text for users of the command `eunomia`.
    #[doc(hidden)]
    pub fn for_command(&self) -> &str {
        self.command.as_deref().unwrap_or(&self.library)
    }

    /// Creates a hint with a text of its own for users of the command.
    #[cfg(feature = "load")]
    pub(crate) fn worded(library: String, command: String) -> Self {
        Self { library: library.into(), command: Some(command) }
    }

    /// Puts a text before this hint.
    #[cfg(feature = "load")]
    pub(crate) fn after(self, text: impl fmt::Display) -> Self {
        let command = self.command.map(|command| format!("{text}{command}"));
        Self { library: format!("{text}{}", self.library).into(), command }
    }
}

impl Deref for Hint {
    type Target = str;

    fn deref(&self) -> &str {
        &self.library
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl PartialEq<&str> for Hint {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self { library: text.into(), command: None }
    }
}

impl From<&'static str> for Hint {
    fn from(text: &'static str) -> Self {
        Self { library: text.into(), command: None }
    }
}
