//! Implementations of traits that cost the compiler less than derives.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};

/// Implements `Clone` for a type that is `Copy`. A derive would make the compiler check every field
/// again.
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

/// Implements `Serialize` by the expression `serialize`, which uses `self`, `serializer` and, for a
/// struct that ends with an array without a length, `tail`.
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
