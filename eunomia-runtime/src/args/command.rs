//! Converts the options of a skeleton to clap, and reads their values.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use clap::{
    ArgAction, ArgMatches,
    builder::{BoolValueParser, PossibleValue, TypedValueParser},
    parser::ValueSource,
};

use super::{Arg, Command, Scalar};
use crate::{
    plain::{line, plain},
    sample::Plain,
};

/// The arguments of a generated module: a struct with a field for each option.
///
/// Generated modules implement it, and also clap's `Parser` and `Args`: such a struct can be parsed
/// alone, or be part of the app's own (`#[command(flatten)]`).
pub trait Args: Default {
    /// Returns the options.
    #[doc(hidden)]
    fn describe() -> Command;

    /// Replaces the values of the options that were given.
    #[doc(hidden)]
    fn update(&mut self, given: &Given<'_>);

    /// Returns the defaults with the given values in their place.
    fn of(matches: &ArgMatches) -> Self {
        let mut args = Self::default();
        args.update(&Given::of(matches));
        args
    }
}

/// The values given on a command line, without defaults.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct Given<'a>(&'a ArgMatches);

impl<'a> Given<'a> {
    /// Wraps the matches of clap.
    pub fn of(matches: &'a ArgMatches) -> Self {
        Self(matches)
    }

    /// Returns the value of a long option if it was given, with as many bytes as the type of its
    /// variable.
    pub fn bytes(&self, long: &str) -> Option<&'a [u8]> {
        // The value comes first, because clap panics when asked for the source of an option that
        // the command does not have.
        let bytes = self.0.try_get_one::<Vec<u8>>(long).ok().flatten()?;
        match self.0.value_source(long)? {
            ValueSource::DefaultValue => None,
            _ => Some(bytes),
        }
    }

    /// Returns the value of a `bool`'s long option if it was given.
    pub fn flag(&self, long: &str) -> Option<bool> {
        Some(self.bytes(long)? != [0])
    }

    /// Returns the value of a long option if it was given.
    pub fn value<T: Plain>(&self, long: &str) -> Option<T> {
        self.bytes(long).filter(|bytes| bytes.len() == size_of::<T>()).and_then(T::read)
    }
}

impl Command {
    /// Returns a clap command, to which the app can add options of its own.
    pub fn to_clap(&self) -> clap::Command {
        let mut command = clap::Command::new(line(&self.name).into_owned());
        if let Some(version) = &self.version {
            command = command.version(line(version).into_owned());
        }
        if let Some(about) = &self.about {
            command = command.about(plain(about));
        }
        if let Some(after_help) = &self.after_help {
            command = command.after_help(plain(after_help));
        }
        self.add_to(command)
    }

    /// Adds only the options to a program.
    pub fn add_to(&self, command: clap::Command) -> clap::Command {
        let mut taken: BTreeSet<String> =
            self.args.iter().map(|arg| arg.long.clone().into_owned()).collect();
        command.args(self.args.iter().map(|arg| {
            let dashed = arg.long.replace('_', "-");
            let free = !dashed.starts_with('-') && taken.insert(dashed.clone());
            arg.to_clap().aliases(free.then_some(dashed))
        }))
    }
}

impl Arg {
    fn to_clap(&self) -> clap::Arg {
        let long = self.long.clone().into_owned();
        // Long options are unique and differ from clap's own, which names of variables may not.
        let arg = clap::Arg::new(long.clone()).long(long).short(self.short).help(plain(&self.help));
        match self.scalar {
            Scalar::Bool(_) => {
                let on = self.default.as_deref() != Some("true");
                let parser = BoolValueParser::new().map(|on| vec![u8::from(on)]);
                arg.action(if on { ArgAction::SetTrue } else { ArgAction::SetFalse })
                    .value_parser(parser)
            }
            scalar => arg
                .action(ArgAction::Set)
                .value_name(line(&self.variable).to_uppercase())
                // clap recognises only decimal numbers as negative.
                .allow_hyphen_values(!matches!(scalar, Scalar::Text(_)))
                .default_values(self.default.clone().map(Cow::into_owned))
                .value_parser(Parser(Arc::new(self.clone()))),
        }
    }
}

/// A parser of an option's values.
#[derive(Debug, Clone)]
struct Parser(Arc<Arg>);

impl TypedValueParser for Parser {
    type Value = Vec<u8>;

    fn parse_ref(
        &self,
        cmd: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let this = Arc::clone(&self.0);
        // A closure makes clap report its own error, which names the option and the value.
        let parse =
            move |text: &str| this.parse(text).map_err(|expected| format!("expected {expected}"));
        parse.parse_ref(cmd, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let names =
            self.0.constants.iter().map(|(name, _)| PossibleValue::new(line(name).into_owned()));
        (!self.0.constants.is_empty()).then(|| Box::new(names) as Box<_>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses with one argument for each variable, and returns those that were given.
    fn given(variables: &[(&'static str, &'static str)], line: &[&str]) -> Vec<(&'static str, u8)> {
        let args = variables
            .iter()
            .map(|&(variable, long)| Arg::new(variable, Scalar::Unsigned(1)).long(long));
        let command = args.fold(Command::new("x"), Command::arg).to_clap().no_binary_name(true);
        command.clone().debug_assert();
        let matches = command.try_get_matches_from(line).unwrap();
        let given = Given::of(&matches);
        variables
            .iter()
            .filter_map(|(variable, long)| Some((*variable, *given.bytes(long)?.first()?)))
            .collect()
    }

    #[test]
    fn dashes_match_underscores_unless_another_option_has_the_name() {
        let one = [("a_b", "a_b")];
        assert_eq!(given(&one, &["--a-b", "1"]), given(&one, &["--a_b", "1"]));
        let two = [("a_b", "a_b"), ("c", "a-b")];
        assert_eq!(given(&two, &["--a-b", "1"]), [("c", 1)]);
        assert_eq!(given(&two, &["--a_b", "1", "--a-b", "2"]), [("a_b", 1), ("c", 2)]);
        // Either could be `--a-b-c`; the first one gets it.
        assert_eq!(given(&[("x", "a_b-c"), ("y", "a-b_c")], &["--a-b-c", "1"]), [("x", 1)]);
        assert_eq!(given(&[("__x", "__x")], &["--__x", "1"]), [("__x", 1)]);
    }

    #[test]
    fn switch_sets_the_opposite_of_its_default() {
        for (default, expected) in [(None, 1u8), (Some("false"), 1), (Some("true"), 0)] {
            let arg = Arg { default: default.map(Into::into), ..Arg::new("x", Scalar::Bool(1)) };
            let command = Command::new("x").arg(arg).to_clap();
            let matches = command.clone().try_get_matches_from(["prog", "--x"]).unwrap();
            assert_eq!(Given::of(&matches).bytes("x"), Some(&[expected] as &[u8]));
            let matches = command.try_get_matches_from(["prog"]).unwrap();
            assert_eq!(Given::of(&matches).flag("x"), None);
        }
    }

    #[test]
    fn matches_of_another_program_give_no_values() {
        let foreign = clap::Command::new("y").arg(clap::Arg::new("x").long("x"));
        let matches = foreign.try_get_matches_from(["y", "--x", "text"]).unwrap();
        assert_eq!(Given::of(&matches).bytes("x"), None);
        assert_eq!(Given::of(&matches).bytes("z"), None);
    }

    /// A damaged object may have variables without a name.
    #[test]
    fn empty_name_does_not_panic() {
        assert_eq!(given(&[("", "x")], &["--x", "1"]), [("", 1)]);
    }

    #[test]
    fn variables_may_have_names_of_clap_options() {
        assert_eq!(
            given(&[("help", "x"), ("version", "y")], &["--x", "1", "--y", "2"]),
            [("help", 1), ("version", 2)]
        );
    }
}
