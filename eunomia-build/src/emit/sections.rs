use proc_macro2::TokenStream;
use quote::quote;

use super::doc::Doc;
use crate::{module::Module, types::literal};

/// A struct of handles for each data section.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    let layouts = &module.checked.layouts;
    let structs = module.sections.iter().map(|section| {
        let ident = &section.ident;
        let doc = Doc(format!("The variables of the section `{}`, {} bytes.", section.section.name, section.section.size));
        let fields = section.variables.iter().map(|(ident, variable)| {
            let ty = module.types.rust(variable.ty, &quote!(types::));
            let size = layouts.layout(variable.ty).size;
            let declaration = layouts.c_declaration(&variable.name, variable.ty);
            let doc = Doc(format!("`{declaration}`, offset {}, {size} byte{}", variable.offset, if size == 1 { "" } else { "s" }));
            quote! {
                #doc
                pub #ident: ::eunomia_runtime::bpf::Variable<'a, #ty, A>,
            }
        });
        let places = section.variables.iter().map(|(ident, variable)| {
            let (name, offset) = (&variable.name, literal(variable.offset));
            quote!(#ident: section.named(#name, #offset)?,)
        });
        quote! {
            #doc
            #[derive(::core::fmt::Debug)]
            pub struct #ident<'a, A: ::eunomia_runtime::bpf::Access> {
                #(#fields)*
            }

            impl<'a, A: ::eunomia_runtime::bpf::Access> #ident<'a, A> {
                fn new(section: &::eunomia_runtime::bpf::Section<'a, A>) -> ::eunomia_runtime::Result<Self> {
                    ::core::result::Result::Ok(Self { #(#places)* })
                }
            }
        }
    });
    structs.collect()
}
