use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::module::literal;

/// As many handles as the runtime gives in one call.
const GROUP: usize = 8;

/// The body of `new` of a struct of handles that `loaded` has by these names. They are no variables: a name may be that of a static.
pub(super) fn emit<'a>(handles: impl IntoIterator<Item = (&'a Ident, &'a str)>) -> TokenStream {
    let handles: Vec<_> = handles.into_iter().collect();
    let mut groups = TokenStream::new();
    let mut fields = TokenStream::new();
    for (number, group) in handles.chunks(GROUP).enumerate() {
        let variable = if number == 0 { format_ident!("all") } else { format_ident!("all_{number}") };
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
