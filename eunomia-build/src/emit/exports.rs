//! The enum `Export`, its records and `Stats`.

use eunomia_runtime::checked::Payload;
use proc_macro2::TokenStream;
use quote::quote;

use super::{
    deliver,
    derive::clone,
    doc::{Doc, code, prose},
};
use crate::module::{Module, Record};

/// Emits `Export`: one variant for each map that delivers records.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    if module.exports.is_empty() {
        return TokenStream::new();
    }
    let variants = module.exports.iter().map(|export| {
        let variant = &export.variant;
        let (map, kind) = (code(&export.stream.map), &export.stream.kind);
        let mut doc = Doc(match &export.stream.sampled {
            Some(sampled) => {
                let taken = if sampled.clear { ", and taken out of it" } else { "" };
                format!("An entry of the map {map} ({kind}), read every {} milliseconds{taken}.", sampled.interval)
            }
            None => format!("A record of the map {map} ({kind})."),
        });
        if let Payload::Bytes { why } = &export.stream.payload {
            let (event, line) = (code(&format!("{}=struct NAME", export.stream.map)), code(&export.stream.declaration()));
            let (option, method) = (code("events(..)"), code("Config::event"));
            doc.0.push_str(&format!(
                " Its type is not known: {}. To name it, give the macro {option}, {method} or {} {event}, or write {line} of {} into \
                 the map's definition.",
                prose(why),
                code("--event"),
                code("eunomia.bpf.h"),
            ));
        }
        if let Some(how) = &export.stream.found {
            doc.0.push_str(&format!(" Its type was found in the object: {}.", prose(how)));
        }
        let ty = match (&export.ty, &export.key, &export.tagged) {
            (Some(ty), Some((key, _)), _) => quote!(::eunomia_runtime::sample::Entry<'a, #key, #ty>),
            (Some(ty), None, _) => borrowed(ty, export.is_flexible),
            (None, _, Some(Record { ident, .. })) => quote!(#ident<'a>),
            (None, _, None) => quote!(&'a [u8]),
        };
        quote! {
            #doc
            #variant(#ty),
        }
    });
    let shown = module.exports.iter().map(|export| {
        let variant = &export.variant;
        let show = if export.is_struct || export.key.is_some() {
            quote!(::core::fmt::Display::fmt(record, f))
        } else {
            quote!(::eunomia_runtime::sample::Line::line(*record, f))
        };
        quote!(Self::#variant(record) => #show,)
    });
    let (deliver, clone) = (deliver::emit(module), clone(&quote!(Export<'_>)));
    let records = module
        .exports
        .iter()
        .filter_map(|export| Some(record(module, &export.stream.map, export.tagged.as_ref()?)));
    quote! {
        #(#records)*

        /// A delivered record, borrowed from the memory that the kernel wrote it to.
        #[derive(::core::marker::Copy, ::core::fmt::Debug, ::core::cmp::PartialEq)]
        pub enum Export<'a> {
            #(#variants)*
        }

        #clone

        #deliver

        impl ::core::fmt::Display for Export<'_> {
            #[inline]
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self {
                    #(#shown)*
                }
            }
        }
    }
}

/// Emits the enum of a map with records of several types.
fn record(
    module: &Module<'_>,
    map: &str,
    Record { ident, tagged, variants }: &Record<'_>,
) -> TokenStream {
    let (member, offset, size) = (&tagged.member, tagged.offset, tagged.size);
    let (map, member) = (code(map), code(member));
    let doc = Doc(format!(
        "A record of the map {map}. Its {member} (offset {offset}, {size} bytes) selects the type."
    ));
    let cases = variants.iter().map(|variant| {
        let (name, ty) = (&variant.ident, borrowed(&variant.ty, variant.is_flexible));
        let c_name = variant
            .tags
            .first()
            .map(|tag| module.checked.layouts.c_name(tag.ty))
            .unwrap_or_default();
        let values: Vec<String> = variant.tags.iter().map(|tag| code(&tag.text)).collect();
        let doc = Doc(format!("{}, selected by {}.", code(&c_name), values.join(", ")));
        quote! {
            #doc
            #name(#ty),
        }
    });
    let shown = variants.iter().map(|variant| {
        let name = &variant.ident;
        quote!(Self::#name(record) => ::core::fmt::Display::fmt(record, f),)
    });
    let clone = clone(&quote!(#ident<'_>));
    let unknown = Doc(format!(
        "The bytes of a record whose {member} has another value, or which ends before it."
    ));
    quote! {
        #doc
        #[derive(::core::marker::Copy, ::core::fmt::Debug, ::core::cmp::PartialEq)]
        pub enum #ident<'a> {
            #(#cases)*
            #unknown
            Unknown(&'a [u8]),
        }

        #clone

        impl ::core::fmt::Display for #ident<'_> {
            #[inline]
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self {
                    #(#shown)*
                    Self::Unknown(record) => ::eunomia_runtime::sample::Line::line(*record, f),
                }
            }
        }
    }
}

/// Returns the type of a borrowed record.
fn borrowed(ty: &TokenStream, is_flexible: bool) -> TokenStream {
    if is_flexible { quote!(::eunomia_runtime::sample::Tailed<'a, #ty>) } else { quote!(&'a #ty) }
}

/// Emits `Stats`: a field for each map that delivers records.
pub(super) fn stats(module: &Module<'_>) -> TokenStream {
    if module.exports.is_empty() {
        return TokenStream::new();
    }
    let fields = module.exports.iter().map(|export| {
        let field = &export.field;
        let doc = Doc(format!("The counts of the map {}.", code(&export.stream.map)));
        quote! {
            #doc
            pub #field: ::eunomia_runtime::reader::Stats,
        }
    });
    let clone = clone(&quote!(Stats));
    quote! {
        /// The counts of received and lost records of each map.
        #[derive(::core::marker::Copy, ::core::fmt::Debug, ::core::default::Default, ::core::cmp::PartialEq)]
        pub struct Stats {
            #(#fields)*
        }

        #clone
    }
}
