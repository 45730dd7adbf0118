use proc_macro2::TokenStream;
use quote::quote;

use super::doc::Doc;
use crate::module::{Handle, Module};

/// `Maps`: a handle for each map, by its kind.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    if module.maps.is_empty() {
        return TokenStream::new();
    }
    let fields = module.maps.iter().map(|map| {
        let (field, def) = (&map.field, map.def);
        let entries = if def.max_entries == 0 { String::new() } else { format!(", max_entries {}", def.max_entries) };
        let doc = Doc(format!("`{}`, {}{entries}", def.name, def.kind));
        let ty = match &map.handle {
            Handle::Hash { key, value } => quote!(::eunomia_runtime::bpf::HashMap<'a, #key, #value>),
            Handle::Array { value } => quote!(::eunomia_runtime::bpf::Array<'a, #value>),
            Handle::Untyped => quote!(::eunomia_runtime::bpf::Map<'a>),
        };
        quote! {
            #doc
            pub #field: #ty,
        }
    });
    let handles = module.maps.iter().map(|map| {
        let (field, name) = (&map.field, &map.def.name);
        match &map.handle {
            Handle::Hash { .. } => quote!(#field: loaded.map(#name)?.into_hash_map()?,),
            Handle::Array { .. } => quote!(#field: loaded.map(#name)?.into_array()?,),
            Handle::Untyped => quote!(#field: loaded.map(#name)?,),
        }
    });
    quote! {
        /// The maps.
        #[derive(::core::fmt::Debug)]
        pub struct Maps<'a> {
            #(#fields)*
        }

        impl<'a> Maps<'a> {
            fn new(loaded: &'a ::eunomia_runtime::bpf::Loaded) -> ::eunomia_runtime::Result<Self> {
                ::core::result::Result::Ok(Self { #(#handles)* })
            }
        }
    }
}
