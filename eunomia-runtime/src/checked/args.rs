//! The variables that the command line can set and their options, as the document declares them,
//! checked against the object.

use std::collections::HashMap;

use super::{
    Checked,
    options::{Entry, Reader},
};
use crate::{
    args::{Arg, Command},
    error::{Found, JsonPath},
    object::{DataSection, Variable, elf},
    skeleton::model,
};

/// A variable that the command line can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument<'a> {
    /// The section of the variable.
    pub section: &'a DataSection,
    /// The variable.
    pub variable: &'a Variable,
    /// The value without the option, as the bytes of the type: `cmdarg.default`, else `value`, else
    /// the value in the object.
    pub default: Vec<u8>,
    /// The value that the object is opened with: `value`, else the value in the object.
    pub opened: Vec<u8>,
    /// The option.
    pub arg: Arg,
}

impl Checked {
    /// Returns the variables that the command line can set. Invalid options are faults: a name that
    /// is invalid or already used, a default that is not a value of the type, a type that options
    /// do not support.
    pub(crate) fn arguments(&self, diagnostics: &mut Found) -> Vec<Argument<'_>> {
        let place = self.skeleton.skel_place().key("data_sections");
        let described = self.described(&place);
        let headers: HashMap<&str, &elf::Section> =
            self.layouts.elf.sections.iter().map(|header| (header.name.as_str(), header)).collect();
        let mut reader = Reader::new(self);
        let mut arguments = Vec::new();
        for section in &self.sections {
            let header = headers.get(section.name.as_str()).copied();
            for variable in section.variables.iter().filter(|variable| !variable.is_dummy()) {
                let (place, described) =
                    match described.get(&(section.name.as_str(), variable.name.as_str())) {
                        Some((place, described)) => (place.clone(), Some(*described)),
                        None => (place.clone(), None),
                    };
                let in_object = header.and_then(|header| self.value_in_object(header, variable));
                let entry = Entry { section, variable, described, place, in_object };
                arguments.extend(reader.argument(entry));
            }
        }
        diagnostics.append(reader.diagnostics);
        arguments
    }

    /// Returns the options of `arguments`, with the texts of the document.
    pub fn command(&self, arguments: &[Argument<'_>]) -> Command {
        let doc = self.skeleton.doc.clone().unwrap_or_default();
        Command {
            name: self.skeleton.name.clone().into(),
            version: doc.version.map(Into::into),
            about: doc.brief.or(doc.description).map(Into::into),
            after_help: doc.details.map(Into::into),
            args: arguments.iter().map(|argument| argument.arg.clone()).collect(),
        }
    }

    /// Returns the document's descriptions of variables, by section and name.
    fn described(&self, place: &JsonPath) -> HashMap<(&str, &str), (JsonPath, &model::Variable)> {
        let mut described = HashMap::new();
        for (i, section) in self.skeleton.sections.iter().enumerate() {
            let place = place.index(i).key("variables");
            for (j, variable) in section.variables.iter().enumerate() {
                described.insert(
                    (section.name.as_str(), variable.name.as_str()),
                    (place.index(j), variable),
                );
            }
        }
        described
    }

    /// Returns the bytes that a variable is loaded with: the value in the document, else the value
    /// in the object. Returns `None` if the object ends before the value.
    #[cfg(feature = "cli")]
    pub(crate) fn initial(
        &self,
        section: &DataSection,
        variable: &Variable,
        setup: &super::Setup<'_>,
    ) -> Option<Vec<u8>> {
        if let Some(given) = setup.values.iter().find(|value| value.variable.id == variable.id) {
            return Some(given.bytes.clone());
        }
        let header = self.layouts.elf.sections.iter().find(|header| header.name == section.name)?;
        self.value_in_object(header, variable)
    }

    /// Returns the value of a variable in the object, or `None` if the file ends before it.
    fn value_in_object(&self, section: &elf::Section, variable: &Variable) -> Option<Vec<u8>> {
        let size = usize::try_from(self.layouts.layout(variable.ty).size).ok()?;
        let Some(start) = section.offset else { return Some(vec![0; size]) };
        let start = usize::try_from(start.checked_add(variable.offset)?).ok()?;
        Some(self.skeleton.object.as_deref()?.get(start..start.checked_add(size)?)?.to_vec())
    }
}
