use eunomia_runtime::object::Payload;
use proc_macro2::TokenStream;
use quote::quote;

use super::doc::Doc;
use crate::module::Module;

/// `Export`: one variant for each map that delivers records.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    if module.exports.is_empty() {
        return TokenStream::new();
    }
    let variants = module.exports.iter().map(|export| {
        let variant = &export.variant;
        let (map, kind) = (&export.stream.map, &export.stream.kind);
        let mut doc = Doc(match &export.stream.sampled {
            Some(sampled) => {
                let taken = if sampled.clear { ", and taken out of it" } else { "" };
                format!("An entry of the map `{map}` ({kind}), read every {} milliseconds{taken}.", sampled.interval)
            }
            None => format!("A record of the map `{map}` ({kind})."),
        });
        if let Payload::Bytes { why } = &export.stream.payload {
            doc.0.push_str(&format!(" Its type is not known: {why}."));
        }
        let ty = match (&export.ty, &export.key) {
            (Some(ty), Some((key, _))) => quote!(::eunomia_runtime::sample::Entry<'a, #key, #ty>),
            (Some(ty), None) if export.is_flexible => quote!(::eunomia_runtime::sample::Tailed<'a, #ty>),
            (Some(ty), None) => quote!(&'a #ty),
            (None, _) => quote!(&'a [u8]),
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
    quote! {
        /// A record that was delivered, borrowed from the memory that the kernel wrote it to.
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug, ::core::cmp::PartialEq)]
        pub enum Export<'a> {
            #(#variants)*
        }

        impl ::core::fmt::Display for Export<'_> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self {
                    #(#shown)*
                }
            }
        }
    }
}

/// `Stats`: a field for each map that delivers records.
pub(super) fn stats(module: &Module<'_>) -> TokenStream {
    if module.exports.is_empty() {
        return TokenStream::new();
    }
    let fields = module.exports.iter().map(|export| {
        let field = &export.field;
        let doc = Doc(format!("Of the map `{}`.", export.stream.map));
        quote! {
            #doc
            pub #field: ::eunomia_runtime::reader::Stats,
        }
    });
    quote! {
        /// What became of the records of each map.
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug, ::core::default::Default, ::core::cmp::PartialEq)]
        pub struct Stats {
            #(#fields)*
        }
    }
}
