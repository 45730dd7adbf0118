//! `open`, and the types `Open`, `Loaded` and `Attached`.

use eunomia_runtime::checked::DeclaredHook;
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;

use super::{
    args,
    doc::{Doc, code},
    tables,
};
use crate::module::{Module, literal};

/// Emits `open`, `Open`, `Loaded` and `Attached`.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    let name = &module.checked.skeleton.name;
    let streams = module.exports.iter().map(|export| &export.stream.map);
    let samples = module.exports.iter().filter_map(|export| {
        let (map, sampled) = (&export.stream.map, export.stream.sampled.as_ref()?);
        let (millis, clear) = (literal(sampled.interval), sampled.clear);
        Some(quote! {
            ::eunomia_runtime::bpf::Sample { map: #map, every: ::core::time::Duration::from_millis(#millis), clear: #clear }
        })
    });
    let dropped = module.exports.iter().filter_map(|export| {
        let (map, at) = (&export.stream.map, export.stream.dropped.as_ref()?);
        let (section, offset, size) = (&at.section, literal(at.offset), literal(at.size));
        Some(quote!(::eunomia_runtime::bpf::Dropped { map: #map, section: #section, offset: #offset, size: #size }))
    });
    let pages = literal(module.checked.perf_pages() as u64);
    let initial = module.initial.iter().map(|value| {
        let (section, variable, offset) =
            (&value.section.name, &value.variable.name, literal(value.variable.offset));
        let bytes = Literal::byte_string(&value.bytes);
        quote!(object.section(#section)?.write(#variable, #offset, #bytes)?;)
    });
    let targets = module.targets.iter().map(|target| {
        let (program, index) = (target.program, Literal::u32_unsuffixed(target.interface));
        let interface = quote!(::eunomia_runtime::bpf::Interface::Index(#index));
        let target = match target.hook {
            DeclaredHook::Xdp(flags) => {
                let flags = Literal::u32_unsuffixed(flags);
                quote!(::eunomia_runtime::bpf::Target::Xdp { interface: #interface, flags: #flags })
            }
            DeclaredHook::Tc { ingress, handle, priority, first } => {
                let order = Ident::new(if first { "First" } else { "Last" }, Span::call_site());
                let direction =
                    Ident::new(if ingress { "Ingress" } else { "Egress" }, Span::call_site());
                let (handle, priority) =
                    (Literal::u32_unsuffixed(handle), Literal::u32_unsuffixed(priority));
                quote! {
                    ::eunomia_runtime::bpf::Target::Tc {
                        interface: #interface,
                        direction: ::eunomia_runtime::bpf::Direction::#direction,
                        rank: ::eunomia_runtime::bpf::Rank { handle: #handle, priority: #priority },
                        order: ::eunomia_runtime::bpf::Order::#order,
                    }
                }
            }
        };
        quote!(object.set_target(#program, #target)?;)
    });
    let unlinked =
        module.checked.skeleton.programs.iter().filter(|program| !program.link).map(|program| {
            let name = &program.name;
            quote!(object.program(#name)?.set_autoattach(false);)
        });
    // `program_types` has no order; the document has.
    let sections = module.checked.program_types();
    let typed = module.checked.skeleton.programs.iter().filter_map(|program| {
        let (name, section) = (&program.name, sections.get(program.name.as_str())?);
        Some(quote!(object.program(#name)?.set_type_of(#section)?;))
    });
    let setup: Vec<TokenStream> = initial.chain(targets).chain(unlinked).chain(typed).collect();
    let open = quote!(::eunomia_runtime::bpf::Open::for_kernel(&spec, kernel));
    let open = match setup.as_slice() {
        [] => quote!(#open.map(Open)),
        setup => quote! {
            let mut object = #open?;
            #(#setup)*
            ::core::result::Result::Ok(Open(object))
        },
    };
    let open_sections = open_sections(module);
    let open_args = args::open(module);
    let loaded_sections = loaded_sections(module);
    let (open_progs, progs) = programs(module);
    let open_tables = tables::method(module);
    let maps = maps(module);
    let (export, deliver) = delivery(module);
    let stats = stats(module);
    quote! {
        /// Opens the object. Makes no call to the kernel.
        ///
        /// # Errors
        /// The object, if libbpf refuses it.
        #[inline]
        pub fn open() -> ::eunomia_runtime::Result<Open> {
            open_for(::core::option::Option::None)
        }

        /// Opens the object like [`open`], with the kernel's BTF from a file instead of the running
        /// kernel's, see [`::eunomia_runtime::bpf::kernel_btf`].
        ///
        /// # Errors
        /// Those of [`open`]. Diagnostics of the file show when the object is loaded.
        #[inline]
        pub fn open_for(kernel: ::core::option::Option<&::std::path::Path>) -> ::eunomia_runtime::Result<Open> {
            let spec = ::eunomia_runtime::bpf::Spec {
                name: #name,
                object: OBJECT,
                streams: &[#(#streams),*],
                samples: &[#(#samples),*],
                dropped: &[#(#dropped),*],
                perf_pages: #pages,
            };
            #open
        }

        /// The object before it is loaded: variables and programs can be set up.
        #[derive(::core::fmt::Debug)]
        pub struct Open(::eunomia_runtime::bpf::Open);

        impl Open {
            #open_sections
            #open_args
            #open_progs
            #open_tables

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

        /// The object with its maps and programs in the kernel. Dropping it unloads them. Typed
        /// access is through [`Handles`].
        pub type Loaded = ::eunomia_runtime::bpf::LoadedSkeleton<Handles>;

        /// The typed variables, maps and programs of a loaded object.
        pub struct Handles(::eunomia_runtime::bpf::Loaded);

        impl Handles {
            #loaded_sections
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

            fn deliver<R: ::eunomia_runtime::reader::Outcome>(
                &self,
                map: usize,
                record: &[u8],
                f: impl ::core::ops::FnOnce(Self::Export<'_>) -> R,
            ) -> ::eunomia_runtime::reader::Verdict {
                #deliver
            }
        }

        /// The object with its programs attached. It offers all that [`Loaded`] does; dropping it
        /// detaches the programs.
        pub type Attached = ::eunomia_runtime::bpf::Attached<Loaded>;
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

fn programs(module: &Module<'_>) -> (Option<TokenStream>, Option<TokenStream>) {
    if module.programs.is_empty() {
        return (None, None);
    }
    let open = quote! {
        /// The programs before they are loaded, to be switched off or set up.
        #[inline]
        pub fn progs(&mut self) -> OpenProgs<'_> {
            OpenProgs { object: &mut self.0 }
        }
    };
    let loaded = quote! {
        /// The programs.
        ///
        /// # Errors
        /// None for the object that this module was generated for.
        #[inline]
        pub fn progs(&self) -> ::eunomia_runtime::Result<Progs<'_>> {
            Progs::new(&self.0)
        }
    };
    (Some(open), Some(loaded))
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
