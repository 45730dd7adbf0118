//! Sampled maps, whose entries are read at intervals: their settings and the types of their values.

use crate::{
    error::{Diagnostic, Found, JsonPath},
    object::{Layouts, MapDef, MapKind, TypeId},
    skeleton::model::Sample,
};

/// The settings of a sampled map, whose entries are read at intervals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// The type of its keys, or `None` if the object does not declare it.
    pub key: Option<TypeId>,
    /// The size of a key in bytes.
    pub key_size: u32,
    /// The size of a value in bytes.
    pub value_size: u32,
    /// The interval between two readings in milliseconds.
    pub interval: u64,
    /// True if entries are removed when they are read.
    pub clear: bool,
}

/// Returns how a map is sampled, if its type supports it.
pub(super) fn sampling(
    def: &MapDef,
    sample: &Sample,
    place: &JsonPath,
    diagnostics: &mut Found,
) -> Option<Sampled> {
    const WITH_ENTRIES: [MapKind; 7] = [
        MapKind::HASH,
        MapKind::LRU_HASH,
        MapKind::ARRAY,
        MapKind::LPM_TRIE,
        MapKind::DEVMAP,
        MapKind::DEVMAP_HASH,
        MapKind::CPUMAP,
    ];
    if !WITH_ENTRIES.contains(&def.kind) {
        let what = format!("a map of type {} cannot be sampled", def.kind);
        diagnostics.push(Diagnostic::new(
            place.clone(),
            what,
            "remove the key; per-CPU maps have their own samplers",
        ));
        return None;
    }
    let Sample { interval, clear_map, .. } = *sample;
    Some(Sampled {
        key: def.key,
        key_size: def.key_size,
        value_size: def.value_size,
        interval,
        clear: clear_map,
    })
}

/// Reports a type that is larger than the map's values.
pub(super) fn check_size(
    layouts: &Layouts,
    id: TypeId,
    def: &MapDef,
    place: &JsonPath,
    diagnostics: &mut Found,
) {
    let size = layouts.layout(id).size;
    if size > def.value_size.into() {
        let what = format!(
            "`{}` has {size} bytes, but the map values have {}",
            layouts.c_name(id),
            def.value_size
        );
        diagnostics.push(Diagnostic::new(place.clone(), what, "name the value type of the map"));
    }
}
