//! Types of the object by their C names.

use super::Checked;
use crate::{
    error::{Diagnostic, Diagnostics, Found, JsonPath},
    object::{Kind, Layouts, TypeId},
    suggestion::near,
};

impl Checked {
    /// Reports whether the object has the type with this C name, with its members.
    #[doc(hidden)]
    pub fn has_type(&self, c_type: &str) -> bool {
        let nowhere = JsonPath::default();
        named(c_type, &nowhere, &self.layouts, &mut Found::default()).is_some()
    }

    /// Returns the types that the application asks for ([`crate::Skeleton::with_types`]).
    ///
    /// # Errors
    /// [`Diagnostics`] with every name that is not a struct, union or enum of the object.
    #[doc(hidden)]
    pub fn requested(&self) -> Result<Vec<TypeId>, Diagnostics> {
        let mut diagnostics = Found::default();
        let mut types = Vec::new();
        for c_type in &self.skeleton.types {
            let place = JsonPath::types().key(c_type);
            let Some(id) = named(c_type, &place, &self.layouts, &mut diagnostics) else { continue };
            let is_defined = |kind: &Kind| {
                matches!(kind, Kind::Struct { .. } | Kind::Union { .. } | Kind::Enum { .. })
            };
            if is_defined(&self.layouts.btf.resolve(id).1.kind) {
                types.push(id);
            } else {
                let what = format!("`{c_type}` is not a struct, union or enum");
                diagnostics.push(Diagnostic::new(place, what, "use Rust's own type for it"));
            }
        }
        self.skeleton.verdict(diagnostics)?;
        Ok(types)
    }
}

/// Returns the type with the C name that the application gives.
pub(crate) fn named(
    c_type: &str,
    place: &JsonPath,
    layouts: &Layouts,
    diagnostics: &mut Found,
) -> Option<TypeId> {
    // Pointers, arrays and functions have no name of their own. They are only spelled out if
    // `c_type` may denote one.
    let spelled = c_type.contains(['*', '[', '(']);
    let candidates =
        || layouts.btf.iter().filter(|(_, ty)| spelled || !ty.name.is_empty()).map(|(id, _)| id);
    let found = candidates().find(|id| layouts.c_name(*id) == c_type && has_values(layouts, *id));
    if found.is_none() {
        let named = candidates()
            .filter(|id| !layouts.btf.get(*id).name.is_empty() && has_values(layouts, *id));
        let names: Vec<String> = named.map(|id| layouts.c_name(id)).collect();
        let todo = match similar(c_type, &names) {
            Some(similar) => {
                format!("did you mean `{similar}`? Otherwise, {}", declare_hint(c_type))
            }
            None => declare_hint(c_type),
        };
        diagnostics.push(Diagnostic::new(
            place.clone(),
            format!("the object has no complete type `{c_type}`"),
            todo,
        ));
    }
    found
}

/// Returns the hint how to add a type to BTF. The compiler omits types that only local variables
/// have.
fn declare_hint(c_type: &str) -> String {
    let c_type = if c_type.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ')) {
        c_type
    } else {
        "struct event"
    };
    format!(
        "add `const {c_type} *unused __attribute__((unused));` to the C source: BTF contains the types that globals and maps refer to"
    )
}

/// Returns the type that was probably meant. Its keyword may be missing as well: `evnt` for
/// `struct event`.
fn similar<'a>(c_type: &str, names: &'a [String]) -> Option<&'a str> {
    fn bare(name: &str) -> &str {
        ["struct ", "union ", "enum "]
            .into_iter()
            .find_map(|kind| name.strip_prefix(kind))
            .unwrap_or(name)
            .trim()
    }
    let known = || names.iter().map(String::as_str);
    let of = |name: &str| known().find(|known| bare(known) == name);
    let name = bare(c_type);
    // A typing error. A name that is merely similar belongs to another type.
    let slip = |known: &&str| known.len().abs_diff(name.len()) <= 1 && name.len() > 3;
    of(name).or_else(|| of(near(name, known().map(bare)).filter(slip)?))
}

pub(crate) fn has_values(layouts: &Layouts, id: TypeId) -> bool {
    let (_, ty) = layouts.btf.resolve(id);
    layouts.btf.contains(id)
        && layouts.layout(id).size > 0
        && !matches!(ty.kind, Kind::Variable { .. } | Kind::Section { .. } | Kind::DeclTag { .. })
}

pub(crate) fn no_values(layouts: &Layouts, id: TypeId) -> String {
    if layouts.btf.contains(id) {
        format!(
            "type {} of the object (`{}`) is not a complete data type",
            id.0,
            layouts.c_name(id)
        )
    } else {
        format!(
            "the object has no type {}, its last type is {}",
            id.0,
            layouts.btf.iter().count() - 1
        )
    }
}
