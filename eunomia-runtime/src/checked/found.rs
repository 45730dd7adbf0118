//! The types of records that nobody names, found in the object.

use std::collections::{BTreeSet, HashMap};

use super::{
    Stream,
    evidence::{Claim, Evidence, same},
    payload::Payload,
    sizes,
};
use crate::{
    error::Found,
    object::{Layouts, MapDef, MapKind, TypeId, sends::Send},
    plain::name as cut,
    skeleton::{Skeleton, model::Map},
};

/// Compares the types of records with what programs send: refuses sizes that no declared type has,
/// refutes a type that only a pointer names, and finds types that nobody names. `declared` are the
/// types of the document, `pointed` those that pointers of the object name.
pub(super) fn weigh(
    skeleton: &Skeleton,
    layouts: &Layouts,
    maps: &[MapDef],
    (declared, pointed): (&[Option<TypeId>], &[TypeId]),
    streams: &mut [Stream],
    diagnostics: &mut Found,
) {
    let has_records =
        |stream: &Stream| maps.iter().any(|def| def.name == stream.map && def.records.is_some());
    let is_given = |map: &str| {
        let in_document = |known: &Map| known.name == map && known.event.is_some();
        skeleton.events.contains_key(map) || skeleton.maps.iter().any(in_document)
    };
    let is_pointed = |stream: &Stream| {
        declared.is_empty()
            && matches!(stream.payload, Payload::Type(id) if pointed == [id])
            && !has_records(stream)
            && !is_given(&stream.map)
    };
    let is_wanted = |stream: &Stream| {
        !skeleton.multiple_exports
            && matches!(stream.payload, Payload::Bytes { .. })
            && matches!(stream.kind, MapKind::RINGBUF | MapKind::PERF_EVENT_ARRAY)
            && stream.sampled.is_none()
    };
    let is_weighed =
        |stream: &Stream| has_records(stream) || is_pointed(stream) || is_wanted(stream);
    let Some(object) = skeleton.object.as_deref() else { return };
    if !streams.iter().any(is_weighed) {
        return;
    }
    let Some(evidence) = Evidence::read(object, layouts, maps) else {
        for stream in streams.iter_mut().filter(|stream| is_wanted(stream)) {
            if let Payload::Bytes { why } = &mut stream.payload {
                why.push_str(", and the programs take too long to follow");
            }
        }
        return;
    };
    sizes::check(skeleton, &evidence, layouts, maps, streams, diagnostics);
    let declared: Vec<TypeId> = declared.iter().copied().flatten().collect();
    let finder = Finder { layouts, evidence, declared };
    let numbers: HashMap<&str, usize> =
        maps.iter().enumerate().map(|(i, map)| (map.name.as_str(), i)).collect();
    for stream in streams {
        let Some(&map) = numbers.get(stream.map.as_str()) else { continue };
        if is_pointed(stream)
            && let [id] = pointed
            && let Some(why) = sizes::contradiction(&finder.evidence, layouts, map, *id)
        {
            let name = layouts.c_name(*id);
            let why = format!("the object declares `{}`, but {why}", cut(&name));
            stream.payload = Payload::Bytes { why };
        } else if is_wanted(stream)
            && let Payload::Bytes { why } = &mut stream.payload
        {
            match finder.find(map) {
                Ok((id, how)) => {
                    stream.payload = Payload::Type(id);
                    stream.found = Some(how);
                }
                Err(note) => {
                    why.push_str(", and ");
                    why.push_str(&note);
                }
            }
        }
    }
}

/// Finds the types of maps one by one.
struct Finder<'a> {
    layouts: &'a Layouts,
    evidence: Evidence<'a>,
    /// The types that the document declares.
    declared: Vec<TypeId>,
}

impl Finder<'_> {
    /// Returns the type of a map's records and how it was found, or why it was not.
    fn find(&self, map: usize) -> Result<(TypeId, String), String> {
        let sends: Vec<&Send> = self.evidence.sends(map).collect();
        if sends.is_empty() {
            return Err("no program sends records through the map".to_owned());
        }
        let do_what = what(&sends);
        let mut claims: Vec<Claim> = sends.iter().map(|send| self.evidence.claim(send)).collect();
        claims.dedup();
        let types = self.types(&claims);
        let others: BTreeSet<&str> = claims
            .iter()
            .filter_map(|claim| match claim {
                Claim::Other(other) => Some(other.as_str()),
                _ => None,
            })
            .collect();
        if let Some(other) = others.first() {
            return Err(format!("{do_what}, {other}"));
        }
        match types.as_slice() {
            [(id, how)] if !claims.contains(&Claim::Nothing) && self.may_be(*id) => {
                return Ok((*id, format!("{do_what}, {how}")));
            }
            [] | [_] => {}
            several => {
                let names = several.iter().map(|(id, _)| self.layouts.c_name(*id));
                return Err(format!("{do_what}: {}", list(names)));
            }
        }
        self.by_size(&sends, types.first().map(|(id, _)| *id), &do_what)
    }

    /// Returns the different types that claims name, each with its first reason.
    fn types<'c>(&self, claims: &'c [Claim]) -> Vec<(TypeId, &'c str)> {
        let mut types: Vec<(TypeId, &str)> = Vec::new();
        for claim in claims {
            if let Claim::Type(id, how) = claim
                && !types.iter().any(|(other, _)| same(self.layouts, *other, *id))
            {
                types.push((*id, how));
            }
        }
        types
    }

    /// Reports whether the document allows the type.
    fn may_be(&self, id: TypeId) -> bool {
        self.declared.is_empty() || self.declared.iter().any(|of| same(self.layouts, *of, id))
    }

    /// Returns the only type of the size that all records have, among those that the document
    /// declares or that variables bring into BTF. `known` is the type that some of the records have.
    fn by_size(
        &self,
        sends: &[&Send],
        known: Option<TypeId>,
        do_what: &str,
    ) -> Result<(TypeId, String), String> {
        let [size] = sizes(sends)[..] else { return Err(do_what.to_owned()) };
        let Some(size) = size else { return Err(do_what.to_owned()) };
        let candidates: Vec<(Option<&str>, TypeId)> = if self.declared.is_empty() {
            let unused = self.evidence.unused(size).iter();
            unused.map(|(name, id)| (Some(name.as_str()), *id)).collect()
        } else {
            let mut ids: Vec<TypeId> =
                self.declared.iter().map(|id| self.layouts.btf.resolve(*id).0).collect();
            ids.retain(|id| self.layouts.layout(*id).size == size);
            ids.sort_unstable();
            ids.dedup();
            ids.into_iter().map(|id| (None, id)).collect()
        };
        match candidates.as_slice() {
            [(variable, id)] if known.is_none_or(|known| same(self.layouts, known, *id)) => {
                let how = match variable {
                    Some(name) => format!(
                        "the unused variable `{}` names the only struct of that size",
                        cut(name)
                    ),
                    None => "the document declares only one type of that size".to_owned(),
                };
                Ok((*id, format!("{do_what}, and {how}")))
            }
            [] | [_] => Err(format!("{do_what}{}", self.of_size(size))),
            several => {
                let names = several.iter().map(|(_, id)| self.layouts.c_name(*id));
                Err(format!("{do_what}, the size of {}", list(names)))
            }
        }
    }

    /// Returns a note about the structs that have a size.
    fn of_size(&self, size: u64) -> String {
        let structs = self.evidence.structs(size).iter();
        let names = list(structs.map(|id| self.layouts.c_name(*id)));
        match names.is_empty() {
            true => ", a size that no struct of the object has".to_owned(),
            false => format!(", the size of {names}, which need not be their type"),
        }
    }
}

/// Returns the different sizes of records, the unknown one first.
fn sizes(sends: &[&Send]) -> Vec<Option<u64>> {
    let sizes: BTreeSet<Option<u64>> = sends.iter().map(|send| send.size).collect();
    sizes.into_iter().collect()
}

/// Returns what programs do: "the programs reserve 168 bytes".
fn what(sends: &[&Send]) -> String {
    let verb = if sends.iter().all(|send| send.reserved) { "reserve" } else { "send" };
    let sizes = sizes(sends);
    let known: Vec<String> = sizes.iter().flatten().take(8).map(u64::to_string).collect();
    let known = match known.as_slice() {
        [] => None,
        known => Some(format!("{} bytes", known.join(" or "))),
    };
    let unknown = sizes
        .contains(&None)
        .then(|| "a number of bytes that is known only at run time".to_owned());
    let texts: Vec<String> = known.into_iter().chain(unknown).collect();
    format!("the programs {verb} {}", texts.join(", or "))
}

/// Returns names in backquotes, with "or" between them.
fn list(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.take(8).map(|name| format!("`{}`", cut(&name))).collect();
    names.dedup();
    names.join(" or ")
}
