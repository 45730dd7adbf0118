//! The columns of an event: its fields and those of nested structs, by the table in the docs of
//! `eunomia_runtime::columns`.

use std::collections::BTreeSet;

use eunomia_runtime::{
    __private::ON_STACK,
    checked::Payload,
    object::{Kind, TypeId},
};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::{
    customs::Custom,
    exports::Export,
    names::{Scope, camel, verbatim},
    structure::{Access, Structure, Tail},
    types::{Types, bytes, integer, literal},
};

/// The batch type of an event.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) ident: Ident,
    /// The struct of the event.
    pub(crate) event: Ident,
    /// True if the record goes on after the struct.
    pub(crate) is_flexible: bool,
    pub(crate) columns: Vec<Column>,
}

/// A column of a batch.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) ident: Ident,
    /// The C name of the field with the members that lead to it, `at.x` for example.
    pub(crate) path: String,
    pub(crate) ty: TokenStream,
    /// The size of the column's part of an event, in bytes.
    pub(crate) size: u64,
    /// The expression for the value. It uses the variables `event`, and `tail` for the items of the
    /// last array.
    pub(crate) value: TokenStream,
}

/// The most columns a batch may have. Nested structs could make any number.
const MAX_COLUMNS: usize = 1024;

/// Decides a batch type for each struct that maps deliver. They are named after all types of the
/// object, so that none of those changes its name for a batch.
pub(crate) fn decide(
    exports: &[Export<'_>],
    customs: &[Custom<'_>],
    types: &mut Types<'_>,
) -> Vec<Batch> {
    // A struct of picked members has a fixed size, thus no tail.
    let of = |types: &Types<'_>, id| {
        let structure = Structure::of(types, id);
        let tail = structure.tail(types);
        Some((types.ident(id)?.clone(), tail.is_some(), columns(types, &structure, tail)?))
    };
    let delivered =
        exports.iter().filter(|export| export.is_struct).flat_map(|export| {
            match &export.stream.payload {
                Payload::Type(id) => vec![*id],
                Payload::Tagged(tagged) => tagged.tags.iter().map(|tag| tag.ty).collect(),
                Payload::Custom(_) | Payload::Bytes { .. } => Vec::new(),
            }
        });
    let structs = delivered.filter_map(|id| of(types, id));
    let customs = customs.iter().filter_map(|custom| {
        Some((custom.ident.clone(), false, columns(types, &custom.structure, None)?))
    });
    let mut seen = BTreeSet::new();
    let all: Vec<_> =
        structs.chain(customs).filter(|(event, ..)| seen.insert(event.clone())).collect();
    let batch = |(event, is_flexible, columns)| {
        let ident = types.scope.claim(camel(&format!("{event}_batch")));
        Batch { ident, event, is_flexible, columns }
    };
    all.into_iter().map(batch).collect()
}

/// Returns the columns of a struct; `None` if it has none or too many, or if a value would not fit on
/// the stack.
fn columns(
    types: &Types<'_>,
    structure: &Structure<'_>,
    tail: Option<Tail<'_>>,
) -> Option<Vec<Column>> {
    // Text is passed by reference.
    let is_large = |ty: Option<TypeId>, size: u64| {
        size > ON_STACK as u64 && !ty.is_some_and(|ty| is_text(types, ty))
    };
    if structure.members.iter().any(|member| is_large(member.field.ty, member.field.size))
        || tail.as_ref().is_some_and(|tail| {
            is_large(Some(tail.element), types.layouts.layout(tail.element).size)
        })
    {
        return None;
    }
    let mut walk = Walk { types, scope: Scope::default(), steps: Vec::new(), columns: Vec::new() };
    walk.members(structure);
    if let Some(tail) = tail {
        walk.tail(&tail);
    }
    (1..=MAX_COLUMNS).contains(&walk.columns.len()).then_some(walk.columns)
}

/// Reports whether a type is text, or an array of texts.
fn is_text(types: &Types<'_>, ty: TypeId) -> bool {
    types.layouts.char_array(ty).is_some()
        || matches!(&types.layouts.btf.resolve(ty).1.kind,
            Kind::Array { element, .. } if is_text(types, *element))
}

/// A walk over the members of an event, which collects its columns.
struct Walk<'a> {
    types: &'a Types<'a>,
    scope: Scope,
    steps: Vec<Step>,
    columns: Vec<Column>,
}

/// A step on the way from an event to a value.
#[derive(Debug, Clone)]
enum Step {
    /// Access to a member.
    Member { name: String, access: TokenStream, gives: Gives },
    /// Access to each item of an array of this length.
    Each(u64),
    /// Access to each item of an array without a length.
    Tail(String),
}

/// The form in which an access yields its member.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Gives {
    Place,
    Reference,
    Copy,
}

/// The type of a column's items, and the conversion from the value in the event.
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
            // There are too many already; counting on changes nothing.
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
                Some(ty) if member.field.bits.is_some() => {
                    self.column(bits(self.types, ty), member.field.size)
                }
                Some(ty) => self.value(ty),
                None => self.column(Leaf::new(bytes(member.field.size)), member.field.size),
            }
            self.steps.pop();
        }
    }

    fn tail(&mut self, tail: &Tail<'_>) {
        if tail.is_text {
            let (ident, path) = (self.scope.claim(verbatim(tail.name)), tail.name.to_owned());
            self.columns.push(Column {
                ident,
                path,
                ty: quote!(::eunomia_runtime::columns::Text),
                size: 0,
                value: quote!(tail),
            });
            return;
        }
        self.steps.push(Step::Tail(tail.name.to_owned()));
        self.value(tail.element);
        self.steps.pop();
    }

    fn value(&mut self, id: TypeId) {
        let types = self.types;
        let leaf = match &types.layouts.btf.resolve(id).1.kind {
            Kind::Array { .. } if types.layouts.char_array(id).is_some() => {
                Leaf { text: true, ..Leaf::new(TokenStream::new()) }
            }
            Kind::Array { element, len } => {
                self.steps.push(Step::Each((*len).into()));
                self.value(*element);
                self.steps.pop();
                return;
            }
            Kind::Struct { .. } | Kind::Union { .. } => {
                return self.members(&Structure::of(types, id));
            }
            Kind::Int { bool: true, size: 1, .. } => Leaf::through(quote!(bool), quote!(get())),
            Kind::Enum { size: size @ (1 | 2 | 4 | 8), signed, .. } => {
                Leaf::through(integer(*size, *signed), quote!(0))
            }
            Kind::Pointer { .. } => Leaf::through(quote!(u64), quote!(addr())),
            _ => Leaf::new(types.rust(id, &TokenStream::new())),
        };
        self.column(leaf, types.layouts.layout(id).size);
    }

    /// Adds the column at the end of the steps. Its items have `size` bytes.
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
                // No conversion is needed if the item itself is the value.
                let is_whole = leaf.convert.is_none()
                    && !steps.iter().any(|step| matches!(step, Step::Member { .. }));
                // A method of a trait needs the trait in scope.
                let items = if is_whole {
                    quote!(tail.iter())
                } else {
                    quote!(::core::iter::Iterator::map(tail.iter(), |item| #item))
                };
                (quote!(::eunomia_runtime::columns::List<#ty>), items)
            }
            _ => (
                ty,
                Value { leaf: &leaf, owned: false }.of(
                    &self.steps,
                    quote!(event),
                    Gives::Reference,
                ),
            ),
        };
        self.columns.push(Column {
            ident: self.scope.claim(verbatim(&names.join("_"))),
            path: names.join("."),
            ty,
            size,
            value,
        });
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

/// Builds the expression of a column.
struct Value<'a> {
    leaf: &'a Leaf,
    /// True if the value that the expression reads is a temporary, so that no reference into it can
    /// be returned.
    owned: bool,
}

impl Value<'_> {
    /// Returns the expression that applies `steps` to `base`, which has the form `gives`.
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

/// Returns the type of a bit field, whose accessors use Rust's own types.
fn bits(types: &Types<'_>, ty: TypeId) -> Leaf {
    match &types.layouts.btf.resolve(ty).1.kind {
        Kind::Int { bool: true, .. } => Leaf::new(quote!(bool)),
        Kind::Enum { size: size @ (1 | 2 | 4 | 8), signed, .. } => {
            Leaf::through(integer(*size, *signed), quote!(0))
        }
        Kind::Int { size: size @ (1 | 2 | 4 | 8 | 16), signed, .. } => {
            Leaf::new(integer(*size, *signed))
        }
        _ => Leaf::new(quote!(i128)),
    }
}
