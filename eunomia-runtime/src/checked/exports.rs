//! The maps that deliver records to user space, and the types of these records.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap, HashSet},
};

use super::{
    declared::declared_types,
    dropped::{Dropped, dropped},
    dummies::dummies,
    found::weigh,
    named::named,
    payload::{Payload, multiple_mode, own_value, single_mode},
    records,
    sampled::{Sampled, check_size, sampling},
    tagged,
};
use crate::{
    error::{Diagnostic, Found, JsonPath},
    object::{DataSection, Kind, Layouts, MapDef, MapKind},
    plain::quoted,
    skeleton::{
        Skeleton,
        model::{EventType, ExportConfig, Map, Sample},
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
    /// How the type of its records was found in the object, if nobody names it.
    pub found: Option<String>,
    /// The place of its declaration in the document.
    pub place: JsonPath,
}

impl Stream {
    /// Returns the line of C that declares the type of the map's records in its definition.
    #[doc(hidden)]
    pub fn declaration(&self) -> String {
        format!("EUNOMIA_RECORDS({}, struct NAME);", self.kind)
    }
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
    check_counters(skeleton, counters, diagnostics);
    check_sections(skeleton, diagnostics);
    let sources = sources(skeleton, maps, counters);
    check_events(skeleton, &sources, diagnostics);
    let dummies = dummies(layouts, sections);
    let single = single_mode(&declared, &skeleton.exports, &dummies, sources.len(), layouts);
    let is_alone = sources.len() == 1;
    let (cost, left) = (cost(layouts), Cell::new(MOST_STEPS));
    let resolver = Resolver { skeleton, layouts, sections, single, is_alone, cost, left };
    let streams = sources.into_iter().filter_map(|source| resolver.stream(source, diagnostics));
    let mut streams: Vec<Stream> = streams.collect();
    weigh(skeleton, layouts, maps, (&declared, &dummies), &mut streams, diagnostics);
    streams
}

/// The limit of what is compared to tell the types of all maps apart. It is far beyond what programs
/// have, and takes some seconds.
const MOST_STEPS: u64 = 1 << 28;

/// Returns the number of names with which a type of a map's several types may be compared: those of
/// all constants and members.
fn cost(layouts: &Layouts) -> u64 {
    let names = layouts.btf.iter().map(|(_, ty)| match &ty.kind {
        Kind::Struct { members, .. } | Kind::Union { members, .. } => members.len(),
        Kind::Enum { values, .. } => values.len(),
        _ => 0,
    });
    names.sum::<usize>() as u64
}

/// Reports exports of perf event arrays that deliver nothing.
fn check_counters(skeleton: &Skeleton, counters: &BTreeSet<String>, diagnostics: &mut Found) {
    let place = skeleton.skel_place().key("maps");
    let exported =
        |map: &Map| !matches!(map.export, ExportConfig::None) && counters.contains(&map.name);
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
}

/// Reports samples of the maps of data sections.
fn check_sections(skeleton: &Skeleton, diagnostics: &mut Found) {
    let place = skeleton.skel_place().key("maps");
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
}

/// A map that delivers records, with its settings in the document.
struct Source<'a> {
    def: &'a MapDef,
    place: JsonPath,
    config: &'a ExportConfig,
    sample: Option<&'a Sample>,
    /// The type of the records in the document, and how it was found.
    event: Option<&'a EventType>,
    found: Option<&'a String>,
}

/// Returns the maps that deliver records, in document order and then in object order.
fn sources<'a>(
    skeleton: &'a Skeleton,
    maps: &'a [MapDef],
    counters: &BTreeSet<String>,
) -> Vec<Source<'a>> {
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
    let streams = |def: &&MapDef| is_ring(def) || sampled.contains(def.name.as_str());
    let defs: HashMap<&str, &MapDef> =
        maps.iter().filter(streams).map(|def| (def.name.as_str(), def)).collect();
    let names: HashSet<&str> = skeleton.maps.iter().map(|map| map.name.as_str()).collect();
    let listed = skeleton.maps.iter().enumerate().filter_map(|(i, map)| {
        let def = *defs.get(map.name.as_str())?;
        Some(Source {
            def,
            place: place.index(i),
            config: &map.export,
            sample: map.sample.as_ref(),
            event: map.event.as_ref(),
            found: map.found.as_ref(),
        })
    });
    let unlisted = maps.iter().filter(streams).filter(|def| !names.contains(def.name.as_str()));
    let unlisted = unlisted.map(|def| {
        let place = place.key(&def.name);
        Source { def, place, config: &ExportConfig::None, sample: None, event: None, found: None }
    });
    listed.chain(unlisted).collect()
}

/// Reports types that the application gives for maps that deliver nothing.
fn check_events(skeleton: &Skeleton, sources: &[Source<'_>], diagnostics: &mut Found) {
    let names: BTreeSet<&str> = sources.iter().map(|source| source.def.name.as_str()).collect();
    let unknown = skeleton.events.keys().filter(|map| !names.contains(map.as_str()));
    diagnostics.extend(unknown.map(|map| {
        let what = format!(
            "no map `{map}` that delivers records (maps that do: {})",
            quoted(names.iter().copied())
        );
        let similar =
            near(map, names.iter().copied()).map(|similar| format!("did you mean `{similar}`?"));
        Diagnostic::new(
            JsonPath::events().key(map),
            what,
            similar.unwrap_or_else(|| "use one of them".to_owned()),
        )
    }));
}

/// Resolves the sources one by one.
struct Resolver<'a> {
    skeleton: &'a Skeleton,
    layouts: &'a Layouts,
    sections: &'a [DataSection],
    /// The payload in single mode.
    single: Payload,
    /// True if there is only one source.
    is_alone: bool,
    /// The steps that one type of a map's several types may take, and those that are left.
    cost: u64,
    left: Cell<u64>,
}

impl Resolver<'_> {
    /// Returns the stream, or `None` if the map is not exported or its settings have a fault.
    fn stream(&self, source: Source<'_>, diagnostics: &mut Found) -> Option<Stream> {
        let Source { def, place, sample, .. } = &source;
        let sampled = match sample {
            Some(sample) => Some(sampling(def, sample, &place.key("sample"), diagnostics)?),
            None => None,
        };
        let payload = self.payload(&source, diagnostics)?;
        if let (Payload::Type(id), true) = (&payload, sampled.is_some()) {
            check_size(self.layouts, *id, def, place, diagnostics);
        }
        let dropped = if def.kind == MapKind::RINGBUF {
            dropped(&def.name, self.is_alone, self.layouts, self.sections)
        } else {
            None
        };
        let (map, kind) = (def.name.clone(), def.kind);
        let is_given = self.skeleton.events.contains_key(&map);
        let found = source.found.filter(|_| !is_given).cloned();
        Some(Stream { map, kind, payload, sampled, dropped, found, place: source.place })
    }

    fn payload(&self, source: &Source<'_>, diagnostics: &mut Found) -> Option<Payload> {
        let is_sampled = source.sample.is_some();
        if let Some(event) = self.skeleton.events.get(&source.def.name) {
            self.event(event, JsonPath::events().key(&source.def.name), source, diagnostics)
        } else if let Some(event) = source.event {
            let place = source.place.key("event");
            let payload = self.event(event, place.clone(), source, diagnostics)?;
            if let Some(own) = self.own_records(source, diagnostics)
                && !self.is_same(&own, &payload)
            {
                let what = format!(
                    "the definition of map `{}` in the object gives its records another type",
                    source.def.name
                );
                diagnostics.push(Diagnostic::new(place, what, "keep one of them"));
            }
            Some(payload)
        } else if self.skeleton.multiple_exports {
            multiple_mode(
                source.config,
                is_sampled.then_some(source.def),
                &source.place.key("export_config"),
                self.layouts,
                diagnostics,
            )
        } else if source.def.records.is_some() {
            self.own_records(source, diagnostics)
        } else if is_sampled && !matches!(self.single, Payload::Type(_)) {
            Some(own_value(source.def, self.layouts))
        } else {
            Some(self.single.clone())
        }
    }

    /// Returns the payload that the map's definition in the object declares.
    fn own_records(&self, source: &Source<'_>, diagnostics: &mut Found) -> Option<Payload> {
        let records = source.def.records?;
        if let Kind::Union { members, .. } = &self.layouts.btf.unmodified(records).1.kind {
            self.take(members.len(), &source.place.key("type"), diagnostics)?;
        }
        records::declared(records, &source.place.key("type"), self.layouts, diagnostics)
    }

    /// Takes the steps for a number of types, or reports that too few are left.
    fn take(&self, types: usize, place: &JsonPath, diagnostics: &mut Found) -> Option<()> {
        let left = self.left.get().checked_sub((types as u64).saturating_mul(self.cost));
        if left.is_none() {
            let what = format!(
                "too many types of records: {types} here, with {} constants and members in BTF",
                self.cost
            );
            diagnostics.push(Diagnostic::new(place.clone(), what, "use fewer types or maps"));
        }
        self.left.set(left?);
        Some(())
    }

    /// Reports whether two payloads are the same, if the document spells types by name.
    fn is_same(&self, one: &Payload, other: &Payload) -> bool {
        match (one, other) {
            (Payload::Type(one), Payload::Type(other)) => {
                self.layouts.c_name(*one) == self.layouts.c_name(*other)
            }
            (Payload::Tagged(one), Payload::Tagged(other)) => {
                let types = |tagged: &tagged::Tagged| {
                    let tags = tagged.tags.iter();
                    tags.map(|tag| (tag.value, self.layouts.c_name(tag.ty)))
                        .collect::<BTreeSet<_>>()
                };
                one.offset == other.offset && types(one) == types(other)
            }
            _ => false,
        }
    }

    /// Returns the payload that the application or the document gives at `place`.
    fn event(
        &self,
        event: &EventType,
        place: JsonPath,
        source: &Source<'_>,
        diagnostics: &mut Found,
    ) -> Option<Payload> {
        let map = &source.def.name;
        match event {
            EventType::One(c_type) => {
                named(c_type, &place, self.layouts, diagnostics).map(Payload::Type)
            }
            EventType::Tagged { .. } if source.sample.is_some() => {
                let what = format!("map `{map}` is sampled, so all its values have one type");
                diagnostics.push(Diagnostic::new(place, what, "name that type"));
                None
            }
            EventType::Tagged { member, types } => {
                self.take(types.len(), &place, diagnostics)?;
                tagged::resolve(member, types, &place, self.layouts, diagnostics)
                    .map(Payload::Tagged)
            }
        }
    }
}
