//! The variables in which programs count the records that did not fit into a ring buffer. Perf
//! event arrays have none, because the kernel counts their losses.

use crate::object::{DataSection, Kind, Layouts, TypeId, Variable};

/// A variable in which programs count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The section of the variable.
    pub section: String,
    /// Bytes from the start of the section.
    pub offset: u64,
    /// The size of the variable in bytes: 4 for one counter, else 8 for each counter. The parts of
    /// an array count on different CPUs.
    pub size: u64,
}

/// The largest array of counters: each has a cache line of its own, for 1024 CPUs.
const LARGEST: u64 = 64 << 10;

/// Returns the variable in which programs count the records that did not fit into a ring buffer.
pub(super) fn dropped<'a>(
    map: &str,
    alone: bool,
    layouts: &Layouts,
    sections: &'a [DataSection],
) -> Option<Dropped> {
    let own = format!("{map}_dropped");
    let counts = |variable: &&Variable| {
        let item = item(layouts, variable.ty);
        let is_counter = |bytes| matches!(layouts.btf.resolve(item).1.kind, Kind::Int { size, signed: false, bool: false, .. } if size == bytes);
        match variable.size {
            4 => is_counter(4),
            size => is_counter(8) && size <= LARGEST,
        }
    };
    let of = |section, variables: &'a [Variable]| {
        variables.iter().filter(counts).map(move |variable| (section, variable))
    };
    let sections = || sections.iter().filter(|section| !section.read_only());
    let globals = || sections().flat_map(|section| of(section, &section.variables));
    let statics = || sections().flat_map(|section| of(section, &section.statics));
    let mut all = globals().chain(statics()).filter(|(_, variable)| variable.name == own);
    let (section, variable) = match (all.next(), all.next()) {
        (Some(found), None) => found,
        // Two variables of the name count a part each.
        (Some(_), Some(_)) => return None,
        (None, _) if alone => globals().find(|(_, variable)| variable.name == "dropped")?,
        (None, _) => return None,
    };
    Some(Dropped { section: section.name.clone(), offset: variable.offset, size: variable.size })
}

/// Returns the type of the innermost items, if the type is an array, else the type itself.
fn item(layouts: &Layouts, mut id: TypeId) -> TypeId {
    // Terminates: chains of types by value have a checked maximum depth.
    while let Kind::Array { element, .. } = layouts.btf.resolve(id).1.kind {
        id = element;
    }
    id
}
