//! The struct `OpenTables`.

use proc_macro2::TokenStream;
use quote::quote;

use super::doc::{Doc, code};
use crate::module::Module;

/// Emits `OpenTables`: a handle for each table of functions (struct_ops) before loading.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    let tables = module.maps.iter().filter_map(|map| Some((map, map.table?)));
    let methods: TokenStream = tables
        .map(|(map, ty)| {
            let (field, name) = (&map.field, &map.def.name);
            let doc = Doc(code(&module.checked.layouts.c_declaration(name, ty)));
            let ty = module.types.rust(ty, &quote!(types::));
            quote! {
                #doc
                #[inline]
                pub fn #field(&mut self) -> ::eunomia_runtime::bpf::OpenTable<'_, #ty> {
                    ::eunomia_runtime::bpf::OpenTable::new(self.object, #name)
                }
            }
        })
        .collect();
    if methods.is_empty() {
        return methods;
    }
    quote! {
        /// The tables of functions before they are loaded.
        pub struct OpenTables<'a> {
            object: &'a mut ::eunomia_runtime::bpf::Open,
        }

        impl OpenTables<'_> {
            #methods
        }
    }
}

/// Emits the method that returns the tables.
pub(super) fn method(module: &Module<'_>) -> Option<TokenStream> {
    module.maps.iter().any(|map| map.table.is_some()).then(|| {
        quote! {
            /// The tables of functions (struct_ops), whose members can be set before loading.
            #[inline]
            pub fn tables(&mut self) -> OpenTables<'_> {
                OpenTables { object: &mut self.0 }
            }
        }
    })
}
