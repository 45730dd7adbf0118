//! The functions `recorder` and `replay`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::module::{Module, literal};

/// Emits `STREAMS`, `recorder` and `replay`.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    if module.exports.is_empty() {
        return TokenStream::new();
    }
    let name = &module.checked.skeleton.name;
    let streams = module.checked.recorded_streams().into_iter().map(|stream| {
        let (map, c_type, size, layout) =
            (&stream.map, &stream.c_type, literal(stream.size), &stream.layout);
        let at_least = (stream.least != stream.size)
            .then(|| literal(stream.least))
            .map(|least| quote!(.at_least(#least)));
        quote!(::eunomia_runtime::recording::Stream::new(#map, #c_type, #size, #layout) #at_least)
    });
    quote! {
        /// The maps that deliver records, by their number, with the names and layouts that
        /// recordings contain.
        pub const STREAMS: &[::eunomia_runtime::recording::Stream<'static>] = &[#(#streams),*];

        /// Starts a recording of these maps, see [`::eunomia_runtime::recording`].
        ///
        /// # Errors
        /// The header cannot be written.
        pub fn recorder<W: ::std::io::Write>(to: W) -> ::eunomia_runtime::Result<::eunomia_runtime::recording::Recorder<W>> {
            ::eunomia_runtime::recording::Recorder::new(to, #name, STREAMS)
        }

        /// Delivers the records of a recording. Makes no call to the kernel.
        ///
        /// # Errors
        /// Those of [`::eunomia_runtime::recording::Replay::deliver`].
        pub fn replay<R: ::eunomia_runtime::sample::Outcome>(
            from: impl ::std::io::Read,
            mut f: impl ::core::ops::FnMut(Export<'_>) -> R,
        ) -> ::eunomia_runtime::Result<::eunomia_runtime::recording::Replayed> {
            ::eunomia_runtime::__private::replay(from, STREAMS, |map, record| Export::deliver(map, record, &mut f))
        }
    }
}
