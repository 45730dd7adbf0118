//! The types `Open`, `Loaded` and `Attached`.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    args,
    doc::{Doc, code},
    open, tables,
};
use crate::module::{Module, literal};

/// Emits `open`, `Open`, `Loaded` and `Attached`.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    let (functions, open, loaded) = (open::emit(module), open_type(module), loaded_type(module));
    quote! {
        #functions
        #open
        #loaded

        /// The object with its programs attached. It offers all that [`Loaded`] does; dropping it
        /// detaches the programs.
        pub type Attached = ::eunomia_runtime::bpf::Attached<Loaded>;
    }
}

/// Emits `Open`.
fn open_type(module: &Module<'_>) -> TokenStream {
    let sections = open_sections(module);
    let args = args::open(module);
    let progs = open_programs(module);
    let tables = tables::method(module);
    quote! {
        /// The object before it is loaded: variables and programs can be set up.
        #[derive(::core::fmt::Debug)]
        pub struct Open(::eunomia_runtime::bpf::Open);

        impl Open {
            #sections
            #args
            #progs
            #tables

            /// The underlying object, which is accessed by names.
            #[inline]
            pub fn object(&mut self) -> &mut ::eunomia_runtime::bpf::Open {
                &mut self.0
            }

            /// Loads maps and programs into the kernel.
            ///
            /// # Errors
            /// The kernel's refusal, with the verifier's log.
            #[inline]
            pub fn load(self) -> ::eunomia_runtime::Result<Loaded> {
                self.0.load().map(Handles).map(Loaded::new)
            }
        }
    }
}

/// Emits `Loaded` and `Handles`.
fn loaded_type(module: &Module<'_>) -> TokenStream {
    let sections = loaded_sections(module);
    let maps = maps(module);
    let progs = programs(module);
    let stats = stats(module);
    let (export, deliver) = delivery(module);
    quote! {
        /// The object with its maps and programs in the kernel. Dropping it unloads them. Typed
        /// access is through [`Handles`].
        pub type Loaded = ::eunomia_runtime::bpf::LoadedSkeleton<Handles>;

        /// The typed variables, maps and programs of a loaded object.
        pub struct Handles(::eunomia_runtime::bpf::Loaded);

        impl Handles {
            #sections
            #maps
            #progs
            #stats
        }

        impl ::eunomia_runtime::bpf::Handles for Handles {
            type Export<'a> = #export;

            #[inline]
            fn object(&self) -> &::eunomia_runtime::bpf::Loaded {
                &self.0
            }

            #[inline]
            fn deliver<R: ::eunomia_runtime::reader::Outcome>(
                &self,
                map: usize,
                record: &[u8],
                f: impl ::core::ops::FnOnce(Self::Export<'_>) -> R,
            ) -> ::eunomia_runtime::reader::Verdict {
                #deliver
            }
        }
    }
}

fn open_sections(module: &Module<'_>) -> TokenStream {
    let settable = module.sections.iter().filter(|section| !section.section.is_kconfig());
    let methods = settable.map(|section| {
        let (ident, method, name) = (&section.ident, &section.method, &section.section.name);
        let doc = Doc(format!("The variables of the section {}, to be set before loading.", code(name)));
        quote! {
            #doc
            ///
            /// # Errors
            /// None for the object that this module was generated for.
            #[inline]
            pub fn #method(&mut self) -> ::eunomia_runtime::Result<#ident<'_, ::eunomia_runtime::bpf::ReadWrite>> {
                self.0.sized_section(#name).map(#ident::new)
            }
        }
    });
    methods.collect()
}

fn loaded_sections(module: &Module<'_>) -> TokenStream {
    let methods = module.sections.iter().map(|section| {
        let (ident, method, name) = (&section.ident, &section.method, &section.section.name);
        let (access, doc) = if section.section.read_only() {
            (quote!(ReadOnly), Doc(format!("The variables of the section {}, which the kernel froze when it was loaded.", code(name))))
        } else {
            (quote!(ReadWrite), Doc(format!("The variables of the section {}, shared with the programs.", code(name))))
        };
        quote! {
            #doc
            ///
            /// # Errors
            /// The kernel is older than 5.2 and has no global variables.
            #[inline]
            pub fn #method(&self) -> ::eunomia_runtime::Result<#ident<'_, ::eunomia_runtime::bpf::#access>> {
                self.0.sized_section(#name).map(#ident::new)
            }
        }
    });
    methods.collect()
}

fn maps(module: &Module<'_>) -> Option<TokenStream> {
    (!module.maps.is_empty()).then(|| {
        quote! {
            /// The maps.
            ///
            /// # Errors
            /// None for the object that this module was generated for.
            #[inline]
            pub fn maps(&self) -> ::eunomia_runtime::Result<Maps<'_>> {
                Maps::new(&self.0)
            }
        }
    })
}

fn open_programs(module: &Module<'_>) -> Option<TokenStream> {
    (!module.programs.is_empty()).then(|| {
        quote! {
            /// The programs before they are loaded, to be switched off or set up.
            ///
            /// # Errors
            /// None for the object that this module was generated for.
            #[inline]
            pub fn progs(&mut self) -> ::eunomia_runtime::Result<OpenProgs<'_>> {
                OpenProgs::new(&mut self.0)
            }
        }
    })
}

fn programs(module: &Module<'_>) -> Option<TokenStream> {
    (!module.programs.is_empty()).then(|| {
        quote! {
            /// The programs.
            ///
            /// # Errors
            /// None for the object that this module was generated for.
            #[inline]
            pub fn progs(&self) -> ::eunomia_runtime::Result<Progs<'_>> {
                Progs::new(&self.0)
            }
        }
    })
}

/// Returns the type of a delivered record, and the expression that delivers it.
fn delivery(module: &Module<'_>) -> (TokenStream, TokenStream) {
    if module.exports.is_empty() {
        return (
            quote!(::core::convert::Infallible),
            quote!(_ = record; ::core::mem::drop(f); ::eunomia_runtime::__private::unknown_map(map)),
        );
    }
    (quote!(Export<'a>), quote!(Export::deliver(map, record, f)))
}

fn stats(module: &Module<'_>) -> Option<TokenStream> {
    if module.exports.is_empty() {
        return None;
    }
    let stats = module.exports.iter().enumerate().map(|(i, export)| {
        let (index, field) = (literal(i as u64), &export.field);
        quote!(#field: stats.get(#index).copied().unwrap_or_default(),)
    });
    Some(quote! {
        /// Returns the counts of received and lost records of each map since it was loaded.
        #[inline]
        pub fn stats(&self) -> Stats {
            let stats = self.0.stats();
            Stats { #(#stats)* }
        }
    })
}
