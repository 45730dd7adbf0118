//! A struct or union of C as a Rust struct with accessors.

use eunomia_runtime::object::Kind;
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use super::{
    derive::{clone, serde},
    doc::{Doc, bytes, code, tagged},
};
use crate::module::{Access, Member, Slot, Structure, Tail, Types, integer, literal, plain};

pub(super) fn emit(
    types: &Types<'_>,
    ident: &Ident,
    c_name: &str,
    tags: &[String],
    structure: &Structure<'_>,
) -> TokenStream {
    let doc = Doc(tagged(format!("{}, {}", code(c_name), bytes(structure.size)), tags));
    let slots: TokenStream =
        structure.slots.iter().map(|slot| field(types, structure, slot)).collect();
    let accessors: TokenStream =
        structure.members.iter().map(|member| accessor(types, member)).collect();
    let accessors = (!accessors.is_empty()).then(|| quote!(impl #ident { #accessors }));
    let align = literal(structure.align);
    let repr =
        if structure.aligned { quote!(#[repr(C, align(#align))]) } else { quote!(#[repr(C)]) };
    let size = literal(structure.size);
    let offsets = structure.slots.iter().map(|slot| {
        literal(match slot {
            Slot::Member(index) => {
                structure.members.get(*index).map_or(0, |member| member.field.offset())
            }
            Slot::Shared { offset, .. } | Slot::Padding { offset, .. } => *offset,
        })
    });
    let least = (structure.least != structure.size)
        .then(|| literal(structure.least))
        .map(|least| quote!(, least: #least));
    let members = structure.members.iter();
    let names: Vec<_> = members.clone().map(|member| member.field.name).collect();
    let values: Vec<_> = members.clone().map(value).collect();
    let lines = members.map(|member| line(types, member));
    let tail = structure.tail(types);
    let tailed = tail.as_ref().map(|tail| tail.name);
    let flexible = tail.map(|Tail { name, element, is_text, offset }| {
        let (item, offset) = (types.rust(element, &TokenStream::new()), literal(offset));
        quote! {
            impl ::eunomia_runtime::sample::Flexible for #ident {
                type Item = #item;
                const NAME: &'static str = #name;
                const TEXT: bool = #is_text;
                const TAIL: usize = #offset;
            }
        }
    });
    let count = names.len();
    // A struct may have no members.
    let (to, shown) = match count {
        0 => (quote!(_), TokenStream::new()),
        _ => (quote!(to), quote!(_ = to #(.field(#names, #lines))*;)),
    };
    let (debug, clone) = (plain(ident), clone(ident));
    // The items of the last array are in the record, not in the struct.
    let serialized = names
        .iter()
        .zip(&values)
        .map(|(name, value)| if tailed == Some(*name) { quote!(tail) } else { value.clone() });
    let serde = serde(
        ident,
        tailed.is_some(),
        &quote! {
            ::eunomia_runtime::__private::Record::new(serializer, #debug, #count)?
                #(.field(#names, #serialized)?)*
                .end()
        },
    );
    quote! {
        ::eunomia_runtime::plain! {
            #doc
            #[derive(::core::marker::Copy, ::core::cmp::PartialEq)]
            #repr
            pub struct #ident { #slots }
            const LAYOUT: Layout = Layout { size: #size, align: #align, offsets: [#(#offsets),*] #least };
        }

        #clone

        #accessors

        impl ::eunomia_runtime::sample::Event for #ident {
            const C_NAME: &'static str = #c_name;
        }

        #flexible

        impl ::core::default::Default for #ident {
            #[inline]
            fn default() -> Self {
                ::eunomia_runtime::sample::Plain::zeroed()
            }
        }

        impl ::eunomia_runtime::__private::Fielded for #ident {
            #[inline]
            fn fields(&self, #to: &mut ::eunomia_runtime::__private::Fields<'_, '_>) {
                #shown
            }
        }

        impl ::core::fmt::Debug for #ident {
            #[inline]
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::eunomia_runtime::__private::debug(#debug, self, f)
            }
        }

        impl ::core::fmt::Display for #ident {
            #[inline]
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::eunomia_runtime::__private::line(self, f)
            }
        }

        #serde
    }
}

fn field(types: &Types<'_>, structure: &Structure<'_>, slot: &Slot) -> TokenStream {
    match slot {
        Slot::Member(index) => {
            let Some(member) = structure.members.get(*index) else { return TokenStream::new() };
            let (ident, ty) = (
                &member.ident,
                types.rust_or_bytes(member.field.ty, member.field.size, &TokenStream::new()),
            );
            let doc = describe(types, member);
            let ty = if matches!(member.access, Access::Packed) {
                quote!(::eunomia_runtime::sample::Packed<#ty>)
            } else {
                ty
            };
            quote! {
                #doc
                pub #ident: #ty,
            }
        }
        Slot::Shared { ident, len, .. } => {
            let ty = crate::module::bytes(*len);
            quote! {
                #[doc(hidden)]
                pub #ident: #ty,
            }
        }
        Slot::Padding { ident, len, .. } => {
            let len = literal(*len);
            quote! {
                #[doc(hidden)]
                pub #ident: ::eunomia_runtime::__private::Padding<#len>,
            }
        }
    }
}

/// Returns the C declaration of a member and its place.
fn describe(types: &Types<'_>, member: &Member<'_>) -> Doc {
    let field = &member.field;
    let (declared, index) = field.declared;
    let tags = types.layouts.tags(declared, Some(index));
    let (offset, size) = (field.offset(), bytes(field.size));
    let text = match (field.ty, field.bits) {
        (None, _) => {
            format!("{}, offset {offset}, {size}; the compiler left its type out", code(field.name))
        }
        (Some(ty), None) => format!(
            "{}, offset {offset}, {size}",
            code(&types.layouts.c_declaration(field.name, ty))
        ),
        (Some(ty), Some(bits)) => {
            let declaration = types.layouts.c_declaration(field.name, ty);
            format!(
                "{}, from bit {} of byte {offset} on",
                code(&format!("{declaration} : {bits}")),
                field.bit_offset % 8
            )
        }
    };
    Doc(tagged(text, tags))
}

/// Returns a reference to the member, for formatting.
fn value(member: &Member<'_>) -> TokenStream {
    let ident = &member.ident;
    match member.access {
        Access::Field | Access::Packed => quote!(&self.#ident),
        Access::Copy { .. } | Access::Bits { .. } => quote!(&self.#ident()),
        Access::View { .. } => quote!(self.#ident()),
    }
}

/// Returns the member as the one-line form shows it.
fn line(types: &Types<'_>, member: &Member<'_>) -> TokenStream {
    let value = value(member);
    let Some(format) = types.layouts.format(&member.field) else { return value };
    let format = format_ident!("{format:?}");
    quote!(&::eunomia_runtime::__private::Formatted::new(::eunomia_runtime::__private::Format::#format, #value))
}

fn accessor(types: &Types<'_>, member: &Member<'_>) -> TokenStream {
    let (ident, field) = (&member.ident, &member.field);
    let ty = types.rust_or_bytes(field.ty, field.size, &TokenStream::new());
    let doc = describe(types, member);
    let offset = literal(field.offset());
    let link = format!(" Changes [`Self::{}`].", plain(ident));
    match &member.access {
        Access::Field | Access::Packed => TokenStream::new(),
        Access::Copy { set } => quote! {
            #doc
            #[inline]
            pub fn #ident(&self) -> #ty {
                ::eunomia_runtime::__private::get::<Self, #ty, #offset>(self)
            }

            #[doc = #link]
            #[inline]
            pub fn #set(&mut self, value: #ty) {
                ::eunomia_runtime::__private::set::<Self, #ty, #offset>(self, &value);
            }
        },
        Access::View { edit } => quote! {
            #doc
            #[inline]
            pub fn #ident(&self) -> &#ty {
                ::eunomia_runtime::__private::view::<Self, #ty, #offset>(self)
            }

            #[doc = #link]
            #[inline]
            pub fn #edit(&mut self) -> &mut #ty {
                ::eunomia_runtime::__private::view_mut::<Self, #ty, #offset>(self)
            }
        },
        Access::Bits { set } => {
            let (at, width) = (
                literal(field.bit_offset),
                Literal::u32_unsuffixed(field.bits.unwrap_or_default()),
            );
            let (outer, signed, wrap, unwrap) = bits(types, member, &ty);
            let kept = if field.bits == Some(1) {
                "bit of the value is".to_owned()
            } else {
                format!("{width} bits of the value are")
            };
            let link = format!("{link} Only the lowest {kept} kept.");
            quote! {
                #doc
                #[inline]
                pub fn #ident(&self) -> #outer {
                    let bits = ::eunomia_runtime::__private::bits::<Self, #at, #width>(self, #signed);
                    #wrap
                }

                #[doc = #link]
                #[inline]
                pub fn #set(&mut self, value: #outer) {
                    ::eunomia_runtime::__private::set_bits::<Self, #at, #width>(self, #unwrap);
                }
            }
        }
    }
}

/// Returns for a bit field the type of the accessors, whether it is signed, and the expressions
/// that convert from and to `bits`.
fn bits(
    types: &Types<'_>,
    member: &Member<'_>,
    ty: &TokenStream,
) -> (TokenStream, bool, TokenStream, TokenStream) {
    let kind = member.field.ty.map(|id| &types.layouts.btf.resolve(id).1.kind);
    match kind {
        Some(Kind::Int { bool: true, .. }) => {
            (quote!(bool), false, quote!(bits != 0), quote!(::core::convert::From::from(value)))
        }
        Some(Kind::Enum { size: size @ (1 | 2 | 4 | 8), signed, .. }) => {
            let repr = integer(*size, *signed);
            (ty.clone(), *signed, quote!(#ty(bits as #repr)), quote!(value.0 as i128))
        }
        Some(Kind::Int { size: 16, signed: true, .. }) => {
            (quote!(i128), true, quote!(bits), quote!(value))
        }
        Some(Kind::Int { size: size @ (1 | 2 | 4 | 8 | 16), signed, .. }) => {
            let repr = integer(*size, *signed);
            (repr.clone(), *signed, quote!(bits as #repr), quote!(value as i128))
        }
        _ => (quote!(i128), false, quote!(bits), quote!(value)),
    }
}
