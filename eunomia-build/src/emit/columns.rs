use std::cmp::Reverse;

use proc_macro2::TokenStream;
use quote::quote;

use super::doc::{Doc, code};
use crate::module::{Batch, plain};

/// The batch type of an event, for runtimes that know columns.
pub(super) fn emit(batch: &Batch) -> TokenStream {
    let Batch { ident, event, is_flexible, columns } = batch;
    let tail = is_flexible.then(|| quote!(, tail: Tail));
    let doc = Doc(format!("[`{}`] as columns, see [`::eunomia_runtime::columns`].", plain(event)));
    let fields = columns.iter().map(|column| {
        let (ident, ty, doc) = (&column.ident, &column.ty, Doc(code(&column.path)));
        quote! {
            #doc
            #ident: #ty,
        }
    });
    // Filled in this order. The first loop over a run waits for memory: that of the largest field walks through whole events, which the
    // hardware foresees, and the other loops find them in the cache.
    let mut filled: Vec<_> = columns.iter().collect();
    filled.sort_by_key(|column| Reverse(column.size));
    let values = filled.into_iter().map(|column| {
        let (ident, value) = (&column.ident, &column.value);
        quote!(#ident: #value,)
    });
    quote! {
        ::eunomia_runtime::__columns! {
            #doc
            struct #ident { #(#fields)* }

            fn of(event: &#event #tail) -> #ident {
                #ident { #(#values)* }
            }
        }
    }
}
