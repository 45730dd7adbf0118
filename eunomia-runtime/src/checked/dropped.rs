//! The variables in which programs count the records that did not fit into a ring buffer. Perf
//! event arrays have none, because the kernel counts their losses.

use crate::object::{DataSection, Kind, Layouts};

/// A variable in which programs count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The section of the variable.
    pub section: String,
    /// Bytes from the start of the section.
    pub offset: u64,
    /// The size of the variable in bytes.
    pub size: u64,
}

/// Returns the variable in which programs count the records that did not fit into a ring buffer.
pub(super) fn dropped(
    map: &str,
    alone: bool,
    layouts: &Layouts,
    sections: &[DataSection],
) -> Option<Dropped> {
    let own = format!("{map}_dropped");
    let counts = |id| {
        matches!(
            layouts.btf.resolve(id).1.kind,
            Kind::Int { size: 4 | 8, signed: false, bool: false, .. }
        )
    };
    let variables = sections.iter().filter(|section| !section.read_only()).flat_map(|section| {
        section
            .variables
            .iter()
            .filter(|variable| counts(variable.ty))
            .map(move |variable| (section, variable))
    });
    let named = |name: &str| variables.clone().find(|(_, variable)| variable.name == name);
    let (section, variable) =
        named(&own).or_else(|| if alone { named("dropped") } else { None })?;
    Some(Dropped { section: section.name.clone(), offset: variable.offset, size: variable.size })
}
