//! The types that an object declares with pointers that nothing uses.

use crate::object::{DataSection, Kind, Layouts, TypeId};

/// Returns the types that the object declares with the compiler's convention, a global
/// `const volatile struct T *__eunomia_dummy_T_ptr`, or else with that of other generators,
/// `const struct T *unused`.
pub(super) fn dummies(layouts: &Layouts, sections: &[DataSection]) -> Vec<TypeId> {
    let variables = || sections.iter().flat_map(|section| &section.variables);
    let own: Vec<TypeId> = variables()
        .filter(|variable| variable.is_dummy())
        .filter_map(|variable| pointee(layouts, variable.ty))
        .collect();
    if !own.is_empty() {
        return own;
    }
    let unused = variables()
        .filter(|variable| is_unused(&variable.name))
        .filter_map(|variable| pointed(layouts, variable.ty));
    let mut unused: Vec<TypeId> = unused.collect();
    unused.sort_unstable();
    unused.dedup();
    unused
}

/// Matches `unused`, `unused_event`, `_unused`, `event_unused`, `unused2`.
fn is_unused(name: &str) -> bool {
    name.trim_matches('_')
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .split('_')
        .any(|word| word == "unused")
}

/// Returns the struct or union that a pointer refers to; an anonymous one by its typedef.
pub(super) fn pointed(layouts: &Layouts, id: TypeId) -> Option<TypeId> {
    let Kind::Pointer { to } = layouts.btf.resolve(id).1.kind else { return None };
    record(layouts, to)
}

/// Returns the struct or union that a type is; an anonymous one by its typedef.
pub(super) fn record(layouts: &Layouts, id: TypeId) -> Option<TypeId> {
    let (direct, ty) = layouts.btf.unmodified(id);
    let (own, record) = layouts.btf.resolve(direct);
    let is_record = matches!(record.kind, Kind::Struct { .. } | Kind::Union { .. });
    let named = if record.name.is_empty() {
        matches!(ty.kind, Kind::Typedef { .. }).then_some(direct)
    } else {
        Some(own)
    };
    named.filter(|_| is_record)
}

/// Returns the named struct or union that a pointer refers to.
pub(crate) fn pointee(layouts: &Layouts, id: TypeId) -> Option<TypeId> {
    let Kind::Pointer { to } = layouts.btf.resolve(id).1.kind else { return None };
    let (id, ty) = layouts.btf.resolve(to);
    (matches!(ty.kind, Kind::Struct { .. } | Kind::Union { .. }) && !ty.name.is_empty())
        .then_some(id)
}
