use std::collections::BTreeSet;

use eunomia_runtime::object::{Kind, TypeId};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use super::doc::Doc;
use crate::{
    module::Module,
    names::verbatim,
    types::{Types, integer, literal},
};

/// A field of a struct, at its place.
struct Field<'a> {
    ident: Ident,
    name: &'a str,
    ty: TypeId,
    offset: u64,
}

/// `pub mod types`: the user's C types.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    let types = &module.types;
    let defined = types.defined().map(|(id, ident, c_name)| match &types.layouts.btf.get(id).kind {
        Kind::Enum { size, signed, values } => enumeration(ident, c_name, *size, integer(*size, *signed), values),
        Kind::Struct { members, .. } => {
            let fields = members.iter().map(|member| Field {
                ident: verbatim(&member.name),
                name: &member.name,
                ty: member.ty,
                offset: u64::from(member.bit_offset) / 8,
            });
            let layout = types.layouts.layout(id);
            structure(types, ident, c_name, fields.collect(), layout.size, layout.align)
        }
        // Nothing else has a name.
        _ => TokenStream::new(),
    });
    let customs = module.customs.iter().map(|custom| {
        let fields =
            custom.fields.iter().map(|field| Field { ident: verbatim(&field.name), name: &field.name, ty: field.ty, offset: field.offset });
        let fields: Vec<_> = fields.collect();
        let align = fields.iter().map(|field| types.layouts.layout(field.ty).align).max().unwrap_or(1);
        let end = fields.last().map_or(0, |last| last.offset + types.layouts.layout(last.ty).size);
        let name = format!("members of the records of `{}`", custom.map);
        structure(types, &custom.ident, &name, fields, end.next_multiple_of(align), align)
    });
    let all: TokenStream = defined.chain(customs).collect();
    if all.is_empty() {
        return all;
    }
    quote! {
        /// The C types that events, maps and variables are made of.
        pub mod types {
            #all
        }
    }
}

fn structure(types: &Types<'_>, ident: &Ident, c_name: &str, fields: Vec<Field<'_>>, size: u64, align: u64) -> TokenStream {
    let doc = Doc(format!("`{c_name}`, {size} bytes"));
    let inside = TokenStream::new();
    let mut body = TokenStream::new();
    let mut end = 0;
    for field in &fields {
        let ty = types.rust(field.ty, &inside);
        let size = types.layouts.layout(field.ty).size;
        let doc = Doc(format!("`{}`, offset {}, {}", types.layouts.c_declaration(field.name, field.ty), field.offset, bytes(size)));
        let ident = &field.ident;
        body.extend(padding(&fields, end, field.offset));
        body.extend(quote! {
            #doc
            pub #ident: #ty,
        });
        end = field.offset + size;
    }
    body.extend(padding(&fields, end, size));

    let debug = ident.to_string();
    let debug = debug.trim_start_matches("r#");
    let (idents, names): (Vec<_>, Vec<_>) = fields.iter().map(|field| (&field.ident, field.name)).unzip();
    let (size_at, align_at) = (literal(size), literal(align));
    let offsets = fields.iter().map(|field| {
        let (name, ident, offset) = (ident, &field.ident, literal(field.offset));
        quote!(const _: [(); #offset] = [(); ::core::mem::offset_of!(#name, #ident)];)
    });
    let derives = derives();
    quote! {
        #doc
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::cmp::PartialEq, #derives)]
        #[zerocopy(crate = "::eunomia_runtime::__private::zerocopy")]
        #[repr(C)]
        pub struct #ident { #body }

        // Against BTF; the compiler names both numbers where they differ.
        const _: [(); #size_at] = [(); ::core::mem::size_of::<#ident>()];
        const _: [(); #align_at] = [(); ::core::mem::align_of::<#ident>()];
        #(#offsets)*

        impl ::eunomia_runtime::sample::Event for #ident {
            const C_NAME: &'static str = #c_name;
        }

        impl ::core::default::Default for #ident {
            fn default() -> Self {
                ::eunomia_runtime::__private::zerocopy::FromZeros::new_zeroed()
            }
        }

        impl ::core::fmt::Debug for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#debug)#(.field(#names, &self.#idents))*.finish()
            }
        }

        impl ::core::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::eunomia_runtime::__private::Fields::new(f)#(.field(#names, &self.#idents))*.finish()
            }
        }

        impl ::eunomia_runtime::sample::Line for #ident {
            fn line(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::write!(f, "{{{self}}}")
            }
        }
    }
}

/// A named field for the bytes that C leaves out from `from` to `to`.
fn padding(fields: &[Field<'_>], from: u64, to: u64) -> TokenStream {
    if from >= to {
        return TokenStream::new();
    }
    let mut name = format!("__pad_{from}");
    while fields.iter().any(|field| field.ident == name) {
        name.push('_');
    }
    let (name, len) = (verbatim(&name), literal(to - from));
    quote! {
        #[doc(hidden)]
        pub #name: ::eunomia_runtime::__private::Padding<#len>,
    }
}

fn enumeration(ident: &Ident, c_name: &str, size: u32, repr: TokenStream, values: &[(String, i128)]) -> TokenStream {
    let doc = Doc(format!("`{c_name}`, {}. Any number can come; see [`Self::known`].", bytes(size.into())));
    let mut constants = TokenStream::new();
    let mut arms = TokenStream::new();
    let mut seen = BTreeSet::new();
    for (name, value) in values {
        let number = Literal::i128_unsuffixed(*value);
        let ident = verbatim(name);
        let doc = Doc(format!("`{name}` = {value}"));
        constants.extend(quote! {
            #doc
            pub const #ident: Self = Self(#number);
        });
        if seen.insert(*value) {
            arms.extend(quote!(#number => ::core::option::Option::Some(#name),));
        }
    }
    let derives = derives();
    quote! {
        #doc
        #[derive(
            ::core::clone::Clone,
            ::core::marker::Copy,
            ::core::cmp::PartialEq,
            ::core::cmp::Eq,
            ::core::cmp::PartialOrd,
            ::core::cmp::Ord,
            ::core::hash::Hash,
            ::core::default::Default,
            #derives
        )]
        #[zerocopy(crate = "::eunomia_runtime::__private::zerocopy")]
        #[repr(transparent)]
        pub struct #ident(pub #repr);

        impl #ident {
            #constants

            /// The name of the constant of this value, the first where several have it.
            pub fn name(self) -> ::core::option::Option<&'static str> {
                match self.0 {
                    #arms
                    _ => ::core::option::Option::None,
                }
            }

            /// Whether there is a constant of this value.
            pub fn known(self) -> bool {
                self.name().is_some()
            }
        }

        impl ::core::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self.name() {
                    ::core::option::Option::Some(name) => f.pad(name),
                    ::core::option::Option::None => ::core::fmt::Display::fmt(&self.0, f),
                }
            }
        }

        impl ::core::fmt::Debug for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(self, f)
            }
        }

        impl ::eunomia_runtime::sample::Line for #ident {
            fn line(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(self, f)
            }
        }
    }
}

fn derives() -> TokenStream {
    quote! {
        ::eunomia_runtime::__private::zerocopy::FromBytes,
        ::eunomia_runtime::__private::zerocopy::IntoBytes,
        ::eunomia_runtime::__private::zerocopy::Immutable,
        ::eunomia_runtime::__private::zerocopy::KnownLayout
    }
}

fn bytes(size: u64) -> String {
    if size == 1 { "1 byte".to_owned() } else { format!("{size} bytes") }
}
