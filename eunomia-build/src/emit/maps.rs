use proc_macro2::TokenStream;
use quote::quote;

use super::doc::Doc;
use crate::module::Module;

/// `Maps`: a handle for each map, by its kind.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    if module.maps.is_empty() {
        return TokenStream::new();
    }
    let fields = module.maps.iter().map(|map| {
        let (field, def) = (&map.field, map.def);
        let entries = if def.max_entries == 0 { String::new() } else { format!(", max_entries {}", def.max_entries) };
        let doc = Doc(format!("`{}`, {}{entries}", def.name, def.kind));
        let ty = &map.handle.ty;
        quote! {
            #doc
            pub #field: #ty,
        }
    });
    let handles = module.maps.iter().map(|map| {
        let (field, made) = (&map.field, &map.handle.made);
        quote!(#field: #made,)
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
