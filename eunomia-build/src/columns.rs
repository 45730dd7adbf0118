//! The columns of an event: its fields with those of the structs inside of it, as the table in `eunomia_runtime::columns` says.

use eunomia_runtime::object::{Kind, TypeId};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use crate::{
    names::{Scope, verbatim},
    structure::{Access, Structure, Tail},
    types::{Types, bytes, integer, literal},
};

/// The batch type of an event.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) ident: Ident,
    /// The struct of the event.
    pub(crate) event: Ident,
    /// Whether records go on after the struct.
    pub(crate) is_flexible: bool,
    pub(crate) columns: Vec<Column>,
}

/// One column.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) ident: Ident,
    /// The field as C says it, `at.x` for example.
    pub(crate) path: String,
    pub(crate) ty: TokenStream,
    /// Bytes that it takes of an event.
    pub(crate) size: u64,
    /// What goes into the column, of the variable `event`, or of `tail`, the items of the last array.
    pub(crate) value: TokenStream,
}

/// More than anyone looks at; structs of structs could have any number.
const MAX_COLUMNS: usize = 1024;

/// The columns of a struct, if it has any, and not too many.
pub(crate) fn decide(types: &Types<'_>, structure: &Structure<'_>, tail: Option<Tail<'_>>) -> Option<Vec<Column>> {
    let mut walk = Walk { types, scope: Scope::default(), steps: Vec::new(), columns: Vec::new() };
    walk.members(structure);
    if let Some(tail) = tail {
        walk.tail(&tail);
    }
    (1..=MAX_COLUMNS).contains(&walk.columns.len()).then_some(walk.columns)
}

struct Walk<'a> {
    types: &'a Types<'a>,
    scope: Scope,
    steps: Vec<Step>,
    columns: Vec<Column>,
}

/// A step from an event to a value.
#[derive(Debug, Clone)]
enum Step {
    /// Into a member.
    Member { name: String, access: TokenStream, gives: Gives },
    /// Into the items of an array.
    Each(u64),
    /// Into the items of the array without a length.
    Tail(String),
}

/// What a member is accessed as.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Gives {
    Place,
    Reference,
    Copy,
}

/// What a column consists of, and how it is made of the value in the event.
struct Leaf {
    ty: TokenStream,
    convert: Option<TokenStream>,
    text: bool,
}

impl Leaf {
    fn new(ty: TokenStream) -> Self {
        Self { ty, convert: None, text: false }
    }

    fn through(ty: TokenStream, convert: TokenStream) -> Self {
        Self { convert: Some(convert), ..Self::new(ty) }
    }
}

impl Walk<'_> {
    fn members(&mut self, structure: &Structure<'_>) {
        for member in structure.members.iter().filter(|member| member.field.size > 0) {
            // Enough to know that there are too many.
            if self.columns.len() > MAX_COLUMNS {
                return;
            }
            let ident = &member.ident;
            let (access, gives) = match member.access {
                Access::Field => (quote!(#ident), Gives::Place),
                Access::Packed => (quote!(#ident.get()), Gives::Copy),
                Access::View { .. } => (quote!(#ident()), Gives::Reference),
                Access::Copy { .. } | Access::Bits { .. } => (quote!(#ident()), Gives::Copy),
            };
            self.steps.push(Step::Member { name: member.field.name.to_owned(), access, gives });
            match member.field.ty {
                Some(ty) if member.field.bits.is_some() => self.column(bits(self.types, ty), member.field.size),
                Some(ty) => self.value(ty),
                None => self.column(Leaf::new(bytes(member.field.size)), member.field.size),
            }
            self.steps.pop();
        }
    }

    fn tail(&mut self, tail: &Tail<'_>) {
        if tail.is_text {
            let (ident, path) = (self.scope.claim(verbatim(tail.name)), tail.name.to_owned());
            self.columns.push(Column { ident, path, ty: quote!(::eunomia_runtime::columns::Text), size: 0, value: quote!(tail) });
            return;
        }
        self.steps.push(Step::Tail(tail.name.to_owned()));
        self.value(tail.element);
        self.steps.pop();
    }

    fn value(&mut self, id: TypeId) {
        let types = self.types;
        let leaf = match &types.layouts.btf.resolve(id).1.kind {
            Kind::Array { .. } if types.layouts.char_array(id).is_some() => Leaf { text: true, ..Leaf::new(TokenStream::new()) },
            Kind::Array { element, len } => {
                self.steps.push(Step::Each((*len).into()));
                self.value(*element);
                self.steps.pop();
                return;
            }
            Kind::Struct { .. } | Kind::Union { .. } => return self.members(&types.structure(id)),
            Kind::Int { bool: true, size: 1, .. } => Leaf::through(quote!(bool), quote!(get())),
            Kind::Enum { size: size @ (1 | 2 | 4 | 8), signed, .. } => Leaf::through(integer(*size, *signed), quote!(0)),
            Kind::Pointer { .. } => Leaf::through(quote!(u64), quote!(addr())),
            _ => Leaf::new(types.rust(id, &TokenStream::new())),
        };
        self.column(leaf, types.layouts.layout(id).size);
    }

    /// Adds the column that the steps lead to, whose items have `size` bytes.
    fn column(&mut self, leaf: Leaf, size: u64) {
        let names: Vec<&str> = self.steps.iter().filter_map(Step::name).collect();
        let lens = self.steps.iter().filter_map(Step::len);
        let size = lens.clone().fold(size, u64::saturating_mul);
        let ty = if leaf.text {
            match lens.product() {
                1 => quote!(::eunomia_runtime::columns::Text),
                len => {
                    let len = literal(len);
                    quote!(::eunomia_runtime::columns::Text<#len>)
                }
            }
        } else {
            let item = lens.rev().fold(leaf.ty.clone(), |item, len| {
                let len = literal(len);
                quote!([#item; #len])
            });
            quote!(::std::vec::Vec<#item>)
        };
        let (ty, value) = match self.steps.split_first() {
            Some((Step::Tail(_), steps)) => {
                let item = Value { leaf: &leaf, owned: true }.of(steps, quote!(item), Gives::Place);
                // The item itself is what is there.
                let is_whole = leaf.convert.is_none() && !steps.iter().any(|step| matches!(step, Step::Member { .. }));
                // A method of a trait needs the trait in scope.
                let items = if is_whole { quote!(tail.iter()) } else { quote!(::core::iter::Iterator::map(tail.iter(), |item| #item)) };
                (quote!(::eunomia_runtime::columns::List<#ty>), items)
            }
            _ => (ty, Value { leaf: &leaf, owned: false }.of(&self.steps, quote!(event), Gives::Reference)),
        };
        self.columns.push(Column { ident: self.scope.claim(verbatim(&names.join("_"))), path: names.join("."), ty, size, value });
    }
}

impl Step {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Member { name, .. } | Self::Tail(name) => Some(name),
            Self::Each(_) => None,
        }
    }

    fn len(&self) -> Option<u64> {
        match self {
            Self::Member { .. } | Self::Tail(_) => None,
            Self::Each(len) => Some(*len),
        }
    }
}

/// The expression for a column.
struct Value<'a> {
    leaf: &'a Leaf,
    /// Whether what it is taken from is gone at its end, so that there can be no reference into it.
    owned: bool,
}

impl Value<'_> {
    /// What `steps` lead to from `base`, which gives itself as `gives`.
    fn of(mut self, steps: &[Step], base: TokenStream, gives: Gives) -> TokenStream {
        let arrays_only = steps.iter().all(|step| matches!(step, Step::Each(_)));
        match (steps.split_first(), &self.leaf.convert) {
            (Some((Step::Member { access, gives, .. }, rest)), _) => {
                self.owned |= *gives == Gives::Copy;
                self.of(rest, quote!(#base.#access), *gives)
            }
            (Some((Step::Each(_), rest)), convert) if convert.is_some() || !arrays_only => {
                self.owned = true;
                let item = self.of(rest, quote!(item), Gives::Place);
                quote!(#base.map(|item| #item))
            }
            (None, Some(convert)) => quote!(#base.#convert),
            _ => match (self.leaf.text && !self.owned, gives) {
                (true, Gives::Place) => quote!(&#base),
                (false, Gives::Reference) => quote!(*#base),
                _ => base,
            },
        }
    }
}

/// A bit field, whose accessors give Rust's own types.
fn bits(types: &Types<'_>, ty: TypeId) -> Leaf {
    match &types.layouts.btf.resolve(ty).1.kind {
        Kind::Int { bool: true, .. } => Leaf::new(quote!(bool)),
        Kind::Enum { size: size @ (1 | 2 | 4 | 8), signed, .. } => Leaf::through(integer(*size, *signed), quote!(0)),
        Kind::Int { size: size @ (1 | 2 | 4 | 8 | 16), signed, .. } => Leaf::new(integer(*size, *signed)),
        _ => Leaf::new(quote!(i128)),
    }
}
