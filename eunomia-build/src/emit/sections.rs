//! A struct for each data section.

use eunomia_runtime::skeleton::annotations::Item;
use proc_macro2::TokenStream;
use quote::quote;

use super::doc::{Doc, bytes, code, described, tagged};
use crate::module::{Module, integer, literal};

/// Emits a struct of handles for each data section.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    let layouts = &module.checked.layouts;
    let structs = module.sections.iter().map(|section| {
        let ident = &section.ident;
        let doc = Doc(format!(
            "The variables of the section {}, {} bytes.",
            code(&section.section.name),
            section.section.size
        ));
        let fields = section.variables.iter().map(|(ident, variable)| {
            let known = layouts.has_values(variable.ty).then_some(variable.ty);
            let (ty, align) = match (known, variable.size) {
                // The compiler leaves the type of an `_Atomic` variable out of BTF; by its size it
                // is a number.
                (None, size @ (1 | 2 | 4 | 8)) => (integer(size as u32, false), size),
                (known, size) => (
                    module.types.rust_or_bytes(known, size, &quote!(types::)),
                    known.map_or(1, |ty| module.types.align(ty)),
                ),
            };
            let ty = if variable.offset.is_multiple_of(align) {
                ty
            } else {
                quote!(::eunomia_runtime::sample::Packed<#ty>)
            };
            let declaration = match known {
                Some(ty) => layouts.c_declaration(&variable.name, ty),
                None => variable.name.clone(),
            };
            let untyped = if known.is_none() { "; the compiler left its type out" } else { "" };
            let text = format!(
                "{}, offset {}, {}{untyped}",
                code(&declaration),
                variable.offset,
                bytes(variable.size)
            );
            let text = tagged(text, layouts.tags(variable.id, None));
            let item = Item::Variable(variable.name.clone());
            let doc = Doc(described(text, module.checked.skeleton.description(&item)));
            quote! {
                #doc
                pub #ident: ::eunomia_runtime::bpf::Variable<'a, #ty, A>,
            }
        });
        let places = section.variables.iter().map(|(ident, variable)| {
            let offset = literal(variable.offset);
            quote!(#ident: section.at::<_, #offset>(),)
        });
        let size = literal(section.section.size);
        quote! {
            #doc
            pub struct #ident<'a, A> {
                #(#fields)*
            }

            impl<'a, A> #ident<'a, A> {
                fn new(section: ::eunomia_runtime::bpf::SizedSection<'a, A, #size>) -> Self {
                    Self { #(#places)* }
                }
            }
        }
    });
    structs.collect()
}
