//! BTF, decoded by btf-rs into an arena that is indexed by type id. The arena is checked once, so
//! that later code can follow ids without checks.

use std::fmt;

use btf_rs::Btf as Raw;

use super::decode::{check_counts, check_header, decode, signatures};

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

pub(super) const VOID: &Type = &Type { name: String::new(), kind: Kind::Void };

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
