//! The batch types of a generated module.

use std::cmp::Reverse;

use proc_macro2::TokenStream;
use quote::quote;

use super::doc::{Doc, code};
use crate::module::{Batch, plain};

/// Emits the batch type of an event. The macro expands to nothing if the runtime lacks the feature
/// `columns`.
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
    // The largest column is filled first. Its loop walks through whole events, which the hardware
    // prefetcher foresees; the other loops then find the events in the cache.
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
