//! The embedded object.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use crate::{
    Embed,
    module::{Module, literal},
};

/// Emits the ELF file, once and aligned.
pub(super) fn emit(module: &Module<'_>, embed: &Embed) -> TokenStream {
    let object = module.checked.skeleton.object.as_deref().unwrap_or_default();
    let len = literal(object.len() as u64);
    let bytes = match embed {
        Embed::Literal => {
            let bytes = Literal::byte_string(object);
            quote!(*#bytes)
        }
        Embed::File(name) => quote!(*::core::include_bytes!(#name)),
    };
    quote! {
        static STORAGE: ::eunomia_runtime::__private::Aligned<[u8; #len]> = ::eunomia_runtime::__private::Aligned(#bytes);

        /// The ELF file as the BPF compiler wrote it.
        pub static OBJECT: &[u8] = &STORAGE.0;
    }
}
