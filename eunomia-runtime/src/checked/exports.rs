//! The maps that deliver records to user space, and the types of these records.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    check::check_once,
    declared::declared_type,
    tagged::{self, Tagged},
};
use crate::{
    error::{Diagnostic, Found, JsonPath},
    object::{DataSection, Kind, Layouts, MapDef, MapKind, TypeId},
    plain::list,
    skeleton::{
        Skeleton,
        model::{CustomMember, EventType, Export, ExportConfig, Sample},
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

impl Layouts {
    /// Returns the minimum size of a record with these members; see
    /// [`Layout::least`](crate::object::Layout::least).
    pub fn least_of(&self, fields: &[CustomField]) -> u64 {
        let Some(last) = fields.iter().max_by_key(|field| field.offset) else { return 0 };
        match self.btf.resolve(last.ty).1.kind {
            Kind::Array { .. } => last.offset,
            _ => last.offset + self.layout(last.ty).least(),
        }
    }
}

/// The contents of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A type of the object.
    Type(TypeId),
    /// Members that the document selects, sorted by offset and without overlap.
    Custom(Vec<CustomField>),
    /// One of several types of the object.
    Tagged(Tagged),
    /// Bytes of an unknown type.
    Bytes {
        /// The reason why the type is unknown.
        why: String,
    },
}

/// A member of a custom type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomField {
    /// The name, which may be any text.
    pub name: String,
    /// Bytes from the start of the record.
    pub offset: u64,
    /// The type of the member.
    pub ty: TypeId,
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
    // The first struct of each name that is looked up.
    let asked = skeleton
        .exports
        .iter()
        .filter(|export| export.type_id.is_none())
        .map(|export| export.name.as_str());
    let asked: HashSet<&str> = asked.collect();
    let mut structs = HashMap::new();
    for (id, ty) in layouts
        .btf
        .iter()
        .filter(|(_, ty)| matches!(ty.kind, Kind::Struct { .. } | Kind::Union { .. }))
    {
        if asked.contains(ty.name.as_str()) {
            structs.entry(ty.name.as_str()).or_insert(id);
        }
    }
    let mut declared: Vec<Option<TypeId>> = skeleton
        .exports
        .iter()
        .enumerate()
        .map(|(i, export)| {
            declared_type(
                skeleton,
                export,
                &skeleton.exports_place().index(i),
                layouts,
                &structs,
                diagnostics,
            )
        })
        .collect();
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
            JsonPath::events().key(map),
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
                let place = JsonPath::events().key(&def.name);
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

/// Returns the variable in which programs count the records that did not fit into a ring buffer.
fn dropped(map: &str, alone: bool, layouts: &Layouts, sections: &[DataSection]) -> Option<Dropped> {
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

/// Returns the value type in the definition of a sampled map.
fn own_value(def: &MapDef, layouts: &Layouts) -> Payload {
    match def.value.filter(|id| has_values(layouts, *id)) {
        Some(id) => Payload::Type(id),
        None => Payload::Bytes { why: "the map is defined by sizes, without types".to_owned() },
    }
}

/// Returns how a map is sampled, if its type supports it.
fn sampling(
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
fn check_size(
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

/// Returns the type with the C name that the application gives.
pub(crate) fn named(
    c_type: &str,
    place: &JsonPath,
    layouts: &Layouts,
    diagnostics: &mut Found,
) -> Option<TypeId> {
    // Pointers, arrays and functions have no name of their own. They are only spelled out if
    // `c_type` may denote one.
    let spelled = c_type.contains(['*', '[', '(']);
    let candidates =
        || layouts.btf.iter().filter(|(_, ty)| spelled || !ty.name.is_empty()).map(|(id, _)| id);
    let found = candidates().find(|id| layouts.c_name(*id) == c_type && has_values(layouts, *id));
    if found.is_none() {
        let named = candidates()
            .filter(|id| !layouts.btf.get(*id).name.is_empty() && has_values(layouts, *id));
        let names: Vec<String> = named.map(|id| layouts.c_name(id)).collect();
        let todo = match similar(c_type, &names) {
            Some(similar) => {
                format!("did you mean `{similar}`? Otherwise, {}", declare_hint(c_type))
            }
            None => declare_hint(c_type),
        };
        diagnostics.push(Diagnostic::new(
            place.clone(),
            format!("the object has no complete type `{c_type}`"),
            todo,
        ));
    }
    found
}

/// Returns the hint how to add a type to BTF. The compiler omits types that only local variables
/// have.
fn declare_hint(c_type: &str) -> String {
    let c_type = if c_type.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ')) {
        c_type
    } else {
        "struct event"
    };
    format!(
        "add `const {c_type} *unused __attribute__((unused));` to the C source: BTF contains the types that globals and maps refer to"
    )
}

/// Returns the type that was probably meant. Its keyword may be missing as well: `evnt` for
/// `struct event`.
fn similar<'a>(c_type: &str, names: &'a [String]) -> Option<&'a str> {
    fn bare(name: &str) -> &str {
        ["struct ", "union ", "enum "]
            .into_iter()
            .find_map(|kind| name.strip_prefix(kind))
            .unwrap_or(name)
            .trim()
    }
    let known = || names.iter().map(String::as_str);
    let of = |name: &str| known().find(|known| bare(known) == name);
    let name = bare(c_type);
    // A typing error. A name that is merely similar belongs to another type.
    let slip = |known: &&str| known.len().abs_diff(name.len()) <= 1 && name.len() > 3;
    of(name).or_else(|| of(near(name, known().map(bare)).filter(slip)?))
}

/// Returns the types that the object declares with the compiler's convention, a global
/// `const volatile struct T *__eunomia_dummy_T_ptr`, or else with that of other generators,
/// `const struct T *unused`.
fn dummies(layouts: &Layouts, sections: &[DataSection]) -> Vec<TypeId> {
    let variables = || sections.iter().flat_map(|section| &section.variables);
    let own: Vec<TypeId> = variables()
        .filter(|variable| variable.is_dummy())
        .filter_map(|variable| pointee(layouts, variable.ty))
        .collect();
    if !own.is_empty() {
        return own;
    }
    let unused = variables()
        .filter(|variable| is_unused(&variable.name))
        .filter_map(|variable| record(layouts, variable.ty));
    let mut unused: Vec<TypeId> = unused.collect();
    unused.sort_unstable();
    unused.dedup();
    unused
}

/// Matches `unused`, `unused_event`, `_unused`, `event_unused`, `unused2`.
fn is_unused(name: &str) -> bool {
    name.trim_matches('_')
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .split('_')
        .any(|word| word == "unused")
}

/// Returns the struct or union that a pointer refers to; an anonymous one by its typedef.
fn record(layouts: &Layouts, id: TypeId) -> Option<TypeId> {
    let Kind::Pointer { to } = layouts.btf.resolve(id).1.kind else { return None };
    pointee(layouts, id).or_else(|| {
        let (id, ty) = layouts.btf.unmodified(to);
        let is_record =
            matches!(layouts.btf.resolve(id).1.kind, Kind::Struct { .. } | Kind::Union { .. });
        (is_record && matches!(ty.kind, Kind::Typedef { .. })).then_some(id)
    })
}

/// Returns the named struct or union that a pointer refers to.
pub(crate) fn pointee(layouts: &Layouts, id: TypeId) -> Option<TypeId> {
    let Kind::Pointer { to } = layouts.btf.resolve(id).1.kind else { return None };
    let (id, ty) = layouts.btf.resolve(to);
    (matches!(ty.kind, Kind::Struct { .. } | Kind::Union { .. }) && !ty.name.is_empty())
        .then_some(id)
}

/// Returns the payload in single mode, in which the only export type belongs to the only map that
/// delivers records. Anything else would be a guess.
fn single_mode(
    declared: &[Option<TypeId>],
    exports: &[Export],
    dummies: &[TypeId],
    streams: usize,
    layouts: &Layouts,
) -> Payload {
    let bytes = |why: String| Payload::Bytes { why };
    match (declared, dummies, streams) {
        ([Some(id)], _, 1) | ([], [id], 1) => Payload::Type(*id),
        ([], [], _) => bytes("the document declares no export type".to_owned()),
        ([], ..) => {
            let names: Vec<String> = dummies.iter().map(|id| layouts.c_name(*id)).collect();
            bytes(format!(
                "the object declares {}, and {streams} maps deliver records",
                list(names.iter().map(String::as_str))
            ))
        }
        ([_], _, 1) => bytes("its export type is invalid".to_owned()),
        ([_], ..) => bytes(format!(
            "the document declares one export type, and {streams} maps deliver records"
        )),
        _ => bytes(format!(
            "the document does not say which of {} it is",
            list(exports.iter().map(|export| export.name.as_str()))
        )),
    }
}

/// Returns the payload in multiple mode, in which each map names its type, or `None` if the map is
/// not exported.
fn multiple_mode(
    config: &ExportConfig,
    sampled: Option<&MapDef>,
    place: &JsonPath,
    layouts: &Layouts,
    diagnostics: &mut Found,
) -> Option<Payload> {
    match config {
        ExportConfig::None => None,
        ExportConfig::Default if sampled.is_some() => sampled.map(|def| own_value(def, layouts)),
        ExportConfig::Default => {
            diagnostics.push(Diagnostic::new(
                place.clone(),
                "`default` is the value type of a sampled map, but a ring buffer or perf event array has none",
                "name the type: {\"btf_type_id\": N}",
            ));
            None
        }
        ExportConfig::BtfType(id) => {
            let id = TypeId(*id);
            if has_values(layouts, id) {
                return Some(Payload::Type(id));
            }
            diagnostics.push(Diagnostic::new(
                place.key("btf_type_id"),
                no_values(layouts, id),
                "take the id from `bpftool btf dump file <object>`",
            ));
            None
        }
        ExportConfig::Custom(members) => {
            let room = sampled.map_or(MAX_RECORD, |def| def.value_size.into());
            custom(members, room, &place.key("custom_members"), layouts, diagnostics)
        }
    }
}

fn custom(
    members: &[CustomMember],
    room: u64,
    place: &JsonPath,
    layouts: &Layouts,
    diagnostics: &mut Found,
) -> Option<Payload> {
    let before = diagnostics.len();
    let mut fields = Vec::new();
    check_once("member", members.iter().map(|member| member.name.as_str()), place, diagnostics);
    for (i, member) in members.iter().enumerate() {
        let ty = TypeId(member.type_id);
        if has_values(layouts, ty) {
            fields.push((
                i,
                CustomField { name: member.name.clone(), offset: member.offset.into(), ty },
            ));
        } else {
            diagnostics.push(Diagnostic::new(
                place.index(i).key("btf_type_id"),
                no_values(layouts, ty),
                "",
            ));
        }
    }
    if members.is_empty() {
        diagnostics.push(Diagnostic::new(
            place.clone(),
            "the list is empty",
            "list the members, or use {\"btf_type_id\": N}",
        ));
    }
    fields.sort_by_key(|(_, field)| field.offset);
    for pair in fields.windows(2) {
        if let [(_, a), (i, b)] = pair
            && a.offset + layouts.layout(a.ty).size > b.offset
        {
            diagnostics.push(Diagnostic::new(
                place.index(*i).key("offset"),
                format!("`{}` overlaps `{}`", b.name, a.name),
                "",
            ));
        }
    }
    if let Some((i, last)) = fields.last()
        && last.offset + layouts.layout(last.ty).size > room
    {
        let what = format!("`{}` does not fit into a record of at most {room} bytes", last.name);
        diagnostics.push(Diagnostic::new(place.index(*i).key("offset"), what, ""));
    }
    (diagnostics.len() == before)
        .then(|| Payload::Custom(fields.into_iter().map(|(_, field)| field).collect()))
}

/// The maximum size of a record, which is larger than any event. A ring buffer record may have 2^30
/// bytes, but nobody copies one of that size.
const MAX_RECORD: u64 = 1 << 20;

pub(crate) fn has_values(layouts: &Layouts, id: TypeId) -> bool {
    let (_, ty) = layouts.btf.resolve(id);
    layouts.btf.contains(id)
        && layouts.layout(id).size > 0
        && !matches!(ty.kind, Kind::Variable { .. } | Kind::Section { .. } | Kind::DeclTag { .. })
}

pub(crate) fn no_values(layouts: &Layouts, id: TypeId) -> String {
    if layouts.btf.contains(id) {
        format!(
            "type {} of the object (`{}`) is not a complete data type",
            id.0,
            layouts.c_name(id)
        )
    } else {
        format!(
            "the object has no type {}, its last type is {}",
            id.0,
            layouts.btf.iter().count() - 1
        )
    }
}
