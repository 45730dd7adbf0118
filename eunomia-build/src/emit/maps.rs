//! The struct `Maps`.

use eunomia_runtime::{object::MapDef, skeleton::annotations::Item};
use proc_macro2::TokenStream;
use quote::quote;

use super::{
    doc::{Doc, code, described},
    named,
};
use crate::module::Module;

/// Emits `Maps`: a handle for each map, by its kind.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    if module.maps.is_empty() {
        return TokenStream::new();
    }
    let fields = module.maps.iter().map(|map| {
        let (field, def) = (&map.field, map.def);
        let inner =
            def.inner.as_ref().map(|inner| format!(", each {}", kind(inner))).unwrap_or_default();
        let text = format!("{}, {}{inner}", code(&def.name), kind(def));
        let item = Item::Map(def.name.clone());
        let doc = Doc(described(text, module.checked.skeleton.description(&item)));
        let ty = &map.ty;
        quote! {
            #doc
            pub #field: #ty,
        }
    });
    let handles = named::emit(module.maps.iter().map(|map| (&map.field, map.def.name.as_str())));
    quote! {
        /// The maps.
        pub struct Maps<'a> {
            #(#fields)*
        }

        impl<'a> Maps<'a> {
            #[inline]
            fn new(loaded: &'a ::eunomia_runtime::bpf::Loaded) -> ::eunomia_runtime::Result<Self> {
                #handles
            }
        }
    }
}

fn kind(def: &MapDef) -> String {
    let entries = if def.max_entries == 0 {
        String::new()
    } else {
        format!(", max_entries {}", def.max_entries)
    };
    format!("{}{entries}", def.kind)
}
