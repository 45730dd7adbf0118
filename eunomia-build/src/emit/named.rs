//! Constructors of structs of handles.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::module::literal;

/// The number of handles that the runtime returns from one call, at most.
const GROUP: usize = 8;

/// Emits the body of `new` of a struct of handles, which it gets from `loaded` by name. The handles
/// are no local variables, since such a name may be that of a static.
pub(super) fn emit<'a>(handles: impl IntoIterator<Item = (&'a Ident, &'a str)>) -> TokenStream {
    let handles: Vec<_> = handles.into_iter().collect();
    let mut groups = TokenStream::new();
    let mut fields = TokenStream::new();
    for (number, group) in handles.chunks(GROUP).enumerate() {
        let variable =
            if number == 0 { format_ident!("all") } else { format_ident!("all_{number}") };
        let (types, names) = (group.iter().map(|_| quote!(_,)), group.iter().map(|(_, name)| name));
        groups.extend(quote!(let #variable: (#(#types)*) = ::eunomia_runtime::__private::handles(loaded, [#(#names),*])?;));
        for (at, (field, _)) in group.iter().enumerate() {
            let at = literal(at as u64);
            fields.extend(quote!(#field: #variable.#at,));
        }
    }
    quote! {
        #groups
        ::core::result::Result::Ok(Self { #fields })
    }
}
