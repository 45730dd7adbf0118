//! The JSON skeleton document: every generation of the format is read, and the current one is
//! written.

pub mod annotations;
mod architectures;
mod maps;
pub mod model;
mod package;
mod read;
mod source;
mod table;
pub(crate) mod write;
#[cfg(feature = "yaml")]
mod yaml;

use std::str::FromStr;

pub use model::{Format, Skeleton};
pub(crate) use source::Source;
#[cfg(feature = "yaml")]
#[doc(hidden)]
pub use yaml::{is_yaml, to_yaml};

use crate::{
    error::{Diagnostics, locate},
    skeleton::model::{EventType, Program, TYPE},
};

impl Skeleton {
    /// Reads a document of any generation; messages call it `file`. If it holds a package for each
    /// architecture, takes that of this machine.
    ///
    /// # Errors
    /// All faults of the document at once, each with its JSON path, line and column.
    pub fn parse(text: &str, file: &str) -> Result<Self, Diagnostics> {
        Self::parse_for(text, file, std::env::consts::ARCH)
    }

    /// Reads a document as [`Self::parse`] does. If it holds a package for each architecture, takes
    /// that of `arch`, a name of Rust's `target_arch`.
    pub(crate) fn parse_for(text: &str, file: &str, arch: &str) -> Result<Self, Diagnostics> {
        let text = locate::without_mark(text);
        let (skeleton, place) = read::document(text, file, arch)?;
        Ok(Self { source: Source::document(file, text, place, arch), ..skeleton })
    }

    /// Sets the type of the records of a ring buffer or perf event array, in place of the
    /// document's.
    ///
    /// It is a C type of the object as C spells it, for example `struct event`.
    #[must_use]
    pub fn with_event(mut self, map: impl Into<String>, c_type: impl Into<String>) -> Self {
        self.events.insert(map.into(), EventType::One(c_type.into()));
        self
    }

    /// Adds C types of the object's BTF, such as `struct config`, that the generated module defines
    /// although no event, variable or map has them.
    #[must_use]
    pub fn with_types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.types.extend(types.into_iter().map(Into::into));
        self
    }

    /// Sets the types of records as [`Self::with_event`] does, for a map with records of several
    /// types.
    ///
    /// Each type has `member` at the same place (`kind`, or `header.kind` inside another member),
    /// and its value, a number or the name of an enum's constant, tells the type.
    ///
    /// Records with any other value are delivered as bytes.
    #[must_use]
    pub fn with_tagged_event<V: Into<String>, T: Into<String>>(
        mut self,
        map: impl Into<String>,
        member: impl Into<String>,
        types: impl IntoIterator<Item = (V, T)>,
    ) -> Self {
        let types =
            types.into_iter().map(|(value, c_type)| (value.into(), c_type.into())).collect();
        self.events.insert(map.into(), EventType::Tagged { member: member.into(), types });
        self
    }

    /// Sets the type of a program whose section does not tell it: before it is loaded, it gets the
    /// type of programs in `section` (`xdp`, `tp/sched/sched_switch`, ..).
    ///
    /// In a document, the key `type` of the program does the same.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<String>, section: impl Into<String>) -> Self {
        let name = program.into();
        let at = self.programs.iter().position(|known| known.name == name).unwrap_or_else(|| {
            self.programs.push(Program {
                name,
                attach: None,
                link: true,
                description: None,
                other: Default::default(),
            });
            self.programs.len() - 1
        });
        if let Some(program) = self.programs.get_mut(at) {
            program.other.insert(TYPE.to_owned(), section.into().into());
        }
        self
    }

    /// Sets a prefix for the options of variables: with `net-` the variable `rate` has the option
    /// `--net-rate`.
    ///
    /// So the options of several objects can be combined in one program. Short options are left
    /// out.
    #[must_use]
    pub fn with_option_prefix(self, prefix: impl Into<String>) -> Self {
        Self { option_prefix: prefix.into(), ..self }
    }
}

/// Returns an object's name from that of its file: the part before the first dot, in characters
/// that the kernel accepts.
pub fn object_name(file: &str) -> String {
    let stem = file.split('.').next().unwrap_or(file);
    stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

impl FromStr for Skeleton {
    type Err = Diagnostics;

    fn from_str(text: &str) -> Result<Self, Diagnostics> {
        Self::parse(text, "skeleton")
    }
}
