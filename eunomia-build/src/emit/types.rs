//! The module `types`.

use std::collections::BTreeSet;

use eunomia_runtime::object::Kind;
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use super::{
    columns,
    derive::{clone, serde},
    doc::{Doc, bytes, code},
    structure,
};
use crate::module::{Module, Scope, Structure, Types, integer, verbatim};

/// Emits `pub mod types`: the C types of the user.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    let types = &module.types;
    let customs = module.customs.iter().map(|custom| {
        let name = format!("members of the records of `{}`", custom.map);
        structure::emit(types, &custom.ident, &name, &[], &custom.structure)
    });
    let all: TokenStream = [definitions(types)]
        .into_iter()
        .chain(customs)
        .chain(module.batches.iter().map(columns::emit))
        .collect();
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

/// Emits the types that the module needs.
pub(crate) fn definitions(types: &Types<'_>) -> TokenStream {
    let defined =
        types.defined().map(|(id, ident, c_name)| match &types.layouts.btf.get(id).kind {
            Kind::Enum { size, signed, values } => {
                enumeration(ident, c_name, *size, integer(*size, *signed), values)
            }
            _ => structure::emit(
                types,
                ident,
                c_name,
                types.layouts.tags(id, None),
                &Structure::of(types, id),
            ),
        });
    defined.collect()
}

fn enumeration(
    ident: &Ident,
    c_name: &str,
    size: u32,
    repr: TokenStream,
    values: &[(String, i128)],
) -> TokenStream {
    let doc = Doc(format!(
        "{}, {}. A value may have no constant; see [`Self::known`].",
        code(c_name),
        bytes(size.into())
    ));
    let mut constants = TokenStream::new();
    let mut arms = TokenStream::new();
    let mut seen = BTreeSet::new();
    let mut scope = Scope::new(&["name", "known"]);
    for (name, value) in values {
        let number = Literal::i128_unsuffixed(*value);
        let ident = scope.claim(verbatim(name));
        let doc = Doc(format!("{} = {value}", code(name)));
        constants.extend(quote! {
            #doc
            pub const #ident: Self = Self(#number);
        });
        if seen.insert(*value) {
            arms.extend(quote!(#number => ::core::option::Option::Some(#name),));
        }
    }
    let clone = clone(ident);
    let serde = serde(
        ident,
        false,
        &quote!(::eunomia_runtime::__private::serialize_enum(self.name(), self.0, serializer)),
    );
    quote! {
        ::eunomia_runtime::plain! {
            #doc
            #[derive(::core::marker::Copy, ::core::cmp::PartialEq, ::core::hash::Hash, ::core::default::Default)]
            #[repr(transparent)]
            pub struct #ident(pub #repr);
        }

        #clone

        impl ::core::cmp::Eq for #ident {}

        impl #ident {
            #constants

            /// Returns the name of the constant with this value, the first if several have it.
            #[inline]
            pub fn name(self) -> ::core::option::Option<&'static str> {
                match self.0 {
                    #arms
                    _ => ::core::option::Option::None,
                }
            }

            /// Returns true if a constant has this value.
            #[inline]
            pub fn known(self) -> bool {
                self.name().is_some()
            }
        }

        impl ::core::fmt::Display for #ident {
            #[inline]
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::eunomia_runtime::__private::constant(self.name(), &self.0, f)
            }
        }

        impl ::core::fmt::Debug for #ident {
            #[inline]
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(self, f)
            }
        }

        impl ::eunomia_runtime::sample::Line for #ident {
            #[inline]
            fn line(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::eunomia_runtime::__private::numbered(self.name(), &self.0, f)
            }
        }

        #serde
    }
}
