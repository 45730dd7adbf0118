//! Which maps deliver records to user space, and of what type.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    check::{check_once, list},
    declared::declared_type,
    tagged::{self, Tagged},
};
use crate::{
    fault::{Fault, Found, Place},
    object::{DataSection, Kind, Layouts, MapDef, MapKind, TypeId},
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
    /// [`MapKind::RINGBUF`], [`MapKind::PERF_EVENT_ARRAY`], or the kind of a map that is read at intervals.
    pub kind: MapKind,
    /// What its records hold, or the values of a map that is read at intervals.
    pub payload: Payload,
    /// Of a map that is read at intervals.
    pub sampled: Option<Sampled>,
    /// Of a ring buffer: where the programs count what found no room. By convention a global variable `<map>_dropped`, or `dropped` where
    /// one ring buffer is all that delivers; unsigned, of 4 or 8 bytes, in `.bss` or `.data`.
    pub dropped: Option<Dropped>,
    /// Where the document says so.
    pub place: Place,
}

/// A variable in which programs count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Its section.
    pub section: String,
    /// Bytes from the start of the section.
    pub offset: u64,
    /// Bytes of the variable.
    pub size: u64,
}

/// How a map is read at intervals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// The type of its keys; `None` where the object does not tell.
    pub key: Option<TypeId>,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Milliseconds between two readings.
    pub interval: u64,
    /// Whether its entries are taken out.
    pub clear: bool,
}

impl Layouts {
    /// Bytes that a record with these members has at least; see [`Layout::least`](crate::object::Layout::least).
    pub fn least_of(&self, fields: &[CustomField]) -> u64 {
        let Some(last) = fields.iter().max_by_key(|field| field.offset) else { return 0 };
        match self.btf.resolve(last.ty).1.kind {
            Kind::Array { .. } => last.offset,
            _ => last.offset + self.layout(last.ty).least(),
        }
    }
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A type of the object.
    Type(TypeId),
    /// Members that the document picks, by offset, without overlap.
    Custom(Vec<CustomField>),
    /// One of several types of the object.
    Tagged(Tagged),
    /// Bytes of an unknown type.
    Bytes {
        /// Why the type is unknown.
        why: String,
    },
}

/// A member of a custom type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomField {
    /// Any text.
    pub name: String,
    /// Bytes from the start of the record.
    pub offset: u64,
    /// Its type.
    pub ty: TypeId,
}

/// Resolves every ring buffer, perf event array and map that is read at intervals, in the document's order, then in the object's. Perf
/// event arrays that are `counters` to the programs deliver nothing.
pub(crate) fn resolve(
    skeleton: &Skeleton,
    layouts: &Layouts,
    (maps, counters): (&[MapDef], &BTreeSet<String>),
    sections: &[DataSection],
    faults: &mut Found,
) -> Vec<Stream> {
    // The first struct of each name that is asked for.
    let asked = skeleton.exports.iter().filter(|export| export.type_id.is_none()).map(|export| export.name.as_str());
    let asked: HashSet<&str> = asked.collect();
    let mut structs = HashMap::new();
    for (id, ty) in layouts.btf.iter().filter(|(_, ty)| matches!(ty.kind, Kind::Struct { .. } | Kind::Union { .. })) {
        if asked.contains(ty.name.as_str()) {
            structs.entry(ty.name.as_str()).or_insert(id);
        }
    }
    let mut declared: Vec<Option<TypeId>> = skeleton
        .exports
        .iter()
        .enumerate()
        .map(|(i, export)| declared_type(skeleton, export, &skeleton.exports_place().index(i), layouts, &structs, faults))
        .collect();
    // A type that is declared twice is one.
    declared.dedup();
    let place = skeleton.skel_place().key("maps");
    let sampled: HashSet<&str> = skeleton.maps.iter().filter(|map| map.sample.is_some()).map(|map| map.name.as_str()).collect();
    let is_ring = |def: &MapDef| match def.kind {
        MapKind::RINGBUF => true,
        MapKind::PERF_EVENT_ARRAY => !counters.contains(&def.name),
        _ => false,
    };
    let exported = |map: &crate::skeleton::model::Map| !matches!(map.export, ExportConfig::None) && counters.contains(&map.name);
    for (i, map) in skeleton.maps.iter().enumerate().filter(|(_, map)| exported(map)) {
        let what = format!("programs read counters from the perf event array `{}` and send no records through it", map.name);
        faults.push(Fault::new(place.index(i).key("export_config"), what, "remove the key; the handle of the map takes perf events"));
    }
    let streams = |def: &&MapDef| is_ring(def) || sampled.contains(def.name.as_str());
    let defs: HashMap<&str, &MapDef> = maps.iter().filter(streams).map(|def| (def.name.as_str(), def)).collect();
    let names: HashSet<&str> = skeleton.maps.iter().map(|map| map.name.as_str()).collect();
    for (i, map) in skeleton.maps.iter().enumerate().filter(|(_, map)| map.sample.is_some() && map.name.contains('.')) {
        let what = format!("the map `{}` holds the variables of a section, which are not read at intervals", map.name);
        faults.push(Fault::new(place.index(i).key("sample"), what, "remove the key; put what is to be read into a map of its own"));
    }
    let listed = skeleton.maps.iter().enumerate().filter_map(|(i, map)| {
        let def = *defs.get(map.name.as_str())?;
        Some((def, place.index(i), &map.export, map.sample.as_ref()))
    });
    let unlisted = maps.iter().filter(streams).filter(|def| !names.contains(def.name.as_str()));
    let all: Vec<_> = listed.chain(unlisted.map(|def| (def, place.clone(), &ExportConfig::None, None))).collect();

    let count = all.len();
    let single = single_mode(&declared, &skeleton.exports, &dummies(layouts, sections), all.len(), layouts);
    let unknown = skeleton.events.keys().filter(|map| !defs.contains_key(map.as_str()));
    faults.extend(unknown.map(|map| {
        let what = format!(
            "no map `{map}` delivers records, those that do are {}",
            list(defs.keys().copied().collect::<BTreeSet<_>>().into_iter())
        );
        let meant = near(map, defs.keys().copied().collect::<BTreeSet<_>>()).map(|meant| format!("did you mean `{meant}`?"));
        Fault::new(Place::default().key("events").key(map), what, meant.unwrap_or_else(|| "name one of them".to_owned()))
    }));
    all.into_iter()
        .filter_map(|(def, place, config, sample)| {
            let sampled = match sample {
                Some(sample) => Some(sampling(def, sample, &place.key("sample"), faults)?),
                None => None,
            };
            let payload = if let Some(event) = skeleton.events.get(&def.name) {
                let place = Place::default().key("events").key(&def.name);
                match event {
                    EventType::One(c_type) => Payload::Type(named(c_type, &place, layouts, faults)?),
                    EventType::Tagged { .. } if sampled.is_some() => {
                        let what = format!("the values of `{}` are all of one type, as it is read at intervals", def.name);
                        faults.push(Fault::new(place, what, "name that type"));
                        return None;
                    }
                    EventType::Tagged { member, types } => Payload::Tagged(tagged::resolve(member, types, &place, layouts, faults)?),
                }
            } else if skeleton.multiple_exports {
                multiple_mode(config, sampled.is_some().then_some(def), &place.key("export_config"), layouts, faults)?
            } else if sampled.is_some() && !matches!(single, Payload::Type(_)) {
                own_value(def, layouts)
            } else {
                single.clone()
            };
            if let (Payload::Type(id), true) = (&payload, sampled.is_some()) {
                fits(layouts, *id, def, &place, faults);
            }
            let dropped = if def.kind == MapKind::RINGBUF { dropped(&def.name, count == 1, layouts, sections) } else { None };
            Some(Stream { map: def.name.clone(), kind: def.kind, payload, sampled, dropped, place })
        })
        .collect()
}

/// The variable in which programs count the records of a ring buffer that found no room.
fn dropped(map: &str, alone: bool, layouts: &Layouts, sections: &[DataSection]) -> Option<Dropped> {
    let own = format!("{map}_dropped");
    let counts = |id| matches!(layouts.btf.resolve(id).1.kind, Kind::Int { size: 4 | 8, signed: false, bool: false, .. });
    let variables = sections
        .iter()
        .filter(|section| !section.read_only())
        .flat_map(|section| section.variables.iter().filter(|variable| counts(variable.ty)).map(move |variable| (section, variable)));
    let named = |name: &str| variables.clone().find(|(_, variable)| variable.name == name);
    let (section, variable) = named(&own).or_else(|| if alone { named("dropped") } else { None })?;
    Some(Dropped { section: section.name.clone(), offset: variable.offset, size: variable.size })
}

/// The values of a map that is read at intervals, as its definition tells.
fn own_value(def: &MapDef, layouts: &Layouts) -> Payload {
    match def.value.filter(|id| has_values(layouts, *id)) {
        Some(id) => Payload::Type(id),
        None => Payload::Bytes { why: "the map is defined by sizes alone".to_owned() },
    }
}

/// How a map is read at intervals, where that can be done.
fn sampling(def: &MapDef, sample: &Sample, place: &Place, faults: &mut Found) -> Option<Sampled> {
    const WITH_ENTRIES: [MapKind; 7] =
        [MapKind::HASH, MapKind::LRU_HASH, MapKind::ARRAY, MapKind::LPM_TRIE, MapKind::DEVMAP, MapKind::DEVMAP_HASH, MapKind::CPUMAP];
    if !WITH_ENTRIES.contains(&def.kind) {
        let what = format!("a map of type {} has no entries that could be read at intervals", def.kind);
        faults.push(Fault::new(place.clone(), what, "remove the key; per-CPU maps have samplers of their own"));
        return None;
    }
    let Sample { interval, clear_map, .. } = *sample;
    Some(Sampled { key: def.key, key_size: def.key_size, value_size: def.value_size, interval, clear: clear_map })
}

/// Refuses a type with more bytes than the map's values have.
fn fits(layouts: &Layouts, id: TypeId, def: &MapDef, place: &Place, faults: &mut Found) {
    let size = layouts.layout(id).size;
    if size > def.value_size.into() {
        let what = format!("`{}` has {size} bytes, the values of the map have {}", layouts.c_name(id), def.value_size);
        faults.push(Fault::new(place.clone(), what, "name the type of the map's values"));
    }
}

/// The type that the application names.
pub(crate) fn named(c_type: &str, place: &Place, layouts: &Layouts, faults: &mut Found) -> Option<TypeId> {
    // Of a type with a name that is all of what it is called; others are spelled out for it alone.
    let spelled = c_type.contains(['*', '[', '(']);
    let candidates = || layouts.btf.iter().filter(|(_, ty)| spelled || !ty.name.is_empty()).map(|(id, _)| id);
    let found = candidates().find(|id| layouts.c_name(*id) == c_type && has_values(layouts, *id));
    if found.is_none() {
        let named = candidates().filter(|id| !layouts.btf.get(*id).name.is_empty() && has_values(layouts, *id));
        let names: Vec<String> = named.map(|id| layouts.c_name(id)).collect();
        let todo = match meant(c_type, &names) {
            Some(meant) => format!("did you mean `{meant}`? Else {}", declare(c_type)),
            None => declare(c_type),
        };
        faults.push(Fault::new(place.clone(), format!("the object has no type `{c_type}` with values"), todo));
    }
    found
}

/// How a type gets into BTF: the compiler leaves those out that only local variables have.
fn declare(c_type: &str) -> String {
    let c_type = if c_type.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ')) { c_type } else { "struct event" };
    format!("add `const {c_type} *unused __attribute__((unused));` to the C source: BTF has the types that globals and maps lead to")
}

/// The type that was meant, where its kind may have been left out too: `evnt` for `struct event`.
fn meant<'a>(c_type: &str, names: &'a [String]) -> Option<&'a str> {
    fn bare(name: &str) -> &str {
        ["struct ", "union ", "enum "].into_iter().find_map(|kind| name.strip_prefix(kind)).unwrap_or(name).trim()
    }
    let known = || names.iter().map(String::as_str);
    let of = |name: &str| known().find(|known| bare(known) == name);
    let name = bare(c_type);
    // A slip of one key; what merely looks alike is another type.
    let slip = |meant: &&str| meant.len().abs_diff(name.len()) <= 1 && name.len() > 3;
    of(name).or_else(|| of(near(name, known().map(bare)).filter(slip)?))
}

/// The types that the object declares with the compiler's convention, a global `const volatile struct T *__eunomia_dummy_T_ptr`, or else
/// with that of other generators, `const struct T *unused`.
fn dummies(layouts: &Layouts, sections: &[DataSection]) -> Vec<TypeId> {
    let variables = || sections.iter().flat_map(|section| &section.variables);
    let own: Vec<TypeId> =
        variables().filter(|variable| variable.is_dummy()).filter_map(|variable| pointee(layouts, variable.ty)).collect();
    if !own.is_empty() {
        return own;
    }
    let unused = variables().filter(|variable| is_unused(&variable.name)).filter_map(|variable| record(layouts, variable.ty));
    let mut unused: Vec<TypeId> = unused.collect();
    unused.sort_unstable();
    unused.dedup();
    unused
}

/// `unused`, `unused_event`, `_unused`, `event_unused`, `unused2`.
fn is_unused(name: &str) -> bool {
    name.trim_matches('_').trim_end_matches(|c: char| c.is_ascii_digit()).split('_').any(|word| word == "unused")
}

/// The struct or union that a pointer leads to; one without a name by its typedef.
fn record(layouts: &Layouts, id: TypeId) -> Option<TypeId> {
    let Kind::Pointer { to } = layouts.btf.resolve(id).1.kind else { return None };
    pointee(layouts, id).or_else(|| {
        let (id, ty) = layouts.btf.unmodified(to);
        let is_record = matches!(layouts.btf.resolve(id).1.kind, Kind::Struct { .. } | Kind::Union { .. });
        (is_record && matches!(ty.kind, Kind::Typedef { .. })).then_some(id)
    })
}

/// The struct or union with a name that a pointer leads to.
pub(crate) fn pointee(layouts: &Layouts, id: TypeId) -> Option<TypeId> {
    let Kind::Pointer { to } = layouts.btf.resolve(id).1.kind else { return None };
    let (id, ty) = layouts.btf.resolve(to);
    (matches!(ty.kind, Kind::Struct { .. } | Kind::Union { .. }) && !ty.name.is_empty()).then_some(id)
}

/// In single mode the one export type belongs to the one map that delivers. Anything else would be a guess.
fn single_mode(declared: &[Option<TypeId>], exports: &[Export], dummies: &[TypeId], streams: usize, layouts: &Layouts) -> Payload {
    let bytes = |why: String| Payload::Bytes { why };
    match (declared, dummies, streams) {
        ([Some(id)], _, 1) | ([], [id], 1) => Payload::Type(*id),
        ([], [], _) => bytes("the document declares no export type".to_owned()),
        ([], ..) => {
            let names: Vec<String> = dummies.iter().map(|id| layouts.c_name(*id)).collect();
            bytes(format!("the object declares {}, and {streams} maps deliver records", list(names.iter().map(String::as_str))))
        }
        ([_], _, 1) => bytes("its export type is faulty".to_owned()),
        ([_], ..) => bytes(format!("the document declares one export type, and {streams} maps deliver records")),
        _ => bytes(format!("the document does not say which of {} it is", list(exports.iter().map(|export| export.name.as_str())))),
    }
}

/// In multiple mode each map names its type; `None` where it is not exported.
fn multiple_mode(config: &ExportConfig, sampled: Option<&MapDef>, place: &Place, layouts: &Layouts, faults: &mut Found) -> Option<Payload> {
    match config {
        ExportConfig::None => None,
        ExportConfig::Default if sampled.is_some() => sampled.map(|def| own_value(def, layouts)),
        ExportConfig::Default => {
            faults.push(Fault::new(
                place.clone(),
                "`default` is the value type of a sampled map, and a ring buffer or perf event array has none",
                "name the type: {\"btf_type_id\": N}",
            ));
            None
        }
        ExportConfig::BtfType(id) => {
            let id = TypeId(*id);
            if has_values(layouts, id) {
                return Some(Payload::Type(id));
            }
            faults.push(Fault::new(place.key("btf_type_id"), no_values(layouts, id), "take the id from `bpftool btf dump file <object>`"));
            None
        }
        ExportConfig::Custom(members) => {
            let room = sampled.map_or(MAX_RECORD, |def| def.value_size.into());
            custom(members, room, &place.key("custom_members"), layouts, faults)
        }
    }
}

fn custom(members: &[CustomMember], room: u64, place: &Place, layouts: &Layouts, faults: &mut Found) -> Option<Payload> {
    let before = faults.len();
    let mut fields = Vec::new();
    check_once("member", members.iter().map(|member| member.name.as_str()), place, faults);
    for (i, member) in members.iter().enumerate() {
        let ty = TypeId(member.type_id);
        if has_values(layouts, ty) {
            fields.push((i, CustomField { name: member.name.clone(), offset: member.offset.into(), ty }));
        } else {
            faults.push(Fault::new(place.index(i).key("btf_type_id"), no_values(layouts, ty), ""));
        }
    }
    if members.is_empty() {
        faults.push(Fault::new(place.clone(), "the list is empty", "list the members, or use {\"btf_type_id\": N}"));
    }
    fields.sort_by_key(|(_, field)| field.offset);
    for pair in fields.windows(2) {
        if let [(_, a), (i, b)] = pair
            && a.offset + layouts.layout(a.ty).size > b.offset
        {
            faults.push(Fault::new(place.index(*i).key("offset"), format!("`{}` overlaps `{}`", b.name, a.name), ""));
        }
    }
    if let Some((i, last)) = fields.last()
        && last.offset + layouts.layout(last.ty).size > room
    {
        let what = format!("`{}` ends behind {room} bytes, and no record is that long", last.name);
        faults.push(Fault::new(place.index(*i).key("offset"), what, ""));
    }
    (faults.len() == before).then(|| Payload::Custom(fields.into_iter().map(|(_, field)| field).collect()))
}

/// Longer than any event; a ring buffer record may have 2^30 bytes, and nobody copies that.
const MAX_RECORD: u64 = 1 << 20;

pub(crate) fn has_values(layouts: &Layouts, id: TypeId) -> bool {
    let (_, ty) = layouts.btf.resolve(id);
    layouts.btf.contains(id)
        && layouts.layout(id).size > 0
        && !matches!(ty.kind, Kind::Variable { .. } | Kind::Section { .. } | Kind::DeclTag { .. })
}

pub(crate) fn no_values(layouts: &Layouts, id: TypeId) -> String {
    if layouts.btf.contains(id) {
        format!("type {} of the object (`{}`) has no values", id.0, layouts.c_name(id))
    } else {
        format!("the object has no type {}, its last is {}", id.0, layouts.btf.iter().count() - 1)
    }
}
