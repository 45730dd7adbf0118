//! The settings that the document requests before the object is loaded.

use std::collections::HashMap;

use super::{Argument, Checked, DeclaredTarget};
use crate::{
    error::{Diagnostic, Diagnostics, Found},
    object::{DataSection, Variable, encode::encode},
};

/// All settings that the document requests, checked against the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup<'a> {
    /// The initial values of variables.
    pub values: Vec<InitialValue<'a>>,
    /// The variables that the command line can set: integers, enums, booleans, floats and strings.
    pub arguments: Vec<Argument<'a>>,
    /// The targets of programs whose sections do not name one.
    pub targets: Vec<DeclaredTarget<'a>>,
}

/// The initial value of a variable in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialValue<'a> {
    /// The section of the variable.
    pub section: &'a DataSection,
    /// The variable.
    pub variable: &'a Variable,
    /// The value, as the bytes of the type.
    pub bytes: Vec<u8>,
}

impl Checked {
    /// Returns the number of pages of a perf ring on each CPU, a power of two. The default is 64.
    #[doc(hidden)]
    pub fn perf_pages(&self) -> usize {
        // The parser enforces this limit. A `Skeleton` that was built by hand is limited here.
        let pages = self.skeleton.settings.perf_buffer_pages.unwrap_or(64).clamp(1, 1 << 16);
        pages.next_power_of_two() as usize
    }

    /// Returns the settings that the document requests.
    ///
    /// # Errors
    /// [`Diagnostics`] with every value that does not fit its variable, every invalid option, and
    /// every target of a wrong type or range.
    #[doc(hidden)]
    pub fn setup(&self) -> Result<Setup<'_>, Diagnostics> {
        let mut diagnostics = Found::default();
        let values = self.values(&mut diagnostics);
        let arguments = self.arguments(&mut diagnostics);
        let targets = self.targets(&mut diagnostics);
        self.skeleton.verdict(diagnostics)?;
        Ok(Setup { values, arguments, targets })
    }

    fn values(&self, diagnostics: &mut Found) -> Vec<InitialValue<'_>> {
        let place = self.skeleton.skel_place().key("data_sections");
        let mut values = Vec::new();
        let sections: HashMap<&str, &DataSection> =
            self.sections.iter().map(|section| (section.name.as_str(), section)).collect();
        for (i, described) in self.skeleton.sections.iter().enumerate() {
            let Some(&section) = sections.get(described.name.as_str()) else { continue };
            let known: HashMap<&str, &Variable> = section
                .variables
                .iter()
                .map(|variable| (variable.name.as_str(), variable))
                .collect();
            for (j, described) in described.variables.iter().enumerate() {
                let (Some(&variable), Some(value)) =
                    (known.get(described.name.as_str()), &described.value)
                else {
                    continue;
                };
                match encode(&self.layouts, variable.ty, value) {
                    Ok(bytes) => values.push(InitialValue { section, variable, bytes }),
                    Err(why) => diagnostics.push(Diagnostic::new(
                        place.index(i).key("variables").index(j).key("value"),
                        why,
                        "",
                    )),
                }
            }
        }
        values
    }
}
