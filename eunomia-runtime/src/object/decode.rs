//! Decoding of BTF by btf-rs, within limits: the header, the counts and the names are checked
//! before memory is allocated for them.

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
pub(crate) const MAX_NAMES: usize = 32 << 20;

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
    let mut types = BTreeSet::new();
    for at in 1..=last {
        let Ok(RawType::Func(function)) = raw.resolve_type_by_id(at) else { continue };
        if !function.is_global() {
            continue;
        }
        if let Ok(RawType::FuncProto(prototype)) = raw.resolve_type_by_id(to(&function).0) {
            types.insert(TypeId(prototype.return_type_id()));
            types.extend(prototype.parameters.iter().map(|parameter| to(parameter)));
        }
    }
    types.into_iter().collect()
}

/// Returns the type with this id.
pub(crate) fn decode(raw: &Raw, id: u32) -> Result<Type, BtfError> {
    Decoder { raw, id }.decode()
}

/// Decodes one type, whose id is in the message of every error.
struct Decoder<'b> {
    raw: &'b Raw,
    id: u32,
}

impl Decoder<'_> {
    fn decode(&self) -> Result<Type, BtfError> {
        let ty = self.raw.resolve_type_by_id(self.id).map_err(|error| self.failed(error))?;
        match &ty {
            RawType::Void => Ok(VOID.clone()),
            RawType::Int(int) => self.named(
                int,
                Kind::Int {
                    size: narrow(int.size()),
                    signed: int.is_signed(),
                    bool: int.is_bool(),
                },
            ),
            RawType::Float(float) => self.named(float, Kind::Float { size: narrow(float.size()) }),
            RawType::Ptr(pointer) => self.named(pointer, Kind::Pointer { to: to(pointer) }),
            RawType::Array(array) => {
                self.named(array, Kind::Array { element: to(array), len: narrow(array.len()) })
            }
            RawType::Struct(of) => {
                self.named(of, Kind::Struct { size: narrow(of.size()), members: self.members(of)? })
            }
            RawType::Union(of) => {
                self.named(of, Kind::Union { size: narrow(of.size()), members: self.members(of)? })
            }
            RawType::Enum(of) => {
                let (size, signed) = (narrow(of.size()), of.is_signed());
                let values = self.constants(&of.members, |member| {
                    let wide = if signed {
                        i64::from(member.val().cast_signed()).cast_unsigned()
                    } else {
                        member.val().into()
                    };
                    fit(wide, size, signed)
                })?;
                self.named(of, Kind::Enum { size, signed, values })
            }
            RawType::Enum64(of) => {
                let (size, signed) = (narrow(of.size()), of.is_signed());
                let values =
                    self.constants(&of.members, |member| fit(member.val(), size, signed))?;
                self.named(of, Kind::Enum { size, signed, values })
            }
            RawType::Fwd(forward) => self.named(forward, Kind::Forward),
            RawType::Typedef(typedef) => self.named(typedef, Kind::Typedef { to: to(typedef) }),
            RawType::Volatile(modifier) => self.modifier(modifier, "volatile"),
            RawType::Const(modifier) => self.modifier(modifier, "const"),
            RawType::Restrict(modifier) => self.modifier(modifier, "restrict"),
            RawType::TypeTag(tag) => self.modifier(tag, ""),
            RawType::Func(function) => self.named(function, Kind::Function),
            RawType::FuncProto(_) => Ok(Type { name: String::new(), kind: Kind::Prototype }),
            RawType::Var(variable) => self
                .named(variable, Kind::Variable { ty: to(variable), linkage: linkage(variable) }),
            RawType::Datasec(section) => {
                self.named(section, Kind::Section { variables: slots(section) })
            }
            RawType::DeclTag(tag) => {
                self.named(tag, Kind::DeclTag { on: to(tag), component: tag.component_index() })
            }
            other => {
                Err(BtfError(format!("type {} has the unsupported kind {}", self.id, other.name())))
            }
        }
    }

    fn failed(&self, error: btf_rs::Error) -> BtfError {
        BtfError(format!("type {}: {error}", self.id))
    }

    fn name(&self, of: &dyn BtfType) -> Result<String, BtfError> {
        match of.get_name_offset() {
            None | Some(0) => Ok(String::new()),
            Some(_) => {
                let name = self.raw.resolve_name(of).map_err(|error| self.failed(error))?;
                if name.len() <= MAX_NAME {
                    Ok(name)
                } else {
                    Err(BtfError(format!("type {} has a name of {} bytes", self.id, name.len())))
                }
            }
        }
    }

    fn named(&self, of: &dyn BtfType, kind: Kind) -> Result<Type, BtfError> {
        Ok(Type { name: self.name(of)?, kind })
    }

    fn modifier(&self, of: &dyn BtfType, keyword: &'static str) -> Result<Type, BtfError> {
        self.named(of, Kind::Modifier { to: to(of), keyword })
    }

    fn members(&self, of: &btf_rs::Struct) -> Result<Vec<Member>, BtfError> {
        of.members
            .iter()
            .map(|member| {
                Ok(Member {
                    name: self.name(member)?,
                    ty: to(member),
                    bit_offset: member.bit_offset(),
                    // btf-rs returns 0 for the ordinary members of a struct that has bit fields.
                    bits: member.bitfield_size().filter(|&bits| bits != 0),
                })
            })
            .collect()
    }

    fn constants<M: BtfType>(
        &self,
        members: &[M],
        value: impl Fn(&M) -> i128,
    ) -> Result<Vec<(String, i128)>, BtfError> {
        members.iter().map(|member| Ok((self.name(member)?, value(member)))).collect()
    }
}

/// Returns the type that a type, member or parameter refers to.
fn to(of: &dyn BtfType) -> TypeId {
    TypeId(of.get_type_id().unwrap_or(0))
}

fn narrow(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn linkage(variable: &btf_rs::Var) -> Linkage {
    match (variable.is_global(), variable.is_extern()) {
        (true, _) => Linkage::Global,
        (_, true) => Linkage::Extern,
        _ => Linkage::Static,
    }
}

fn slots(section: &btf_rs::Datasec) -> Vec<Slot> {
    section
        .variables
        .iter()
        .map(|slot| Slot { variable: to(slot), offset: slot.offset(), size: narrow(slot.size()) })
        .collect()
}

/// Returns the value of an enum constant as a variable of the enum holds it. BTF stores 32 or 64
/// bits for each constant, whatever the size of the enum.
fn fit(value: u64, size: u32, signed: bool) -> i128 {
    let unused = 64 - size.clamp(1, 8) * 8;
    let value = value << unused;
    if signed { i128::from(value.cast_signed() >> unused) } else { i128::from(value >> unused) }
}
