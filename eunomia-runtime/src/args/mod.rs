//! Command-line options for the variables of a skeleton.
//!
//! Generated modules carry their description as code; for skeletons known only at run time it is
//! made from the document and BTF.
//!
//! With the feature `clap` a description becomes a `clap::Command`. Without it, nothing can be
//! parsed.

#[cfg(feature = "clap")]
mod command;
#[cfg(feature = "clap")]
pub(crate) mod parsed;

use std::{borrow::Cow, sync::Arc};

#[cfg(feature = "clap")]
pub use command::{Args, Given};

#[doc(hidden)]
pub use crate::scalar::Scalar;

/// The options of a skeleton, and the texts around them in the help.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[doc(hidden)]
pub struct Command {
    /// Name of the program.
    pub name: Cow<'static, str>,
    /// Version of the program; without it there is no `--version`.
    pub version: Option<Cow<'static, str>>,
    /// Description of the program, shown before the options.
    pub about: Option<Cow<'static, str>>,
    /// Text shown after the options.
    pub after_help: Option<Cow<'static, str>>,
    /// The options.
    pub args: Vec<Arg>,
}

/// The option of a variable.
///
/// The option of a `bool` takes no value: it sets the opposite of the default, and `true` if there
/// is no default.
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(hidden)]
pub struct Arg {
    /// Name of the C variable.
    pub variable: Cow<'static, str>,
    /// The long option without its dashes, which is also its id in clap. If it has underscores,
    /// dashes are accepted in their place.
    pub long: Cow<'static, str>,
    /// The short option.
    pub short: Option<char>,
    /// Help text of the option.
    pub help: Cow<'static, str>,
    /// Type of its values.
    pub scalar: Scalar,
    /// Named constants of an enum, shared by its variables.
    pub constants: Arc<[(Cow<'static, str>, i128)]>,
    /// Value without the option, if it can be written as text.
    pub default: Option<Cow<'static, str>>,
}

impl Command {
    /// Creates a program without options.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Sets the version.
    #[must_use]
    pub fn version(self, version: impl Into<Cow<'static, str>>) -> Self {
        Self { version: Some(version.into()), ..self }
    }

    /// Sets the description.
    #[must_use]
    pub fn about(self, about: impl Into<Cow<'static, str>>) -> Self {
        Self { about: Some(about.into()), ..self }
    }

    /// Sets the text after the options.
    #[must_use]
    pub fn after_help(self, after_help: impl Into<Cow<'static, str>>) -> Self {
        Self { after_help: Some(after_help.into()), ..self }
    }

    /// Adds an option.
    #[must_use]
    pub fn arg(mut self, arg: Arg) -> Self {
        self.args.push(arg);
        self
    }
}

impl Arg {
    /// Creates the option of a variable, under the variable's name.
    pub fn new(variable: impl Into<Cow<'static, str>>, scalar: Scalar) -> Self {
        let variable = variable.into();
        let (long, help, constants) = (variable.clone(), Cow::default(), Arc::default());
        Self { variable, long, short: None, help, scalar, constants, default: None }
    }

    /// Sets the long name.
    #[must_use]
    pub fn long(self, long: impl Into<Cow<'static, str>>) -> Self {
        Self { long: long.into(), ..self }
    }

    /// Sets the short name.
    #[must_use]
    pub fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    /// Sets the help text.
    #[must_use]
    pub fn help(self, help: impl Into<Cow<'static, str>>) -> Self {
        Self { help: help.into(), ..self }
    }

    /// Sets the named constants.
    #[must_use]
    pub fn constants(self, constants: impl IntoIterator<Item = (&'static str, i128)>) -> Self {
        Self {
            constants: constants.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            ..self
        }
    }

    /// Sets the value that holds without the option.
    #[must_use]
    pub fn default(self, default: impl Into<Cow<'static, str>>) -> Self {
        Self { default: Some(default.into()), ..self }
    }

    /// Returns the little-endian bytes of a value, as many as the variable has.
    ///
    /// # Errors
    /// The form that was expected, with the valid range.
    pub fn parse(&self, text: &str) -> Result<Vec<u8>, String> {
        self.scalar.parse(text, self.constants.iter().map(|(name, value)| (name.as_ref(), *value)))
    }
}
