//! The structs `OpenProgs` and `Progs`.

use eunomia_runtime::skeleton::annotations::Item;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{
    doc::{Doc, code, described},
    named,
};
use crate::module::{Module, Program};

/// Emits `OpenProgs` and `Progs`: a handle for each program before and after loading.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    if module.programs.is_empty() {
        return TokenStream::new();
    }
    let each = |emit: fn(&Program<'_>, Doc) -> TokenStream| -> TokenStream {
        module
            .programs
            .iter()
            .map(|program| {
                let text = format!("{}, section {}", code(program.name), code(program.section));
                let item = Item::Program(program.name.to_owned());
                let description = module.checked.skeleton.description(&item);
                emit(program, Doc(described(text, description)))
            })
            .collect()
    };
    let open_fields = each(|program, doc| {
        let field = &program.field;
        quote! {
            #doc
            pub #field: ::eunomia_runtime::bpf::OpenProgram<'a>,
        }
    });
    // A variable with the name of a program could be a static.
    let variables = (0..module.programs.len()).map(|at| format_ident!("program_{at}"));
    let variables: Vec<_> = variables.collect();
    let (names, open) = module
        .programs
        .iter()
        .zip(&variables)
        .map(|(Program { name, field, .. }, variable)| (quote!(#name,), quote!(#field: #variable,)))
        .unzip::<_, _, TokenStream, TokenStream>();
    let fields = each(|program, doc| {
        let (field, kind) = (&program.field, &program.kind);
        quote! {
            #doc
            pub #field: ::eunomia_runtime::bpf::Program<'a, ::eunomia_runtime::bpf::kind::#kind>,
        }
    });
    let handles = named::emit(module.programs.iter().map(|program| (&program.field, program.name)));
    quote! {
        /// The programs before they are loaded.
        pub struct OpenProgs<'a> {
            #open_fields
        }

        impl<'a> OpenProgs<'a> {
            #[inline]
            fn new(object: &'a mut ::eunomia_runtime::bpf::Open) -> ::eunomia_runtime::Result<Self> {
                let [#(#variables),*] = object.programs_named([#names])?;
                ::core::result::Result::Ok(Self { #open })
            }
        }

        /// The programs.
        pub struct Progs<'a> {
            #fields
        }

        impl<'a> Progs<'a> {
            #[inline]
            fn new(loaded: &'a ::eunomia_runtime::bpf::Loaded) -> ::eunomia_runtime::Result<Self> {
                #handles
            }
        }
    }
}
