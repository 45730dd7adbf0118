//! Which C types a module needs, and what they are called in Rust.

use std::collections::{BTreeMap, BTreeSet};

use eunomia_runtime::{
    fault::{Fault, Place},
    object::{Kind, Layouts, TypeId},
};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use crate::names::{Scope, camel, verbatim};

/// The structs and enums that a module defines, by type id.
#[derive(Debug)]
pub(crate) struct Types<'a> {
    pub(crate) layouts: &'a Layouts,
    named: BTreeMap<TypeId, Ident>,
    /// What C calls them; anonymous ones go by the typedef that led to them.
    c_names: BTreeMap<TypeId, String>,
    /// The first type of each C name, so that copies of one declaration become one type.
    by_name: BTreeMap<String, TypeId>,
    pub(crate) scope: Scope,
}

impl<'a> Types<'a> {
    pub(crate) fn new(layouts: &'a Layouts) -> Self {
        Self { layouts, named: BTreeMap::new(), c_names: BTreeMap::new(), by_name: BTreeMap::new(), scope: Scope::new("type", &[]) }
    }

    /// Adds the type and all that it holds by value. `what` names its user for messages, at `place`.
    pub(crate) fn need(&mut self, id: TypeId, what: &str, place: &Place, faults: &mut Vec<Fault>) {
        if let Some(why) = self.layouts.unsupported(id) {
            faults.push(Fault::at(place.clone(), format!("{what}: {why}"), ""));
        } else {
            self.add(id, place, faults);
        }
    }

    fn add(&mut self, id: TypeId, place: &Place, faults: &mut Vec<Fault>) {
        let (id, name) = self.name(id);
        let ty = self.layouts.btf.get(id);
        match &ty.kind {
            Kind::Array { element, .. } => self.add(*element, place, faults),
            Kind::Struct { .. } | Kind::Enum { .. } if self.named.contains_key(&id) => {}
            Kind::Struct { .. } | Kind::Enum { .. } if !name.is_empty() => {
                let first = *self.by_name.entry(name.to_owned()).or_insert(id);
                if first != id && self.same(first, id, &mut BTreeSet::new()) {
                    let ident = self.named.get(&first).cloned();
                    self.named.extend(ident.map(|ident| (id, ident)));
                    return;
                }
                let ident = camel(name);
                let c_name = if ty.name.is_empty() { name.to_owned() } else { self.layouts.c_name(id) };
                self.scope.claim(&ident, &c_name, place, faults);
                self.named.insert(id, ident);
                self.c_names.insert(id, c_name);
                match &ty.kind {
                    Kind::Struct { members, .. } => {
                        let mut fields = Scope::new("member", &[]);
                        for member in members {
                            fields.claim(&verbatim(&member.name), &member.name, place, faults);
                            self.add(member.ty, place, faults);
                        }
                    }
                    Kind::Enum { values, .. } => {
                        let mut constants = Scope::new("enum constant", &["name", "known"]);
                        values.iter().for_each(|(name, _)| constants.claim(&verbatim(name), name, place, faults));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The type behind modifiers and typedefs, and its name: its own, else that of the last typedef before it.
    fn name(&self, mut id: TypeId) -> (TypeId, &'a str) {
        let mut alias = "";
        loop {
            let ty = self.layouts.btf.get(id);
            match ty.kind {
                Kind::Typedef { to } => (alias, id) = (&ty.name, to),
                Kind::Modifier { to, .. } => id = to,
                _ => return (id, if ty.name.is_empty() { alias } else { &ty.name }),
            }
        }
    }

    /// Whether two types are copies of one declaration, down to the members of their members. `seen` holds the pairs that were
    /// compared, so that each is compared once.
    fn same(&self, a: TypeId, b: TypeId, seen: &mut BTreeSet<(TypeId, TypeId)>) -> bool {
        let ((a, first), (b, second)) = (self.layouts.btf.resolve(a), self.layouts.btf.resolve(b));
        if a == b || !seen.insert((a, b)) {
            return true;
        }
        match (&first.kind, &second.kind) {
            (Kind::Struct { size, members }, Kind::Struct { size: other_size, members: others }) => {
                (&first.name, size, members.len()) == (&second.name, other_size, others.len())
                    && members
                        .iter()
                        .zip(others)
                        .all(|(a, b)| (&a.name, a.bit_offset, a.bits) == (&b.name, b.bit_offset, b.bits) && self.same(a.ty, b.ty, seen))
            }
            (Kind::Array { element, len }, Kind::Array { element: other, len: other_len }) => {
                len == other_len && self.same(*element, *other, seen)
            }
            // What they point to is not part of them.
            (Kind::Pointer { .. }, Kind::Pointer { .. }) => true,
            _ => first == second,
        }
    }

    /// The types to define, each once, in the order of BTF, with their identifiers and their names in C.
    pub(crate) fn defined(&self) -> impl Iterator<Item = (TypeId, &Ident, &str)> {
        self.c_names.iter().filter_map(|(id, c_name)| Some((*id, self.named.get(id)?, c_name.as_str())))
    }

    /// The Rust type of a C type that was added; `types` leads to the module of the types.
    pub(crate) fn rust(&self, id: TypeId, types: &TokenStream) -> TokenStream {
        if let Some(len) = self.layouts.char_array(id) {
            let len = literal(len.into());
            return quote!(::eunomia_runtime::sample::CharArray<#len>);
        }
        let (id, _) = self.layouts.btf.resolve(id);
        if let Some(ident) = self.named.get(&id) {
            return quote!(#types #ident);
        }
        match &self.layouts.btf.get(id).kind {
            Kind::Int { bool: true, size: 1, .. } => quote!(::eunomia_runtime::sample::Bool),
            Kind::Int { size, signed, .. } | Kind::Enum { size, signed, .. } => integer(*size, *signed),
            Kind::Float { size: 4 } => quote!(f32),
            Kind::Float { .. } => quote!(f64),
            Kind::Pointer { .. } => quote!(::eunomia_runtime::sample::KernelPtr),
            Kind::Array { element, len } => {
                let (element, len) = (self.rust(*element, types), literal((*len).into()));
                quote!([#element; #len])
            }
            // `need` has refused everything else.
            _ => quote!(()),
        }
    }
}

/// The Rust integer of a width in bytes.
pub(crate) fn integer(size: u32, signed: bool) -> TokenStream {
    match (size, signed) {
        (1, false) => quote!(u8),
        (1, true) => quote!(i8),
        (2, false) => quote!(u16),
        (2, true) => quote!(i16),
        (4, false) => quote!(u32),
        (4, true) => quote!(i32),
        (8, false) => quote!(u64),
        (8, true) => quote!(i64),
        (_, false) => quote!(u128),
        (_, true) => quote!(i128),
    }
}

/// A number without a type suffix.
pub(crate) fn literal(number: u64) -> proc_macro2::Literal {
    proc_macro2::Literal::u64_unsuffixed(number)
}
