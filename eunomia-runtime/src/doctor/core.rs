//! Resolves CO-RE relocations against the kernel's types, by the rules of libbpf's `relo_core.c`.
//!
//! Two cases that libbpf refuses are not checked: candidates of one name that disagree about an
//! offset, and a signed integer that has another size in the kernel.

use super::Kernel;
use crate::object::{
    Btf, KernelTypes, Kind, Member, Relocation, RelocationKind, Type, TypeId, essential,
};

/// The result of resolving a relocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The kernel has the target.
    Found,
    /// The kernel lacks the target, and why.
    Missing(String),
    /// libbpf would not try this relocation.
    Broken(String),
    /// Unknown, and why.
    Untold(String),
}

/// A step on the path to a field.
enum Step<'a> {
    Member(&'a Member),
    Item(u32),
}

/// Returns what a relocation refers to in C notation: `struct task_struct.comm[2]`.
pub(super) fn subject(local: &Btf, relocation: &Relocation) -> String {
    let ty = local.get(relocation.ty);
    let root = c_name(ty);
    match relocation.kind {
        RelocationKind::EnumvalExists | RelocationKind::EnumvalValue => {
            match constant(local, relocation) {
                Some(name) => format!("{name} of {root}"),
                None => root,
            }
        }
        RelocationKind::TypeIdLocal
        | RelocationKind::TypeIdTarget
        | RelocationKind::TypeExists
        | RelocationKind::TypeSize
        | RelocationKind::TypeMatches => root,
        _ => match steps(local, relocation) {
            Some(steps) if !steps.is_empty() => format!("{root}.{}", path(&steps)),
            _ => root,
        },
    }
}

/// Resolves a relocation.
pub(super) fn resolve(local: &Btf, relocation: &Relocation, kernel: &Kernel) -> Outcome {
    use RelocationKind as Is;
    if relocation.kind == Is::TypeIdLocal {
        return Outcome::Found;
    }
    let ty = local.get(relocation.ty);
    if ty.name.is_empty() {
        return Outcome::Broken(
            "the relocation refers to an anonymous type, which libbpf cannot look up".to_owned(),
        );
    }
    let name = essential(&ty.name);
    let candidates = kernel.candidates(name, ty);
    let steps = match relocation.kind {
        Is::TypeIdTarget | Is::TypeExists | Is::TypeSize | Is::TypeMatches => None,
        Is::EnumvalExists | Is::EnumvalValue => match constant(local, relocation) {
            Some(_) => None,
            None => {
                return Outcome::Broken(
                    "the relocation refers to a constant missing from its local enum".to_owned(),
                );
            }
        },
        _ => match steps(local, relocation) {
            Some(steps) => Some(steps),
            None => {
                return Outcome::Broken(
                    "the relocation refers to a member missing from its local type".to_owned(),
                );
            }
        },
    };
    if candidates.is_empty() {
        return Outcome::Missing(format!(
            "no `{}` in this kernel",
            c_name(&Type { name: name.to_owned(), kind: ty.kind.clone() })
        ));
    }
    let mut reason = None;
    for (types, id) in candidates {
        let matched = match (relocation.kind, &steps) {
            (Is::TypeMatches, _) => {
                return Outcome::Untold("its members are not compared".to_owned());
            }
            (Is::EnumvalExists | Is::EnumvalValue, _) => {
                has_constant(types, id, constant(local, relocation).unwrap_or_default(), ty)
            }
            (_, Some(steps)) => walk(local, types, id, steps, ty),
            (_, None) => match same_types(local, relocation.ty, types, id) {
                true => Ok(()),
                false => Err(format!("`{}` is of another kind in this kernel", c_name(ty))),
            },
        };
        match matched {
            Ok(()) => return Outcome::Found,
            Err(why) => reason = reason.or(Some(why)),
        }
    }
    Outcome::Missing(reason.unwrap_or_default())
}

/// Returns the name of the enum constant that a relocation refers to.
fn constant<'a>(local: &'a Btf, relocation: &Relocation) -> Option<&'a str> {
    let (Kind::Enum { values, .. }, [index]) =
        (&local.resolve(relocation.ty).1.kind, &relocation.access[..])
    else {
        return None;
    };
    values.get(usize::try_from(*index).ok()?).map(|(name, _)| name.as_str())
}

fn has_constant(types: &KernelTypes, id: TypeId, name: &str, ty: &Type) -> Result<(), String> {
    let missing = || format!("`{}` has no constant `{name}` in this kernel", c_name(ty));
    let Some(Type { kind: Kind::Enum { values, .. }, .. }) = types.resolve(id) else {
        return Err(missing());
    };
    let found = values.iter().any(|(known, _)| essential(known) == essential(name));
    found.then_some(()).ok_or_else(missing)
}

/// Returns the path through the object's own types; anonymous members are not steps. `None` if
/// there is no such path.
fn steps<'a>(local: &'a Btf, relocation: &Relocation) -> Option<Vec<Step<'a>>> {
    // The first number is an index of the struct itself, and all elements have the same members.
    let (_, rest) = relocation.access.split_first()?;
    let mut steps = Vec::new();
    let mut id = relocation.ty;
    // True if the last step went to the last member of a struct, whose array may have any length.
    let mut last = false;
    for &index in rest {
        match &local.resolve(id).1.kind {
            Kind::Struct { members, .. } | Kind::Union { members, .. } => {
                let at = usize::try_from(index).ok()?;
                let member = members.get(at)?;
                if !member.name.is_empty() {
                    steps.push(Step::Member(member));
                    last = at + 1 == members.len();
                }
                id = member.ty;
            }
            Kind::Array { element, len } => {
                if index >= *len && !(*len == 0 && last) {
                    return None;
                }
                steps.push(Step::Item(index));
                (id, last) = (*element, false);
            }
            _ => return None,
        }
    }
    Some(steps)
}

/// Follows the steps through a type of the kernel.
fn walk(
    local: &Btf,
    types: &KernelTypes,
    mut id: TypeId,
    steps: &[Step<'_>],
    root: &Type,
) -> Result<(), String> {
    let root = c_name(root);
    let mut last = false;
    for (i, step) in steps.iter().enumerate() {
        let so_far = || path(steps.get(..=i).unwrap_or(steps));
        match step {
            Step::Member(expected) => {
                let Some((found, is_last)) = member(types, id, &expected.name, DEPTH) else {
                    return Err(format!("`{root}` has no member `{}` in this kernel", so_far()));
                };
                if !same_fields(local, expected.ty, types, found) {
                    return Err(format!(
                        "the member `{}` of `{root}` has another type in this kernel",
                        so_far()
                    ));
                }
                (id, last) = (found, is_last);
            }
            Step::Item(index) => {
                let Some(Type { kind: Kind::Array { element, len }, .. }) = types.resolve(id)
                else {
                    return Err(format!(
                        "`{}` of `{root}` is not in an array in this kernel",
                        so_far()
                    ));
                };
                if *index >= len && !(len == 0 && last) {
                    return Err(format!(
                        "`{}` of `{root}` is out of bounds: the array has {len} elements in this kernel",
                        so_far()
                    ));
                }
                (id, last) = (element, false);
            }
        }
    }
    Ok(())
}

/// The maximum depth of nested types; kernel BTF is not checked for cycles.
const DEPTH: u8 = 32;

/// Returns the type of a member, also of one in an anonymous struct or union, and whether it is the
/// last of its struct.
fn member(types: &KernelTypes, id: TypeId, name: &str, depth: u8) -> Option<(TypeId, bool)> {
    let left = depth.checked_sub(1)?;
    let (Kind::Struct { members, .. } | Kind::Union { members, .. }) = types.resolve(id)?.kind
    else {
        return None;
    };
    members.iter().enumerate().find_map(|(i, member_here)| match member_here.name.as_str() {
        "" => member(types, member_here.ty, name, left),
        known => (known == name).then_some((member_here.ty, i + 1 == members.len())),
    })
}

/// Returns whether two field types are compatible: `bpf_core_fields_are_compat`.
fn same_fields(local: &Btf, mut expected: TypeId, types: &KernelTypes, mut found: TypeId) -> bool {
    for _ in 0..DEPTH {
        let Some(there) = types.resolve(found) else { return false };
        let here = local.resolve(expected).1;
        match (&here.kind, &there.kind) {
            (
                Kind::Struct { .. } | Kind::Union { .. },
                Kind::Struct { .. } | Kind::Union { .. },
            ) => return true,
            (Kind::Pointer { .. }, Kind::Pointer { .. })
            | (Kind::Float { .. }, Kind::Float { .. })
            | (Kind::Int { .. }, Kind::Int { .. }) => {
                return true;
            }
            (Kind::Forward, Kind::Forward) | (Kind::Enum { .. }, Kind::Enum { .. }) => {
                let (here, there) = (essential(&here.name), essential(&there.name));
                return here.is_empty() || there.is_empty() || here == there;
            }
            (Kind::Array { element: here, .. }, Kind::Array { element: there, .. }) => {
                (expected, found) = (*here, *there)
            }
            _ => return false,
        }
    }
    false
}

/// Returns whether two types are compatible: `bpf_core_types_are_compat`. Prototypes are assumed
/// compatible, because parameters are not read.
fn same_types(local: &Btf, mut expected: TypeId, types: &KernelTypes, mut found: TypeId) -> bool {
    for _ in 0..DEPTH {
        let Some(there) = types.resolve(found) else { return false };
        match (&local.resolve(expected).1.kind, &there.kind) {
            (Kind::Pointer { to: here }, Kind::Pointer { to: there }) => {
                (expected, found) = (*here, *there)
            }
            (Kind::Array { element: here, .. }, Kind::Array { element: there, .. }) => {
                (expected, found) = (*here, *there)
            }
            (here, there) => return std::mem::discriminant(here) == std::mem::discriminant(there),
        }
    }
    false
}

/// Formats a path: `a.b[3].c`
fn path(steps: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Member(member) if text.is_empty() => text.push_str(&member.name),
            Step::Member(member) => text.extend([".", &member.name]),
            Step::Item(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// Returns the type in C notation without its flavor, which is what libbpf looks up.
fn c_name(ty: &Type) -> String {
    let keyword = match ty.kind {
        Kind::Struct { .. } => "struct ",
        Kind::Union { .. } => "union ",
        Kind::Enum { .. } => "enum ",
        _ => "",
    };
    format!("{keyword}{}", essential(&ty.name))
}

#[cfg(test)]
mod tests;
