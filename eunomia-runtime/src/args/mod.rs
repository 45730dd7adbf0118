//! Command line options for the variables of a skeleton: one description for generated modules, which carry it as code, and for
//! skeletons that are known only at run time, whose document and BTF it is made from.
//!
//! With the feature `clap` a description becomes a `clap::Command`; without it there is nothing to parse with.

#[cfg(feature = "clap")]
mod command;

use std::{borrow::Cow, sync::Arc};

#[cfg(feature = "clap")]
pub use command::{Args, Given};

pub use crate::scalar::Scalar;

/// The options of a skeleton, and the texts around them in the help.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// The name of the program.
    pub name: Cow<'static, str>,
    /// Its version; without one there is no `--version`.
    pub version: Option<Cow<'static, str>>,
    /// What it does, in front of the options.
    pub about: Option<Cow<'static, str>>,
    /// Text behind the options.
    pub after_help: Option<Cow<'static, str>>,
    /// The options.
    pub args: Vec<Arg>,
}

/// The option of a variable.
///
/// That of a `bool` takes no value: it says the opposite of the default, `true` where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// The C variable.
    pub variable: Cow<'static, str>,
    /// The long option without its dashes, which is also its id in clap. Where it has underscores, dashes are understood too.
    pub long: Cow<'static, str>,
    /// The short option.
    pub short: Option<char>,
    /// What the option does.
    pub help: Cow<'static, str>,
    /// What its values are.
    pub scalar: Scalar,
    /// The names that values of an enum have, shared by its variables.
    pub constants: Arc<[(Cow<'static, str>, i128)]>,
    /// The value without the option, where it can be written down.
    pub default: Option<Cow<'static, str>>,
}

impl Command {
    /// A program without options.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Gives it a version.
    #[must_use]
    pub fn version(self, version: impl Into<Cow<'static, str>>) -> Self {
        Self { version: Some(version.into()), ..self }
    }

    /// Says what it does.
    #[must_use]
    pub fn about(self, about: impl Into<Cow<'static, str>>) -> Self {
        Self { about: Some(about.into()), ..self }
    }

    /// Adds text behind the options.
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
    /// The option of a variable, which has its name.
    pub fn new(variable: impl Into<Cow<'static, str>>, scalar: Scalar) -> Self {
        let variable = variable.into();
        let (long, help, constants) = (variable.clone(), Cow::default(), Arc::default());
        Self { variable, long, short: None, help, scalar, constants, default: None }
    }

    /// Gives it another name.
    #[must_use]
    pub fn long(self, long: impl Into<Cow<'static, str>>) -> Self {
        Self { long: long.into(), ..self }
    }

    /// Gives it a short name.
    #[must_use]
    pub fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    /// Says what it does.
    #[must_use]
    pub fn help(self, help: impl Into<Cow<'static, str>>) -> Self {
        Self { help: help.into(), ..self }
    }

    /// Gives values names.
    #[must_use]
    pub fn constants(self, constants: impl IntoIterator<Item = (&'static str, i128)>) -> Self {
        Self { constants: constants.into_iter().map(|(name, value)| (name.into(), value)).collect(), ..self }
    }

    /// Says which value holds without it.
    #[must_use]
    pub fn default(self, default: impl Into<Cow<'static, str>>) -> Self {
        Self { default: Some(default.into()), ..self }
    }

    /// The little-endian bytes of a value, as many as the variable has.
    ///
    /// # Errors
    /// What was expected instead, with the valid range.
    pub fn parse(&self, text: &str) -> Result<Vec<u8>, String> {
        self.scalar.parse(text, self.constants.iter().map(|(name, value)| (name.as_ref(), *value)))
    }
}
