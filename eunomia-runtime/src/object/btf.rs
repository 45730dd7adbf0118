//! BTF, decoded by btf-rs into an arena of our own that is indexed by type id and checked once, so that everything behind it can
//! follow ids without asking again.

use std::{collections::BTreeSet, fmt};

use btf_rs::{Btf as Raw, BtfType, Type as RawType};

use super::relocations::{size, word};

/// A type's id in the object's BTF; 0 is `void`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

/// One BTF record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    /// The C name; empty for anonymous types and for kinds without one.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of BTF, `uapi/linux/btf.h`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the C structs of the same names")]
pub enum Kind {
    Void,
    Int {
        size: u32,
        signed: bool,
        bool: bool,
    },
    Float {
        size: u32,
    },
    Pointer {
        to: TypeId,
    },
    Array {
        element: TypeId,
        len: u32,
    },
    Struct {
        size: u32,
        members: Vec<Member>,
    },
    Union {
        size: u32,
        members: Vec<Member>,
    },
    Enum {
        size: u32,
        signed: bool,
        values: Vec<(String, i128)>,
    },
    Forward,
    Typedef {
        to: TypeId,
    },
    /// const, volatile, restrict or a type tag.
    Modifier {
        to: TypeId,
        keyword: &'static str,
    },
    Function,
    Prototype,
    Variable {
        ty: TypeId,
        linkage: Linkage,
    },
    Section {
        variables: Vec<Slot>,
    },
    /// `__attribute__((btf_decl_tag(..)))`; its text is the name.
    DeclTag {
        on: TypeId,
        /// Which member or parameter, or the whole.
        component: Option<u32>,
    },
}

/// A member of a struct or union.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The C name; empty for an anonymous struct or union.
    pub name: String,
    /// Its type.
    pub ty: TypeId,
    /// Bits from the start of the struct.
    pub bit_offset: u32,
    /// Width of a bit field, else `None`.
    pub bits: Option<u32>,
}

/// A variable in a data section. In objects that no BPF linker has seen, offset and size of the section are zero here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The variable.
    pub variable: TypeId,
    /// Bytes from the start of the section, if the compiler wrote them.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}

/// Who can see a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linkage {
    /// This file.
    Static,
    /// Every file, and user space.
    Global,
    /// Defined elsewhere: the kernel, its configuration.
    Extern,
}

/// All types of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Btf {
    types: Vec<Type>,
    /// The types of the parameters and results of global functions.
    signatures: Vec<TypeId>,
}

/// Why BTF cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BtfError(pub(crate) String);

impl fmt::Display for BtfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "corrupt BTF: {}", self.0)
    }
}

impl std::error::Error for BtfError {}

/// How deep types may nest by value; C code stays far below it, and it bounds every recursion over them.
const MAX_DEPTH: u8 = 64;

/// The longest name that the kernel takes (`KSYM_NAME_LEN` with its NUL). Any number of types can share one, and each gets a copy.
pub(crate) const MAX_NAME: usize = 511;

const VOID: &Type = &Type { name: String::new(), kind: Kind::Void };

impl Btf {
    /// Decodes a `.BTF` section.
    ///
    /// # Errors
    /// [`BtfError`] where btf-rs refuses it, an id or a string is out of range, a type contains itself by value, or nests too deep.
    pub fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        check_header(bytes)?;
        check_counts(bytes)?;
        let raw = Raw::from_bytes(bytes).map_err(|error| BtfError(error.to_string()))?;
        let (_, last) = raw.base().type_id_range();
        let types = (0..=last).map(|id| decode(&raw, id)).collect::<Result<Vec<_>, _>>()?;
        let btf = Self { types, signatures: signatures(&raw, last) };
        btf.check_ids()?;
        btf.check_nesting()?;
        Ok(btf)
    }

    /// No type but `void`, for an object without BTF.
    pub fn empty() -> Self {
        Self { types: vec![VOID.clone()], signatures: Vec::new() }
    }

    /// The type of an id; `void` for one that is out of range, which no id inside the arena is.
    pub fn get(&self, id: TypeId) -> &Type {
        self.types.get(id.0 as usize).unwrap_or(VOID)
    }

    /// Whether there is a type of this id.
    pub fn contains(&self, id: TypeId) -> bool {
        (id.0 as usize) < self.types.len()
    }

    /// The types of what the global functions, programs among them, take and return.
    pub fn signatures(&self) -> impl Iterator<Item = TypeId> {
        self.signatures.iter().copied().filter(|id| self.contains(*id))
    }

    /// All types in order, `void` first.
    pub fn iter(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        (0u32..).map(TypeId).zip(&self.types)
    }

    /// The type behind typedefs and modifiers.
    pub fn resolve(&self, mut id: TypeId) -> (TypeId, &Type) {
        // Ends: by-value chains were checked to be short.
        loop {
            let ty = self.get(id);
            match ty.kind {
                Kind::Typedef { to } | Kind::Modifier { to, .. } => id = to,
                _ => return (id, ty),
            }
        }
    }

    /// The type behind modifiers, a typedef kept.
    pub fn unmodified(&self, mut id: TypeId) -> (TypeId, &Type) {
        loop {
            let ty = self.get(id);
            match ty.kind {
                Kind::Modifier { to, .. } => id = to,
                _ => return (id, ty),
            }
        }
    }

    /// Appends the types of `other`, which keep their order: type 1 of `other` becomes the next one here.
    pub(crate) fn append(&mut self, other: Self) {
        let shift = u32::try_from(self.types.len()).unwrap_or(u32::MAX).saturating_sub(1);
        self.types.extend(other.types.into_iter().skip(1).map(|mut ty| {
            each_id_mut(&mut ty.kind, |id| {
                if id.0 != 0 {
                    id.0 += shift;
                }
            });
            ty
        }));
    }

    fn check_ids(&self) -> Result<(), BtfError> {
        for (id, ty) in self.iter() {
            let mut bad = None;
            each_id(&ty.kind, |to| bad = bad.or((!self.contains(to)).then_some(to)));
            if let Some(bad) = bad {
                return Err(BtfError(format!("type {} refers to type {}, and there are only {}", id.0, bad.0, self.types.len() - 1)));
            }
            if let Kind::Section { variables } = &ty.kind
                && let Some(slot) =
                    variables.iter().find(|slot| !matches!(self.get(slot.variable).kind, Kind::Variable { .. } | Kind::Function))
            {
                return Err(BtfError(format!("section `{}` lists type {}, which is no variable", ty.name, slot.variable.0)));
            }
        }
        Ok(())
    }

    /// Bounds the depth of by-value containment, which also excludes cycles.
    fn check_nesting(&self) -> Result<(), BtfError> {
        let mut depths = vec![None; self.types.len()];
        for (id, _) in self.iter() {
            self.depth(id, MAX_DEPTH, &mut depths)
                .ok_or_else(|| BtfError(format!("type {} contains itself, or nests deeper than {MAX_DEPTH} types", id.0)))?;
        }
        Ok(())
    }

    fn depth(&self, id: TypeId, budget: u8, depths: &mut [Option<u8>]) -> Option<u8> {
        let known = depths.get(id.0 as usize).copied().flatten();
        if let Some(depth) = known {
            return (depth <= budget).then_some(depth);
        }
        let left = budget.checked_sub(1)?;
        let mut deepest = Some(0);
        each_value_id(&self.get(id).kind, |to| {
            deepest = deepest.and_then(|deepest: u8| Some(deepest.max(self.depth(to, left, depths)?)));
        });
        let depth = deepest? + 1;
        if let Some(known) = depths.get_mut(id.0 as usize) {
            *known = Some(depth);
        }
        Some(depth)
    }
}

/// The types in the prototypes of global functions.
fn signatures(raw: &Raw, last: u32) -> Vec<TypeId> {
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

/// btf-rs reserves memory by the header's lengths, so they must fit the section first.
pub(crate) fn check_header(bytes: &[u8]) -> Result<(), BtfError> {
    let word = |at: usize| bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes).map(u64::from);
    let (Some(magic), Some(header), Some(type_off), Some(type_len), Some(str_off), Some(str_len)) =
        (bytes.get(..2), word(4), word(8), word(12), word(16), word(20))
    else {
        return Err(BtfError(format!("the section has {} bytes, its header needs 24", bytes.len())));
    };
    if magic != [0x9f, 0xeb] {
        return Err(BtfError("it does not start with the little-endian magic 0xeb9f".to_owned()));
    }
    let size = bytes.len() as u64;
    for (what, offset, len) in [("types", type_off, type_len), ("strings", str_off, str_len)] {
        if header + offset + len > size {
            return Err(BtfError(format!("its {what} end at byte {}, the section at byte {size}", header + offset + len)));
        }
    }
    Ok(())
}

/// More than any kernel has with all its modules; BPF objects have a hundredth of it.
const MAX_TYPES: usize = 1 << 19;
/// Members, constants, parameters and variables together.
const MAX_ITEMS: usize = 1 << 20;
/// Bytes of all names together: any number of types can share one, and each gets a copy.
const MAX_NAMES: usize = 32 << 20;

/// Bounds what decoding allocates before anything is decoded: some kilobytes of compressed BTF could ask for gigabytes.
fn check_counts(bytes: &[u8]) -> Result<(), BtfError> {
    const RECORD: usize = 12;
    // The header was checked; what it does not describe is left to the decoder.
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
        // Bytes behind the record, and of each item; in all of these items the name comes first.
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
        for (what, found, most) in [("types", count, MAX_TYPES), ("members and constants", items, MAX_ITEMS)] {
            if found > most {
                return Err(BtfError(format!("it has more than {most} {what}, which no compiler writes")));
            }
        }
        if names > MAX_NAMES {
            return Err(BtfError(format!("its names have more than {} MiB, which no compiler writes", MAX_NAMES >> 20)));
        }
    }
    Ok(())
}

pub(crate) fn decode(raw: &Raw, id: u32) -> Result<Type, BtfError> {
    let fail = |error: btf_rs::Error| BtfError(format!("type {id}: {error}"));
    let name = |of: &dyn BtfType| match of.get_name_offset() {
        None | Some(0) => Ok(String::new()),
        Some(_) => {
            let name = raw.resolve_name(of).map_err(fail)?;
            if name.len() <= MAX_NAME { Ok(name) } else { Err(BtfError(format!("type {id} has a name of {} bytes", name.len()))) }
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
                    // btf-rs gives 0 for the plain members of a struct that has bit fields.
                    bits: member.bitfield_size().filter(|&bits| bits != 0),
                })
            })
            .collect::<Result<Vec<_>, BtfError>>()
    };
    let ty = raw.resolve_type_by_id(id).map_err(fail)?;
    let named = |of: &dyn BtfType, kind| Ok(Type { name: name(of)?, kind });
    match &ty {
        RawType::Void => Ok(VOID.clone()),
        RawType::Int(int) => named(int, Kind::Int { size: size(int.size()), signed: int.is_signed(), bool: int.is_bool() }),
        RawType::Float(float) => named(float, Kind::Float { size: size(float.size()) }),
        RawType::Ptr(pointer) => named(pointer, Kind::Pointer { to: to(pointer) }),
        RawType::Array(array) => named(array, Kind::Array { element: to(array), len: size(array.len()) }),
        RawType::Struct(of) => named(of, Kind::Struct { size: size(of.size()), members: members(of)? }),
        RawType::Union(of) => named(of, Kind::Union { size: size(of.size()), members: members(of)? }),
        RawType::Enum(of) => {
            let signed = of.is_signed();
            let size = size(of.size());
            let value = |value: u32| {
                let wide = if signed { i64::from(value.cast_signed()).cast_unsigned() } else { value.into() };
                fit(wide, size, signed)
            };
            let values = of.members.iter().map(|member| Ok((name(member)?, value(member.val())))).collect::<Result<_, BtfError>>()?;
            named(of, Kind::Enum { size, signed, values })
        }
        RawType::Enum64(of) => {
            let signed = of.is_signed();
            let size = size(of.size());
            let value = |value: u64| fit(value, size, signed);
            let values = of.members.iter().map(|member| Ok((name(member)?, value(member.val())))).collect::<Result<_, BtfError>>()?;
            named(of, Kind::Enum { size, signed, values })
        }
        RawType::Fwd(forward) => named(forward, Kind::Forward),
        RawType::Typedef(typedef) => named(typedef, Kind::Typedef { to: to(typedef) }),
        RawType::Volatile(modifier) => named(modifier, Kind::Modifier { to: to(modifier), keyword: "volatile" }),
        RawType::Const(modifier) => named(modifier, Kind::Modifier { to: to(modifier), keyword: "const" }),
        RawType::Restrict(modifier) => named(modifier, Kind::Modifier { to: to(modifier), keyword: "restrict" }),
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
            let variables =
                section.variables.iter().map(|slot| Slot { variable: to(slot), offset: slot.offset(), size: size(slot.size()) }).collect();
            named(section, Kind::Section { variables })
        }
        RawType::DeclTag(tag) => named(tag, Kind::DeclTag { on: to(tag), component: tag.component_index() }),
        other => Err(BtfError(format!("type {id} is a {}, which is not known here", other.name()))),
    }
}

/// The value of an enum's constant as a variable of the enum holds it: BTF has 32 or 64 bits for each, whatever the enum's size.
fn fit(value: u64, size: u32, signed: bool) -> i128 {
    let unused = 64 - size.clamp(1, 8) * 8;
    let value = value << unused;
    if signed { i128::from(value.cast_signed() >> unused) } else { i128::from(value >> unused) }
}

/// The ids that a type holds by value.
fn each_value_id(kind: &Kind, mut f: impl FnMut(TypeId)) {
    match kind {
        Kind::Array { element, .. } => f(*element),
        Kind::Struct { members, .. } | Kind::Union { members, .. } => members.iter().for_each(|member| f(member.ty)),
        Kind::Typedef { to } | Kind::Modifier { to, .. } => f(*to),
        Kind::Variable { ty, .. } => f(*ty),
        _ => {}
    }
}

fn each_id(kind: &Kind, mut f: impl FnMut(TypeId)) {
    match kind {
        Kind::Pointer { to } => f(*to),
        Kind::Section { variables } => variables.iter().for_each(|slot| f(slot.variable)),
        Kind::DeclTag { on, .. } => f(*on),
        other => each_value_id(other, f),
    }
}

fn each_id_mut(kind: &mut Kind, mut f: impl FnMut(&mut TypeId)) {
    match kind {
        Kind::Pointer { to } | Kind::Typedef { to } | Kind::Modifier { to, .. } => f(to),
        Kind::Array { element, .. } => f(element),
        Kind::Struct { members, .. } | Kind::Union { members, .. } => members.iter_mut().for_each(|member| f(&mut member.ty)),
        Kind::Variable { ty, .. } => f(ty),
        Kind::Section { variables } => variables.iter_mut().for_each(|slot| f(&mut slot.variable)),
        Kind::DeclTag { on, .. } => f(on),
        _ => {}
    }
}
