//! Implementations of traits that cost the compiler less than derives.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};

/// `Clone` of a type that is `Copy`. A derive has the compiler look at every field again, as that of `Eq` does, and implements a trait of
/// the standard library beside, whose implementations in all crates are then looked through.
pub(super) fn clone(of: &impl ToTokens) -> TokenStream {
    quote! {
        impl ::core::clone::Clone for #of {
            #[inline]
            fn clone(&self) -> Self {
                *self
            }
        }
    }
}

/// The type for serde, `serialize` being what `Serialize` does with `self`, `serializer` and, for a struct that ends with an array without
/// a length, `tail`.
pub(super) fn serde(ident: &Ident, tailed: bool, serialize: &TokenStream) -> TokenStream {
    let tail = tailed.then(|| quote!(, tail: Tail));
    quote! {
        ::eunomia_runtime::__serde! {
            impl #ident {
                fn serialize(&self, serializer: Serializer #tail) -> Result {
                    #serialize
                }
            }
        }
    }
}
