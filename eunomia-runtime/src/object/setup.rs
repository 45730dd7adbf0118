//! What the document asks to be set before the object is loaded.

use std::collections::HashMap;

use super::{Checked, DataSection, Variable};
use crate::{
    fault::{Fault, Faults},
    value::encode,
};

/// A value that the document gives to a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialValue<'a> {
    /// The variable's section.
    pub section: &'a DataSection,
    /// The variable.
    pub variable: &'a Variable,
    /// The value, as many bytes as the type has.
    pub bytes: Vec<u8>,
}

impl Checked {
    /// Pages of a perf ring on each CPU, a power of two: 64 where the document does not say.
    pub fn perf_pages(&self) -> usize {
        // The document was read with this limit; a `Skeleton` made by hand gets it here.
        let pages = self.skeleton.settings.perf_buffer_pages.unwrap_or(64).clamp(1, 1 << 16);
        pages.next_power_of_two() as usize
    }

    /// The values that the document gives to variables, as bytes.
    ///
    /// # Errors
    /// Every value that does not fit its variable.
    pub fn initial_values(&self, file: &str) -> Result<Vec<InitialValue<'_>>, Faults> {
        let place = self.skeleton.skel_place().key("data_sections");
        let mut faults = Vec::new();
        let mut values = Vec::new();
        let sections: HashMap<&str, &DataSection> = self.sections.iter().map(|section| (section.name.as_str(), section)).collect();
        for (i, described) in self.skeleton.sections.iter().enumerate() {
            let Some(&section) = sections.get(described.name.as_str()) else { continue };
            let known: HashMap<&str, &Variable> = section.variables.iter().map(|variable| (variable.name.as_str(), variable)).collect();
            for (j, described) in described.variables.iter().enumerate() {
                let (Some(&variable), Some(value)) = (known.get(described.name.as_str()), &described.value) else { continue };
                match encode(&self.layouts, variable.ty, value) {
                    Ok(bytes) => values.push(InitialValue { section, variable, bytes }),
                    Err(why) => faults.push(Fault::new(place.index(i).key("variables").index(j).key("value"), why, "")),
                }
            }
        }
        Faults::or(file, faults, Some(values))
    }
}
