//! The structs `OpenProgs` and `Progs`.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    doc::{Doc, code},
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
                emit(
                    program,
                    Doc(format!("{}, section {}", code(program.name), code(program.section))),
                )
            })
            .collect()
    };
    let methods = each(|program, doc| {
        let (field, name) = (&program.field, program.name);
        quote! {
            #doc
            ///
            /// # Errors
            /// None: the object was checked when this module was generated.
            #[inline]
            pub fn #field(&mut self) -> ::eunomia_runtime::Result<::eunomia_runtime::bpf::OpenProgram<'_>> {
                self.object.program(#name)
            }
        }
    });
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
            object: &'a mut ::eunomia_runtime::bpf::Open,
        }

        impl OpenProgs<'_> {
            #methods
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
