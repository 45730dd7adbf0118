//! The maps that deliver records to user space, and the types of these records.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    declared::declared_types,
    dropped::{Dropped, dropped},
    dummies::dummies,
    named::named,
    payload::{Payload, multiple_mode, own_value, single_mode},
    sampled::{Sampled, check_size, sampling},
    tagged,
};
use crate::{
    error::{Diagnostic, Found, JsonPath},
    object::{DataSection, Layouts, MapDef, MapKind},
    plain::list,
    skeleton::{
        Skeleton,
        model::{EventType, ExportConfig},
    },
    suggestion::near,
};

/// A map whose records are delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The map.
    pub map: String,
    /// [`MapKind::RINGBUF`], [`MapKind::PERF_EVENT_ARRAY`], or the type of a sampled map.
    pub kind: MapKind,
    /// The contents of its records, or of the values of a sampled map.
    pub payload: Payload,
    /// The sampling settings, if the map is a sampled map.
    pub sampled: Option<Sampled>,
    /// The variable in which the programs count records that did not fit into a ring buffer. By
    /// convention this is a global variable `<map>_dropped`, or `dropped` if only one map delivers
    /// records. It is unsigned, has 4 or 8 bytes, and is in `.bss` or `.data`.
    pub dropped: Option<Dropped>,
    /// The place of its declaration in the document.
    pub place: JsonPath,
}

/// Resolves every ring buffer, perf event array and sampled map, in document order and then in
/// object order. Perf event arrays in `counters` are used for counters and deliver nothing.
pub(crate) fn resolve(
    skeleton: &Skeleton,
    layouts: &Layouts,
    (maps, counters): (&[MapDef], &BTreeSet<String>),
    sections: &[DataSection],
    diagnostics: &mut Found,
) -> Vec<Stream> {
    let mut declared = declared_types(skeleton, layouts, diagnostics);
    // A type that is declared twice in a row counts once.
    declared.dedup();
    let place = skeleton.skel_place().key("maps");
    let sampled: HashSet<&str> = skeleton
        .maps
        .iter()
        .filter(|map| map.sample.is_some())
        .map(|map| map.name.as_str())
        .collect();
    let is_ring = |def: &MapDef| match def.kind {
        MapKind::RINGBUF => true,
        MapKind::PERF_EVENT_ARRAY => !counters.contains(&def.name),
        _ => false,
    };
    let exported = |map: &crate::skeleton::model::Map| {
        !matches!(map.export, ExportConfig::None) && counters.contains(&map.name)
    };
    for (i, map) in skeleton.maps.iter().enumerate().filter(|(_, map)| exported(map)) {
        let what = format!(
            "perf event array `{}` delivers no records: programs only read counters from it",
            map.name
        );
        diagnostics.push(Diagnostic::new(
            place.index(i).key("export_config"),
            what,
            "remove the key, and put perf events into the map through its handle",
        ));
    }
    let streams = |def: &&MapDef| is_ring(def) || sampled.contains(def.name.as_str());
    let defs: HashMap<&str, &MapDef> =
        maps.iter().filter(streams).map(|def| (def.name.as_str(), def)).collect();
    let names: HashSet<&str> = skeleton.maps.iter().map(|map| map.name.as_str()).collect();
    for (i, map) in skeleton
        .maps
        .iter()
        .enumerate()
        .filter(|(_, map)| map.sample.is_some() && map.name.contains('.'))
    {
        let what =
            format!("map `{}` holds the variables of a section, which cannot be sampled", map.name);
        diagnostics.push(Diagnostic::new(
            place.index(i).key("sample"),
            what,
            "remove the key, and put the data to sample into a separate map",
        ));
    }
    let listed = skeleton.maps.iter().enumerate().filter_map(|(i, map)| {
        let def = *defs.get(map.name.as_str())?;
        Some((def, place.index(i), &map.export, map.sample.as_ref()))
    });
    let unlisted = maps.iter().filter(streams).filter(|def| !names.contains(def.name.as_str()));
    let all: Vec<_> =
        listed.chain(unlisted.map(|def| (def, place.clone(), &ExportConfig::None, None))).collect();

    let count = all.len();
    let single =
        single_mode(&declared, &skeleton.exports, &dummies(layouts, sections), all.len(), layouts);
    let unknown = skeleton.events.keys().filter(|map| !defs.contains_key(map.as_str()));
    diagnostics.extend(unknown.map(|map| {
        let what = format!(
            "no map `{map}` that delivers records (maps that do: {})",
            list(defs.keys().copied().collect::<BTreeSet<_>>().into_iter())
        );
        let similar = near(map, defs.keys().copied().collect::<BTreeSet<_>>())
            .map(|similar| format!("did you mean `{similar}`?"));
        Diagnostic::new(
            JsonPath::default().key("events").key(map),
            what,
            similar.unwrap_or_else(|| "use one of them".to_owned()),
        )
    }));
    all.into_iter()
        .filter_map(|(def, place, config, sample)| {
            let sampled = match sample {
                Some(sample) => Some(sampling(def, sample, &place.key("sample"), diagnostics)?),
                None => None,
            };
            let payload = if let Some(event) = skeleton.events.get(&def.name) {
                let place = JsonPath::default().key("events").key(&def.name);
                match event {
                    EventType::One(c_type) => {
                        Payload::Type(named(c_type, &place, layouts, diagnostics)?)
                    }
                    EventType::Tagged { .. } if sampled.is_some() => {
                        let what = format!(
                            "map `{}` is sampled, so all its values have one type",
                            def.name
                        );
                        diagnostics.push(Diagnostic::new(place, what, "name that type"));
                        return None;
                    }
                    EventType::Tagged { member, types } => Payload::Tagged(tagged::resolve(
                        member,
                        types,
                        &place,
                        layouts,
                        diagnostics,
                    )?),
                }
            } else if skeleton.multiple_exports {
                multiple_mode(
                    config,
                    sampled.is_some().then_some(def),
                    &place.key("export_config"),
                    layouts,
                    diagnostics,
                )?
            } else if sampled.is_some() && !matches!(single, Payload::Type(_)) {
                own_value(def, layouts)
            } else {
                single.clone()
            };
            if let (Payload::Type(id), true) = (&payload, sampled.is_some()) {
                check_size(layouts, *id, def, &place, diagnostics);
            }
            let dropped = if def.kind == MapKind::RINGBUF {
                dropped(&def.name, count == 1, layouts, sections)
            } else {
                None
            };
            Some(Stream { map: def.name.clone(), kind: def.kind, payload, sampled, dropped, place })
        })
        .collect()
}
