//! Writes a [`Module`] as tokens. The emitter cannot fail.
//!
//! Functions are `#[inline]`, so that a library with a module does not compile them all: callers
//! compile those that they use.

mod args;
mod columns;
mod deliver;
mod derive;
mod doc;
mod exports;
mod lifecycle;
mod maps;
mod named;
mod object;
mod open;
mod programs;
mod recording;
mod sections;
mod structure;
mod tables;
mod types;

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use crate::{Embed, module::Module};
use doc::{Doc, code, prose};
pub(crate) use types::definitions;

/// Emits the module `name`.
pub(crate) fn module(module: &Module<'_>, name: &Ident, embed: &Embed) -> TokenStream {
    let skeleton = &module.checked.skeleton;
    let doc =
        skeleton.doc.as_ref().and_then(|doc| doc.brief.as_deref().or(doc.description.as_deref()));
    let title = Doc(format!(
        "The BPF object {}{}",
        code(&skeleton.name),
        doc.map(|doc| format!(": {}", prose(doc))).unwrap_or_default()
    ));
    let object = object::emit(module, embed);
    let types = types::emit(module);
    let (exports, recording) = (exports::emit(module), recording::emit(module));
    let args = args::emit(module);
    let lifecycle: TokenStream = [
        lifecycle::emit(module),
        sections::emit(module),
        maps::emit(module),
        tables::emit(module),
        programs::emit(module),
        exports::stats(module),
    ]
    .into_iter()
    .collect();
    quote! {
        #title
        #[allow(
            dead_code,
            let_underscore_drop,
            missing_copy_implementations,
            missing_debug_implementations,
            non_camel_case_types,
            non_snake_case,
            non_upper_case_globals,
            single_use_lifetimes,
            trivial_casts,
            trivial_numeric_casts,
            unreachable_pub,
            unused_qualifications,
            unused_results,
            variant_size_differences,
            rustdoc::all,
            clippy::all,
            clippy::nursery,
            clippy::pedantic,
            clippy::absolute_paths,
            clippy::allow_attributes,
            clippy::arbitrary_source_item_ordering,
            clippy::as_conversions,
            clippy::decimal_literal_representation,
            clippy::doc_paragraphs_missing_punctuation,
            clippy::exhaustive_enums,
            clippy::exhaustive_structs,
            clippy::impl_trait_in_params,
            clippy::implicit_return,
            clippy::min_ident_chars,
            clippy::missing_docs_in_private_items,
            clippy::missing_inline_in_public_items,
            clippy::missing_trait_methods,
            clippy::module_name_repetitions,
            clippy::pattern_type_mismatch,
            clippy::question_mark_used,
            clippy::same_name_method,
            clippy::single_call_fn,
            clippy::single_char_lifetime_names,
            clippy::std_instead_of_alloc,
            clippy::unseparated_literal_suffix,
            reason = "generated, with the names of the C source"
        )]
        pub mod #name {
            #object
            #types
            #exports
            #recording
            #args
            ::eunomia_runtime::__lifecycle! { #lifecycle }
        }
    }
}
