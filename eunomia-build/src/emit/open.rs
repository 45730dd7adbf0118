//! The functions `open` and `open_for`.

use eunomia_runtime::checked::{DeclaredHook, DeclaredTarget};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;

use crate::module::{Module, literal};

/// Emits `open` and `open_for`.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    let spec = spec(module);
    let setup = setup(module);
    let open = quote!(::eunomia_runtime::__open!(&spec, kernel));
    let open = match setup.as_slice() {
        [] => quote!(#open.map(Open)),
        setup => quote! {
            let mut object = #open?;
            #(#setup)*
            ::core::result::Result::Ok(Open(object))
        },
    };
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
        /// Those of [`open`]. Faults of the file show when the object is loaded.
        #[inline]
        pub fn open_for(kernel: ::core::option::Option<&::std::path::Path>) -> ::eunomia_runtime::Result<Open> {
            let spec = #spec;
            #open
        }
    }
}

/// Emits what the runtime must know about the object to open it.
fn spec(module: &Module<'_>) -> TokenStream {
    let name = &module.checked.skeleton.name;
    let streams = module.exports.iter().map(|export| &export.stream.map);
    let samples = samples(module);
    let dropped = dropped(module);
    let pages = literal(module.checked.perf_pages() as u64);
    quote! {
        ::eunomia_runtime::bpf::Spec {
            name: #name,
            object: OBJECT,
            streams: &[#(#streams),*],
            samples: &[#(#samples),*],
            dropped: &[#(#dropped),*],
            perf_pages: #pages,
        }
    }
}

/// Emits the settings of sampled maps.
fn samples(module: &Module<'_>) -> impl Iterator<Item = TokenStream> {
    module.exports.iter().filter_map(|export| {
        let (map, sampled) = (&export.stream.map, export.stream.sampled.as_ref()?);
        let (millis, clear) = (literal(sampled.interval), sampled.clear);
        Some(quote! {
            ::eunomia_runtime::bpf::Sample { map: #map, every: ::core::time::Duration::from_millis(#millis), clear: #clear }
        })
    })
}

/// Emits the variables that count records that did not fit.
fn dropped(module: &Module<'_>) -> impl Iterator<Item = TokenStream> {
    module.exports.iter().filter_map(|export| {
        let (map, at) = (&export.stream.map, export.stream.dropped.as_ref()?);
        let (section, offset, size) = (&at.section, literal(at.offset), literal(at.size));
        Some(quote!(::eunomia_runtime::bpf::Dropped { map: #map, section: #section, offset: #offset, size: #size }))
    })
}

/// Emits the statements that set up the opened object, as `Checked::opened` of the runtime does.
fn setup(module: &Module<'_>) -> Vec<TokenStream> {
    initial_values(module)
        .chain(targets(module))
        .chain(unlinked(module))
        .chain(types(module))
        .collect()
}

fn initial_values(module: &Module<'_>) -> impl Iterator<Item = TokenStream> {
    module.initial.iter().map(|value| {
        let (section, variable, offset) =
            (&value.section.name, &value.variable.name, literal(value.variable.offset));
        let bytes = Literal::byte_string(&value.bytes);
        quote!(object.section(#section)?.write(#variable, #offset, #bytes)?;)
    })
}

fn targets(module: &Module<'_>) -> impl Iterator<Item = TokenStream> {
    module.targets.iter().map(|target| {
        let (program, target) = (target.program, bpf_target(target));
        quote!(object.set_target(#program, #target)?;)
    })
}

/// Emits a target as a value of the runtime's type.
fn bpf_target(target: &DeclaredTarget<'_>) -> TokenStream {
    let index = Literal::u32_unsuffixed(target.interface);
    let interface = quote!(::eunomia_runtime::bpf::Interface::Index(#index));
    match target.hook {
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
    }
}

/// Emits the statements that keep programs with `"link": false` from being attached.
fn unlinked(module: &Module<'_>) -> impl Iterator<Item = TokenStream> {
    module.checked.skeleton.programs.iter().filter(|program| !program.link).map(|program| {
        let name = &program.name;
        quote!(object.program(#name)?.set_autoattach(false);)
    })
}

/// Emits the types of programs whose section names none.
fn types(module: &Module<'_>) -> impl Iterator<Item = TokenStream> {
    // `program_types` has no order; the document has.
    let sections = module.checked.program_types();
    module.checked.skeleton.programs.iter().filter_map(move |program| {
        let (name, section) = (&program.name, sections.get(program.name.as_str())?);
        Some(quote!(object.program(#name)?.set_type_of(#section)?;))
    })
}
