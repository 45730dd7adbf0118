//! The types of records that nobody names, found in the C source: those of the local variables that
//! receive or hold the records.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use eunomia_runtime::{
    __private::{SendCall, send_calls},
    Skeleton,
    checked::{Checked, Payload},
    object::Elf,
    skeleton::model::EventType,
};

use crate::{
    dwarf::{Local, locals},
    files,
};

/// A type that was found for the records of a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) map: String,
    pub(crate) c_type: String,
    /// How it was found.
    pub(crate) how: String,
    /// The number of a source that knows the type.
    pub(crate) source: usize,
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

/// Returns the types of the records of maps that have none otherwise, of those that every call of
/// the objects agrees on. The objects are those that clang wrote from `files`, before they were
/// linked.
pub(crate) fn find(objects: &[Vec<u8>], linked: &[u8], files: &[PathBuf]) -> Vec<Found> {
    let Some(linked) = check(linked) else { return Vec::new() };
    let untyped = untyped(&linked);
    if untyped.is_empty() {
        return Vec::new();
    }
    let found =
        claimed(objects, &texts(files)).into_iter().filter(|found| untyped.contains(&*found.map));
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

/// Returns the ring buffers and perf event arrays of an object whose records are bytes.
fn untyped(linked: &Checked) -> BTreeSet<&str> {
    let untyped = linked.streams.iter().filter(|stream| {
        matches!(stream.payload, Payload::Bytes { .. }) && stream.sampled.is_none()
    });
    untyped.map(|stream| stream.map.as_str()).collect()
}

/// Returns the texts of files. A larger file has the types of a kernel, and sends nothing.
fn texts(files: &[PathBuf]) -> Vec<String> {
    const LARGEST: usize = 1 << 20;
    let texts = files.iter().filter_map(|path| files::read(path).ok());
    let texts = texts.filter(|text| text.len() <= LARGEST);
    texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect()
}

/// Returns the types of the records of all maps.
fn claimed(objects: &[Vec<u8>], texts: &[String]) -> Vec<Found> {
    let mut by_map: BTreeMap<String, Vec<Option<Found>>> = BTreeMap::new();
    for (source, object) in objects.iter().enumerate() {
        let Some((calls, elf)) = send_calls(object) else { return Vec::new() };
        let Ok(locals) = locals(object, &elf) else { return Vec::new() };
        for call in calls {
            // A call through any map could contradict what is found for each.
            let Some(map) = call.map.clone() else { return Vec::new() };
            let code = elf.sections.get(call.place.0).and_then(|section| section.bytes(object));
            let local = match call.is_reserved {
                true => receiver(&call, code.unwrap_or_default(), &locals),
                false => sender(&call, function(&elf, call.place), &locals, texts),
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
    if types.len() > 1 { None } else { all.into_iter().next() }
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
            let is_held =
                local.registers.iter().any(|(begin, held)| *begin == at && holding.contains(held));
            local.section == call.place.0 && is_held && local.record.size == size
        }));
        let start = usize::try_from(at).ok()?;
        let [operation, registers, ..] = *code.get(start..start.checked_add(8)?)? else {
            return None;
        };
        let (target, from) = (registers & 0xf, registers >> 4);
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

/// Returns the variable that a record is copied from: one of the record's size that the call's line
/// names, itself and not a member of it.
fn sender<'l>(
    call: &SendCall,
    function: Option<&str>,
    locals: &'l [Local],
    texts: &[String],
) -> Option<&'l Local> {
    let (size, (number, line), function) = (call.size?, call.line.as_ref()?, function?);
    let statement = statement(*number, line, texts);
    let named = locals.iter().filter(|local| {
        local.section == call.place.0
            && local.function == function
            && local.record.size == size
            && is_named(&statement, &local.name)
    });
    one_type(named.collect())
}

/// Returns a line, with the lines after it that belong to its statement.
fn statement(number: u32, line: &str, texts: &[String]) -> String {
    /// The most lines of a call.
    const LINES: usize = 8;
    let before = (number as usize).saturating_sub(1);
    let found = texts.iter().find_map(|text| {
        let mut lines = text.lines().skip(before).peekable();
        (lines.peek()?.trim() == line.trim()).then_some(lines)
    });
    let Some(lines) = found else { return line.to_owned() };
    let mut statement = String::new();
    for line in lines.take(LINES) {
        statement.push_str(line);
        statement.push('\n');
        if line.contains(';') {
            break;
        }
    }
    statement
}

/// Reports whether a line has a variable as a whole.
fn is_named(line: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let (before, after) = (line.get(..at), line.get(at + name.len()..));
        // Not a part of another name, nor a member.
        let begins =
            before.is_some_and(|text| !text.ends_with(|c| is_word(c) || matches!(c, '.' | '>')));
        let ends = after.is_some_and(|text| {
            !text.starts_with(is_word) && !text.trim_start().starts_with(['.', '-', '[', '('])
        });
        begins && ends && !name.is_empty()
    })
}

/// Returns the function that an instruction is in.
fn function(elf: &Elf, (section, offset): (usize, u64)) -> Option<&str> {
    let functions = elf
        .symbols
        .iter()
        .filter(|symbol| symbol.function && symbol.section == section && symbol.offset <= offset);
    functions.max_by_key(|symbol| symbol.offset).map(|symbol| symbol.name.as_str())
}

/// Returns the first of variables that all have one type.
fn one_type(locals: Vec<&Local>) -> Option<&Local> {
    let (first, others) = locals.split_first()?;
    others.iter().all(|local| local.record == first.record).then_some(*first)
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn line_names_whole_variables() {
        let line = "bpf_ringbuf_output(&rb, &event, sizeof(*e), a->b, c.d, f[0]);";
        for (name, expected) in [
            ("event", true),
            ("e", true),
            ("rb", true),
            ("vent", false),
            ("a", false),
            ("b", false),
            ("c", false),
            ("d", false),
            ("f", false),
            ("sizeof", false),
            ("", false),
        ] {
            assert_eq!(is_named(line, name), expected, "{name}");
        }
    }
}
