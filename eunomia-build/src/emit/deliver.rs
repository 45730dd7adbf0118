//! The function that turns a record into an `Export`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use crate::module::{Module, Record, integer, literal};

/// Emits `Export::deliver`.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    let arms = module.exports.iter().enumerate().map(|(i, export)| {
        let (index, variant) = (literal(i as u64), &export.variant);
        let outcome = match (&export.ty, &export.key, &export.tagged) {
            (Some(ty), Some((key, size)), _) => {
                let size = literal(u64::from(*size));
                quote!(::eunomia_runtime::__private::with_entry::<#key, #ty, _>(record, #size, |entry| f(Export::#variant(entry))))
            }
            (Some(ty), None, _) => typed(ty, export.is_flexible, &quote!(Export::#variant(event))),
            (None, _, Some(record)) => tagged(variant, record),
            (None, _, None) => quote!(::core::result::Result::Ok(f(Export::#variant(record)))),
        };
        quote!(#index => #outcome,)
    });
    quote! {
        impl Export<'_> {
            /// Passes a record of the map number `map` to `f` as its type. `poll` calls this for
            /// each record.
            #[inline]
            pub fn deliver<R: ::eunomia_runtime::sample::Outcome>(
                map: usize,
                record: &[u8],
                f: impl ::core::ops::FnOnce(Export<'_>) -> R,
            ) -> ::eunomia_runtime::sample::Verdict {
                let outcome = match map {
                    #(#arms)*
                    _ => return ::eunomia_runtime::__private::unknown_map(map),
                };
                ::eunomia_runtime::sample::Verdict::of(outcome)
            }
        }
    }
}

/// Delivers a record that has one type.
fn typed(ty: &TokenStream, is_flexible: bool, export: &TokenStream) -> TokenStream {
    if is_flexible {
        quote!(::eunomia_runtime::__private::with_tail::<#ty, _>(record, |event| f(#export)))
    } else {
        quote!(::eunomia_runtime::__private::with_event(record, |event: &#ty| f(#export)))
    }
}

/// Delivers a record as the type that its tag selects.
fn tagged(variant: &Ident, Record { ident, tagged, variants }: &Record<'_>) -> TokenStream {
    let (offset, tag) =
        (literal(tagged.offset), integer(u32::try_from(tagged.size).unwrap_or(8), false));
    let arms = variants.iter().map(|of| {
        let (values, name) = (of.tags.iter().map(|tag| literal(tag.value)), &of.ident);
        let outcome =
            typed(&of.ty, of.is_flexible, &quote!(Export::#variant(#ident::#name(event))));
        quote!(::core::option::Option::Some(#(#values)|*) => #outcome,)
    });
    quote! {
        match ::eunomia_runtime::__private::tag::<#tag, #offset>(record) {
            #(#arms)*
            _ => ::core::result::Result::Ok(f(Export::#variant(#ident::Unknown(record)))),
        }
    }
}
