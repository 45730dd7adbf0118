//! Decoding of BTF by btf-rs, within limits: the header, the counts and the names are checked before
//! memory is allocated for them.

use std::collections::BTreeSet;

use btf_rs::{Btf as Raw, BtfType, Type as RawType};

use super::{
    btf::{BtfError, Kind, Linkage, Member, Slot, Type, TypeId, VOID},
    relocations::{size, word},
};

/// The longest name that the kernel accepts (`KSYM_NAME_LEN` including its NUL). Any number of
/// types can share one name, and each gets its own copy.
pub(crate) const MAX_NAME: usize = 511;

/// Checks the header. btf-rs allocates memory according to its lengths, so they must fit into the
/// section.
pub(crate) fn check_header(bytes: &[u8]) -> Result<(), BtfError> {
    let word = |at: usize| {
        bytes
            .get(at..at + 4)
            .and_then(|word| word.try_into().ok())
            .map(u32::from_le_bytes)
            .map(u64::from)
    };
    let (Some(magic), Some(header), Some(type_off), Some(type_len), Some(str_off), Some(str_len)) =
        (bytes.get(..2), word(4), word(8), word(12), word(16), word(20))
    else {
        return Err(BtfError(format!(
            "the section has {} bytes, too few for its header of 24",
            bytes.len()
        )));
    };
    if magic != [0x9f, 0xeb] {
        return Err(BtfError("it does not start with the little-endian magic 0xeb9f".to_owned()));
    }
    let size = bytes.len() as u64;
    for (what, offset, len) in [("types", type_off, type_len), ("strings", str_off, str_len)] {
        if header + offset + len > size {
            return Err(BtfError(format!(
                "its {what} end at byte {}, but the section ends at byte {size}",
                header + offset + len
            )));
        }
    }
    Ok(())
}

/// More types than any kernel has with all its modules; BPF objects have a hundredth of it.
const MAX_TYPES: usize = 1 << 19;
/// Total number of members, constants, parameters and variables.
const MAX_ITEMS: usize = 1 << 20;
/// Total bytes of all names. Any number of types can share one name, and each gets its own copy.
const MAX_NAMES: usize = 32 << 20;

/// Limits what decoding can allocate, before anything is decoded: a few kilobytes of compressed BTF
/// could otherwise make it allocate gigabytes.
pub(super) fn check_counts(bytes: &[u8]) -> Result<(), BtfError> {
    const RECORD: usize = 12;
    // The header was checked; parts that it does not describe are left to the decoder.
    let part = |at: usize| {
        let start = size(bytes, 4)?.checked_add(size(bytes, at)?)?;
        bytes.get(start..start.checked_add(size(bytes, at.checked_add(4)?)?)?)
    };
    let (Some(types), Some(strings)) = (part(8), part(16)) else { return Ok(()) };
    let length = |at: Option<u32>| {
        let rest = at.and_then(|at| strings.get(usize::try_from(at).ok()?..)).unwrap_or_default();
        rest.iter().take(MAX_NAME + 1).take_while(|byte| **byte != 0).count()
    };
    let (mut count, mut items, mut names, mut at) = (0, 0, 0, 0);
    while let Some(info) = word(types, at + 4) {
        // The bytes after the record and the bytes of each item. All items but those of kind 15
        // (`DATASEC`) begin with a name.
        let (kind, many) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        let (each, fixed) = match kind {
            1 | 14 | 17 => (0, 4),
            3 => (0, 12),
            4 | 5 | 15 | 19 => (12, 0),
            6 | 13 => (8, 0),
            _ => (0, 0),
        };
        count += 1;
        names += length(word(types, at));
        at += RECORD + fixed;
        if each > 0 {
            items += many;
            if kind != 15 {
                names += (0..many).map(|item| length(word(types, at + item * each))).sum::<usize>();
            }
            at += many * each;
        }
        for (what, found, most) in
            [("types", count, MAX_TYPES), ("members and constants", items, MAX_ITEMS)]
        {
            if found > most {
                return Err(BtfError(format!(
                    "it has more than {most} {what}, more than any compiler writes"
                )));
            }
        }
        if names > MAX_NAMES {
            return Err(BtfError(format!(
                "its names exceed {} MiB, more than any compiler writes",
                MAX_NAMES >> 20
            )));
        }
    }
    Ok(())
}

/// Returns the types in the prototypes of global functions.
pub(super) fn signatures(raw: &Raw, last: u32) -> Vec<TypeId> {
    let id = |of: &dyn BtfType| TypeId(of.get_type_id().unwrap_or(0));
    let mut types = BTreeSet::new();
    for at in 1..=last {
        let Ok(RawType::Func(function)) = raw.resolve_type_by_id(at) else { continue };
        if !function.is_global() {
            continue;
        }
        if let Ok(RawType::FuncProto(prototype)) = raw.resolve_type_by_id(id(&function).0) {
            types.insert(TypeId(prototype.return_type_id()));
            types.extend(prototype.parameters.iter().map(|parameter| id(parameter)));
        }
    }
    types.into_iter().collect()
}

pub(crate) fn decode(raw: &Raw, id: u32) -> Result<Type, BtfError> {
    let fail = |error: btf_rs::Error| BtfError(format!("type {id}: {error}"));
    let name = |of: &dyn BtfType| match of.get_name_offset() {
        None | Some(0) => Ok(String::new()),
        Some(_) => {
            let name = raw.resolve_name(of).map_err(fail)?;
            if name.len() <= MAX_NAME {
                Ok(name)
            } else {
                Err(BtfError(format!("type {id} has a name of {} bytes", name.len())))
            }
        }
    };
    let to = |of: &dyn BtfType| TypeId(of.get_type_id().unwrap_or(0));
    let size = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
    let members = |of: &btf_rs::Struct| {
        of.members
            .iter()
            .map(|member| {
                Ok(Member {
                    name: name(member)?,
                    ty: to(member),
                    bit_offset: member.bit_offset(),
                    // btf-rs returns 0 for the ordinary members of a struct that has bit fields.
                    bits: member.bitfield_size().filter(|&bits| bits != 0),
                })
            })
            .collect::<Result<Vec<_>, BtfError>>()
    };
    let ty = raw.resolve_type_by_id(id).map_err(fail)?;
    let named = |of: &dyn BtfType, kind| Ok(Type { name: name(of)?, kind });
    match &ty {
        RawType::Void => Ok(VOID.clone()),
        RawType::Int(int) => named(
            int,
            Kind::Int { size: size(int.size()), signed: int.is_signed(), bool: int.is_bool() },
        ),
        RawType::Float(float) => named(float, Kind::Float { size: size(float.size()) }),
        RawType::Ptr(pointer) => named(pointer, Kind::Pointer { to: to(pointer) }),
        RawType::Array(array) => {
            named(array, Kind::Array { element: to(array), len: size(array.len()) })
        }
        RawType::Struct(of) => {
            named(of, Kind::Struct { size: size(of.size()), members: members(of)? })
        }
        RawType::Union(of) => {
            named(of, Kind::Union { size: size(of.size()), members: members(of)? })
        }
        RawType::Enum(of) => {
            let signed = of.is_signed();
            let size = size(of.size());
            let value = |value: u32| {
                let wide = if signed {
                    i64::from(value.cast_signed()).cast_unsigned()
                } else {
                    value.into()
                };
                fit(wide, size, signed)
            };
            let values = of
                .members
                .iter()
                .map(|member| Ok((name(member)?, value(member.val()))))
                .collect::<Result<_, BtfError>>()?;
            named(of, Kind::Enum { size, signed, values })
        }
        RawType::Enum64(of) => {
            let signed = of.is_signed();
            let size = size(of.size());
            let value = |value: u64| fit(value, size, signed);
            let values = of
                .members
                .iter()
                .map(|member| Ok((name(member)?, value(member.val()))))
                .collect::<Result<_, BtfError>>()?;
            named(of, Kind::Enum { size, signed, values })
        }
        RawType::Fwd(forward) => named(forward, Kind::Forward),
        RawType::Typedef(typedef) => named(typedef, Kind::Typedef { to: to(typedef) }),
        RawType::Volatile(modifier) => {
            named(modifier, Kind::Modifier { to: to(modifier), keyword: "volatile" })
        }
        RawType::Const(modifier) => {
            named(modifier, Kind::Modifier { to: to(modifier), keyword: "const" })
        }
        RawType::Restrict(modifier) => {
            named(modifier, Kind::Modifier { to: to(modifier), keyword: "restrict" })
        }
        RawType::TypeTag(tag) => named(tag, Kind::Modifier { to: to(tag), keyword: "" }),
        RawType::Func(function) => named(function, Kind::Function),
        RawType::FuncProto(_) => Ok(Type { name: String::new(), kind: Kind::Prototype }),
        RawType::Var(variable) => {
            let linkage = match (variable.is_global(), variable.is_extern()) {
                (true, _) => Linkage::Global,
                (_, true) => Linkage::Extern,
                _ => Linkage::Static,
            };
            named(variable, Kind::Variable { ty: to(variable), linkage })
        }
        RawType::Datasec(section) => {
            let variables = section
                .variables
                .iter()
                .map(|slot| Slot {
                    variable: to(slot),
                    offset: slot.offset(),
                    size: size(slot.size()),
                })
                .collect();
            named(section, Kind::Section { variables })
        }
        RawType::DeclTag(tag) => {
            named(tag, Kind::DeclTag { on: to(tag), component: tag.component_index() })
        }
        other => Err(BtfError(format!("type {id} has the unsupported kind {}", other.name()))),
    }
}

/// Returns the value of an enum constant as a variable of the enum holds it. BTF stores 32 or 64
/// bits for each constant, whatever the size of the enum.
fn fit(value: u64, size: u32, signed: bool) -> i128 {
    let unused = 64 - size.clamp(1, 8) * 8;
    let value = value << unused;
    if signed { i128::from(value.cast_signed() >> unused) } else { i128::from(value >> unused) }
}
