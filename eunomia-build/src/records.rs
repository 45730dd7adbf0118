//! The types of records that nobody names, found in the C source: those of the local variables that
//! receive or hold the records.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use eunomia_runtime::{
    __private::{Instruction, SendCall, send_calls},
    Skeleton,
    checked::{Checked, Payload, Stream},
    object::{Elf, MapDef, Symbol},
    skeleton::model::EventType,
};

use crate::dwarf::{Local, locals};

/// A type that was found for the records of a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) map: String,
    pub(crate) c_type: String,
    /// How it was found.
    pub(crate) how: String,
    /// The number of a source that knows the type.
    pub(crate) source: usize,
    /// True if the records are as long as the type. What the object itself says is stronger than a
    /// longer type.
    is_exact: bool,
    /// True if the linked object has the type.
    pub(crate) is_in_btf: bool,
}

impl Found {
    /// Returns a declaration that brings the type into BTF. User space does not see it.
    pub(crate) fn declaration(&self, number: usize) -> String {
        let c_type = &self.c_type;
        format!("static const volatile {c_type} *__eunomia_type_{number} __attribute__((used));\n")
    }
}

/// The instructions after a reservation in which the compiler may move its result.
const WINDOW: usize = 16;

/// Returns the types of the records of maps, of those that every call of the objects agrees on and
/// the linked object does not say. The objects are those that clang wrote, before they were linked.
pub(crate) fn find(objects: &[Vec<u8>], linked: &[u8]) -> Vec<Found> {
    let Some(linked) = check(linked) else { return Vec::new() };
    let sought: Vec<&Stream> = linked.streams.iter().filter(|of| is_sought(of, &linked)).collect();
    if sought.is_empty() {
        return Vec::new();
    }
    let is_new = |found: &Found| {
        let stream = sought.iter().find(|stream| stream.map == found.map);
        stream.is_some_and(|stream| match stream.payload {
            Payload::Type(known) => found.is_exact && linked.layouts.c_name(known) != found.c_type,
            _ => true,
        })
    };
    let found = claimed(objects).into_iter().filter(is_new);
    found.map(|found| Found { is_in_btf: linked.has_type(&found.c_type), ..found }).collect()
}

/// Returns what a linked object says, or `None` if it is faulty.
pub(crate) fn check(linked: &[u8]) -> Option<Checked> {
    Skeleton::from_object("linked", linked.to_vec(), "linked").ok()?.check().ok()
}

/// Writes what was found into a skeleton, for the maps whose types it does not name.
pub(crate) fn apply(skeleton: &mut Skeleton, records: Vec<Found>) {
    for found in records {
        let map = skeleton.maps.iter_mut().find(|map| map.name == found.map);
        if let Some(map) = map.filter(|map| map.event.is_none() && map.sample.is_none()) {
            map.event = Some(EventType::One(found.c_type));
            map.found = Some(found.how);
        }
    }
}

/// Reports whether the source may say more of the type of a map's records than the object does: if it
/// is not known, or if the definition of the map does not declare it.
fn is_sought(stream: &Stream, linked: &Checked) -> bool {
    let is_declared = |map: &MapDef| map.name == stream.map && map.records.is_some();
    match stream.payload {
        Payload::Bytes { .. } => stream.sampled.is_none(),
        Payload::Type(_) => stream.sampled.is_none() && !linked.maps.iter().any(is_declared),
        Payload::Custom(_) | Payload::Tagged(_) => false,
    }
}

/// Returns the types of the records of all maps.
fn claimed(objects: &[Vec<u8>]) -> Vec<Found> {
    let mut by_map: BTreeMap<String, Vec<Option<Found>>> = BTreeMap::new();
    for (source, object) in objects.iter().enumerate() {
        let Some((calls, elf)) = send_calls(object) else { return Vec::new() };
        let Ok(locals) = locals(object, &elf) else { return Vec::new() };
        for call in calls {
            // A call through any map could contradict what is found for each.
            let Some(map) = call.map.clone() else { return Vec::new() };
            let code = elf.sections.get(call.place.0).and_then(|section| section.bytes(object));
            let code = code.unwrap_or_default();
            let local = match call.is_reserved {
                true => receiver(&call, code, &locals),
                false => sender(&call, code, &elf, &locals),
            };
            let found = local.map(|local| Found {
                c_type: local.record.c_type.clone(),
                how: format!(
                    "the variable `{}` of `{}` {} it",
                    local.name,
                    local.function,
                    if call.is_reserved { "receives" } else { "holds" }
                ),
                map: map.clone(),
                source,
                is_exact: call.size == Some(local.record.size),
                is_in_btf: false,
            });
            by_map.entry(map).or_default().push(found);
        }
    }
    by_map.into_values().filter_map(agreed).collect()
}

/// Returns what all calls of a map say, if they say the same.
fn agreed(calls: Vec<Option<Found>>) -> Option<Found> {
    let all: Vec<Found> = calls.into_iter().collect::<Option<_>>()?;
    let types: BTreeSet<&str> = all.iter().map(|found| found.c_type.as_str()).collect();
    let is_one = types.len() == 1;
    let is_exact = all.iter().all(|found| found.is_exact);
    all.into_iter().next().filter(|_| is_one).map(|found| Found { is_exact, ..found })
}

/// Returns the variable that receives the memory of a reserved record: the one whose place becomes a
/// register with the result of the call, right after it.
fn receiver<'l>(call: &SendCall, code: &[u8], locals: &'l [Local]) -> Option<&'l Local> {
    let size = call.size?;
    // The registers that hold the result.
    let mut holding = BTreeSet::from([0u8]);
    let mut at = call.place.1.checked_add(8)?;
    let mut candidates: Vec<&Local> = Vec::new();
    for _ in 0..WINDOW {
        candidates.extend(locals.iter().filter(|local| {
            let mut registers = local.registers.iter();
            let is_held =
                registers.any(|(held, register)| held.start == at && holding.contains(register));
            local.section == call.place.0 && is_held && local.record.size == size
        }));
        let start = usize::try_from(at).ok()?;
        let Instruction { code: operation, target, source: from, .. } =
            Instruction::read(code.get(start..start.checked_add(Instruction::SIZE)?)?)?;
        match (operation & 7, operation) {
            // `BPF_ALU64 | BPF_MOV | BPF_X`
            (_, 0xbf) if holding.contains(&from) => {
                holding.insert(target);
            }
            // Loads and arithmetic.
            (0 | 1 | 4 | 7, _) => {
                holding.remove(&target);
            }
            // Stores.
            (2 | 3, _) => {}
            // Jumps and calls.
            _ => break,
        }
        at = at.checked_add(8)?;
    }
    one_type(candidates)
}

/// Returns the variable that a record is copied from: the one that is, or points to, the memory whose
/// address the call takes.
fn sender<'l>(call: &SendCall, code: &[u8], elf: &Elf, locals: &'l [Local]) -> Option<&'l Local> {
    let (name, range) = function(elf, call.place, code.len())?;
    // DWARF counts from the lowest place of the stack that the function uses.
    let frame = match call.frame {
        Some(offset) => Some(offset.checked_add(frame(code.get(range)?))?),
        None => None,
    };
    let held = held(call, code)?;
    let is_in = |at: &Range<u64>, register: u8| {
        held.iter()
            .any(|(holds, of)| *of == register && at.start <= holds.end && holds.start < at.end)
    };
    let is_sent = |local: &&Local| match frame {
        Some(place) => local.frames.contains(&place),
        None => local.registers.iter().any(|(at, register)| is_in(at, *register)),
    };
    let is_here = |local: &&Local| local.section == call.place.0 && local.function == name;
    let sent = locals.iter().filter(is_here).filter(is_sent);
    one_type(sent.filter(|local| local.record.fits(call.size)).collect())
}

/// Returns the bytes of the stack that a function uses.
fn frame(code: &[u8]) -> i64 {
    const FRAME: u8 = 10;
    let mut lowest = 0i64;
    // The register that is a copy of the frame pointer.
    let mut copy = None;
    for instruction in code.chunks_exact(Instruction::SIZE).filter_map(Instruction::read) {
        let Instruction { code: operation, target, source: from, offset, immediate } = instruction;
        let (offset, number) = (i64::from(offset), i64::from(immediate));
        match operation & 7 {
            // Loads and stores.
            1 if from == FRAME => lowest = lowest.min(offset),
            2 | 3 if target == FRAME => lowest = lowest.min(offset),
            // `BPF_ALU64 | BPF_ADD | BPF_K`
            7 if operation == 0x07 && copy == Some(target) => lowest = lowest.min(number),
            _ => {}
        }
        copy = (operation == 0xbf && from == FRAME).then_some(target);
    }
    (-lowest + 7) & !7
}

/// Returns the registers that hold the address that a call takes, each with the offsets at which it
/// does, from the start of the call's block on.
fn held(call: &SendCall, code: &[u8]) -> Option<Vec<(Range<u64>, u8)>> {
    let mut held = Vec::new();
    // The registers that hold it at the place that is reached, and the last place at which they do.
    let mut holding = BTreeMap::from([(call.register, call.place.1)]);
    let mut at = call.place.1;
    while let Some(before) = at.checked_sub(8).filter(|before| *before >= call.block) {
        let start = usize::try_from(before).ok()?;
        let Instruction { code: operation, target, source: from, .. } =
            Instruction::read(code.get(start..start.checked_add(Instruction::SIZE)?)?)?;
        let written = match (operation & 7, operation) {
            // The second half of a load of 64 bits.
            (_, 0) => 0..0,
            // Loads and arithmetic.
            (0 | 1 | 4 | 7, _) => target..target + 1,
            (_, Instruction::CALL) => 0..6,
            _ => 0..0,
        };
        for register in written {
            let Some(until) = holding.remove(&register) else { continue };
            held.push((at..until, register));
            // `BPF_ALU64 | BPF_MOV | BPF_X`
            if operation == 0xbf {
                holding.entry(from).or_insert(before);
            }
        }
        at = before;
    }
    held.extend(holding.into_iter().map(|(register, until)| (at..until, register)));
    Some(held)
}

/// Returns the function that an instruction is in: its name, and its place in a section of `len` bytes.
fn function(
    elf: &Elf,
    (section, offset): (usize, u64),
    len: usize,
) -> Option<(&str, Range<usize>)> {
    let is_here = |symbol: &&Symbol| symbol.function && symbol.section == section;
    let functions = || elf.symbols.iter().filter(is_here);
    let own = functions().filter(|symbol| symbol.offset <= offset);
    let own = own.max_by_key(|symbol| symbol.offset)?;
    let next = functions().map(|symbol| symbol.offset).filter(|next| *next > offset).min();
    let end = next.and_then(|next| usize::try_from(next).ok()).unwrap_or(len);
    Some((&own.name, usize::try_from(own.offset).ok()?..end))
}

/// Returns the first of variables that all have one type.
fn one_type(locals: Vec<&Local>) -> Option<&Local> {
    let (first, others) = locals.split_first()?;
    others.iter().all(|local| local.record == first.record).then_some(*first)
}
