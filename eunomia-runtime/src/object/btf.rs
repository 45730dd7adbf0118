//! BTF, decoded by btf-rs into an arena that is indexed by type id. The arena is checked once, so
//! that later code can follow ids without checks.

use std::{collections::BTreeSet, fmt};

use btf_rs::{Btf as Raw, BtfType, Type as RawType};

use super::relocations::{size, word};

/// The id of a type in the object's BTF; 0 is `void`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

/// A BTF type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    /// The C name, empty for anonymous types and for kinds without a name.
    pub name: String,
    /// The kind of the type, with its kind-specific data.
    pub kind: Kind,
}

/// The kinds of BTF types, see `uapi/linux/btf.h`.
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
    /// `const`, `volatile`, `restrict` or a type tag.
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
    /// `__attribute__((btf_decl_tag(..)))`; the type's name is the text of the tag.
    DeclTag {
        on: TypeId,
        /// The index of the tagged member or parameter, or `None` for the type as a whole.
        component: Option<u32>,
    },
}

/// A member of a struct or union.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The C name; empty for an anonymous struct or union.
    pub name: String,
    /// The type of the member.
    pub ty: TypeId,
    /// Bits from the start of the struct.
    pub bit_offset: u32,
    /// The width of a bit field, or `None` for any other member.
    pub bits: Option<u32>,
}

/// A variable in a data section. In objects that no BPF linker has processed, its offset and the
/// size of the section are zero in BTF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The variable.
    pub variable: TypeId,
    /// Bytes from the start of the section, if the compiler wrote them.
    pub offset: u32,
    /// The size in bytes.
    pub size: u32,
}

/// The linkage of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linkage {
    /// Visible in this file only.
    Static,
    /// Visible to every file and to user space.
    Global,
    /// Defined elsewhere: by the kernel or its configuration.
    Extern,
}

/// All types of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Btf {
    types: Vec<Type>,
    /// The types of the parameters and results of global functions.
    signatures: Vec<TypeId>,
}

/// The reason why BTF cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BtfError(pub(crate) String);

impl fmt::Display for BtfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "corrupt BTF: {}", self.0)
    }
}

impl std::error::Error for BtfError {}

/// The maximum depth of types nested by value. C code stays far below it, and it bounds every
/// recursion over types.
const MAX_DEPTH: u8 = 64;

/// The longest name that the kernel accepts (`KSYM_NAME_LEN` including its NUL). Any number of
/// types can share one name, and each gets its own copy.
pub(crate) const MAX_NAME: usize = 511;

const VOID: &Type = &Type { name: String::new(), kind: Kind::Void };

impl Btf {
    /// Decodes a `.BTF` section.
    ///
    /// # Errors
    /// [`BtfError`] if btf-rs rejects it, if an id or a string is out of range, or if a type
    /// contains itself by value or nests too deep.
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

    /// Returns BTF with only `void`, for an object without BTF.
    pub fn empty() -> Self {
        Self { types: vec![VOID.clone()], signatures: Vec::new() }
    }

    /// Returns the type with this id, or `void` if the id is out of range. Ids in the arena are
    /// never out of range.
    pub fn get(&self, id: TypeId) -> &Type {
        self.types.get(id.0 as usize).unwrap_or(VOID)
    }

    /// Reports whether a type with this id exists.
    pub fn contains(&self, id: TypeId) -> bool {
        (id.0 as usize) < self.types.len()
    }

    /// Returns the types of the parameters and results of global functions, including programs.
    pub fn signatures(&self) -> impl Iterator<Item = TypeId> {
        self.signatures.iter().copied().filter(|id| self.contains(*id))
    }

    /// Returns all types by id, `void` first.
    pub fn iter(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        (0u32..).map(TypeId).zip(&self.types)
    }

    /// Follows typedefs and modifiers to the underlying type.
    pub fn resolve(&self, mut id: TypeId) -> (TypeId, &Type) {
        // Terminates: chains of types by value have a checked maximum depth.
        loop {
            let ty = self.get(id);
            match ty.kind {
                Kind::Typedef { to } | Kind::Modifier { to, .. } => id = to,
                _ => return (id, ty),
            }
        }
    }

    /// Follows modifiers, but not typedefs.
    pub fn unmodified(&self, mut id: TypeId) -> (TypeId, &Type) {
        loop {
            let ty = self.get(id);
            match ty.kind {
                Kind::Modifier { to, .. } => id = to,
                _ => return (id, ty),
            }
        }
    }

    /// Appends the types of `other` in the same order: type 1 of `other` gets the next free id.
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
                return Err(BtfError(format!(
                    "type {} refers to type {}, but the last type is {}",
                    id.0,
                    bad.0,
                    self.types.len() - 1
                )));
            }
            if let Kind::Section { variables } = &ty.kind
                && let Some(slot) = variables.iter().find(|slot| {
                    !matches!(self.get(slot.variable).kind, Kind::Variable { .. } | Kind::Function)
                })
            {
                return Err(BtfError(format!(
                    "section `{}` lists type {}, which is not a variable",
                    ty.name, slot.variable.0
                )));
            }
        }
        Ok(())
    }

    /// Limits the depth of types nested by value, which also excludes cycles.
    fn check_nesting(&self) -> Result<(), BtfError> {
        let mut depths = vec![None; self.types.len()];
        for (id, _) in self.iter() {
            self.depth(id, MAX_DEPTH, &mut depths).ok_or_else(|| {
                BtfError(format!(
                    "type {} contains itself or nests deeper than {MAX_DEPTH} types",
                    id.0
                ))
            })?;
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
            deepest =
                deepest.and_then(|deepest: u8| Some(deepest.max(self.depth(to, left, depths)?)));
        });
        let depth = deepest? + 1;
        if let Some(known) = depths.get_mut(id.0 as usize) {
            *known = Some(depth);
        }
        Some(depth)
    }
}

/// Returns the types in the prototypes of global functions.
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
fn check_counts(bytes: &[u8]) -> Result<(), BtfError> {
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

/// Calls `f` with each id that a type contains by value.
fn each_value_id(kind: &Kind, mut f: impl FnMut(TypeId)) {
    match kind {
        Kind::Array { element, .. } => f(*element),
        Kind::Struct { members, .. } | Kind::Union { members, .. } => {
            members.iter().for_each(|member| f(member.ty))
        }
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
        Kind::Struct { members, .. } | Kind::Union { members, .. } => {
            members.iter_mut().for_each(|member| f(&mut member.ty))
        }
        Kind::Variable { ty, .. } => f(ty),
        Kind::Section { variables } => variables.iter_mut().for_each(|slot| f(&mut slot.variable)),
        Kind::DeclTag { on, .. } => f(on),
        _ => {}
    }
}
