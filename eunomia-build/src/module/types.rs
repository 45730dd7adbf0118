//! The C types that a module needs, and their names in Rust.

use std::collections::{BTreeMap, BTreeSet};

use eunomia_runtime::{
    error::{Diagnostic, JsonPath},
    object::{Kind, Layouts, TypeId},
};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::names::{Scope, camel};

/// The structs, unions and enums that a module defines, by type id.
#[derive(Debug)]
pub(crate) struct Types<'a> {
    pub(crate) layouts: &'a Layouts,
    named: BTreeMap<TypeId, Ident>,
    /// The C names. A nameless type goes by the typedef that led to it, or by its position.
    c_names: BTreeMap<TypeId, String>,
    /// The types of each C name. Copies of one declaration become one Rust type.
    by_name: BTreeMap<&'a str, Vec<TypeId>>,
    pub(crate) scope: Scope,
}

impl<'a> Types<'a> {
    pub(crate) fn new(layouts: &'a Layouts) -> Self {
        Self {
            layouts,
            named: BTreeMap::new(),
            c_names: BTreeMap::new(),
            by_name: BTreeMap::new(),
            scope: Scope::default(),
        }
    }

    /// Adds a type and all types that it holds by value. `user` gives a nameless type its name;
    /// `what` names the user in messages.
    pub(crate) fn need(
        &mut self,
        id: TypeId,
        user: &str,
        what: &str,
        place: &JsonPath,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        if self.layouts.layout(id).regular {
            self.add(id, user);
        } else {
            let name = self.layouts.c_name(id);
            diagnostics.push(Diagnostic::at(
                place.clone(),
                format!("{what}: `{name}` has more members or longer names than its bytes can hold, or a member at another offset than in C"),
                "compile the object anew; in a struct with bit fields clang loses what offsets have beyond 24 bits, which is 2 MiB",
            ));
        }
    }

    /// Adds a type that no other part of the module needs, if it has a name.
    pub(crate) fn offer(&mut self, id: TypeId) {
        if !self.name(id).1.is_empty() {
            self.add(id, "");
        }
    }

    fn add(&mut self, id: TypeId, user: &str) {
        let (id, name) = self.name(id);
        let ty = self.layouts.btf.get(id);
        match &ty.kind {
            Kind::Array { element, .. } => self.add(*element, user),
            Kind::Struct { .. } | Kind::Union { .. } | Kind::Enum { size: 1 | 2 | 4 | 8, .. }
                if !self.named.contains_key(&id) =>
            {
                if !name.is_empty() {
                    let known = self.by_name.get(name).into_iter().flatten().copied();
                    let same =
                        known.into_iter().find(|other| self.same(*other, id, &mut BTreeSet::new()));
                    if let Some(ident) = same.and_then(|same| self.named.get(&same)).cloned() {
                        self.named.insert(id, ident);
                        return;
                    }
                    self.by_name.entry(name).or_default().push(id);
                }
                let ident = self.scope.claim(camel(if name.is_empty() { user } else { name }));
                let c_name = if ty.name.is_empty() && !name.is_empty() {
                    name.to_owned()
                } else {
                    self.layouts.c_name(id)
                };
                self.c_names.insert(id, c_name);
                for field in self.layouts.fields(id) {
                    if let Some(member) = field.ty {
                        self.add(member, &format!("{ident}_{}", field.name));
                    }
                }
                self.named.insert(id, ident);
            }
            _ => {}
        }
    }

    /// Returns the type that modifiers and typedefs lead to, and its name: its own, or else that of
    /// the last typedef.
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

    /// Reports whether two types are copies of one declaration, including the types of their
    /// members. `seen` has the pairs that were compared, so that each is compared once.
    fn same(&self, a: TypeId, b: TypeId, seen: &mut BTreeSet<(TypeId, TypeId)>) -> bool {
        let ((a, first), (b, second)) = (self.layouts.btf.resolve(a), self.layouts.btf.resolve(b));
        if a == b || !seen.insert((a, b)) {
            return true;
        }
        match (&first.kind, &second.kind) {
            (
                Kind::Struct { size, members },
                Kind::Struct { size: other_size, members: others },
            )
            | (Kind::Union { size, members }, Kind::Union { size: other_size, members: others }) => {
                (&first.name, size, members.len()) == (&second.name, other_size, others.len())
                    && members.iter().zip(others).all(|(a, b)| {
                        (&a.name, a.bit_offset, a.bits) == (&b.name, b.bit_offset, b.bits)
                            && self.same(a.ty, b.ty, seen)
                    })
            }
            (Kind::Array { element, len }, Kind::Array { element: other, len: other_len }) => {
                len == other_len && self.same(*element, *other, seen)
            }
            // The pointee is not part of the type.
            (Kind::Pointer { .. }, Kind::Pointer { .. }) => true,
            _ => first == second,
        }
    }

    /// Returns the types to define in the order of BTF, each once, with their Rust and C names.
    pub(crate) fn defined(&self) -> impl Iterator<Item = (TypeId, &Ident, &str)> {
        self.c_names
            .iter()
            .filter_map(|(id, c_name)| Some((*id, self.named.get(id)?, c_name.as_str())))
    }

    /// Returns the identifier of a struct, union or enum that was added.
    pub(crate) fn ident(&self, id: TypeId) -> Option<&Ident> {
        self.named.get(&self.layouts.btf.resolve(id).0)
    }

    /// Returns the Rust type of a C type that was added. `types` is the path of the module of
    /// types.
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
            Kind::Int { size: size @ (1 | 2 | 4 | 8 | 16), signed, .. } => integer(*size, *signed),
            Kind::Float { size: 4 } => quote!(f32),
            Kind::Float { size: 8 } => quote!(f64),
            Kind::Pointer { .. } => quote!(::eunomia_runtime::sample::KernelPtr),
            Kind::Array { element, len } => {
                let (element, len) = (self.rust(*element, types), literal((*len).into()));
                quote!([#element; #len])
            }
            // Integers and floats of sizes that Rust has no type for.
            _ => bytes(self.layouts.layout(id).size),
        }
    }

    /// Returns the Rust type of a variable or member of `size` bytes; bytes, if its type is
    /// unknown.
    pub(crate) fn rust_or_bytes(
        &self,
        id: Option<TypeId>,
        size: u64,
        types: &TokenStream,
    ) -> TokenStream {
        match id {
            Some(id) => self.rust(id, types),
            None => bytes(size),
        }
    }

    /// Returns the alignment of the Rust type of a C type.
    pub(crate) fn align(&self, id: TypeId) -> u64 {
        let (id, ty) = self.layouts.btf.resolve(id);
        match &ty.kind {
            Kind::Array { element, .. } => self.align(*element),
            Kind::Int { size: size @ (1 | 2 | 4 | 8 | 16), .. }
            | Kind::Float { size: size @ (4 | 8) }
            | Kind::Enum { size: size @ (1 | 2 | 4 | 8), .. } => (*size).into(),
            Kind::Int { .. } | Kind::Float { .. } | Kind::Enum { .. } => 1,
            _ => self.layouts.layout(id).align,
        }
    }
}

/// Returns the type of bytes whose C type is unknown.
pub(crate) fn bytes(size: u64) -> TokenStream {
    let size = literal(size);
    quote!([u8; #size])
}

/// Returns the Rust integer type of a size in bytes.
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

/// Returns a number as a literal without a type suffix.
pub(crate) fn literal(number: u64) -> proc_macro2::Literal {
    proc_macro2::Literal::u64_unsuffixed(number)
}
