//! What a generated module holds: everything that can be refused is refused here, so that the emitter cannot fail.

use std::collections::HashMap;

use eunomia_runtime::{
    fault::{Fault, Faults, Place},
    object::{Checked, CustomField, DataSection, Field, InitialValue, Kind, MapDef, MapKind, Payload, Stream, Target, TypeId, Variable},
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::{
    args::{self, Argument},
    names::{self, Scope, camel, verbatim},
    structure::Structure,
    types::Types,
};

/// A module that can be emitted.
#[derive(Debug)]
pub(crate) struct Module<'a> {
    pub(crate) checked: &'a Checked,
    pub(crate) types: Types<'a>,
    pub(crate) customs: Vec<Custom<'a>>,
    pub(crate) sections: Vec<Section<'a>>,
    pub(crate) maps: Vec<Map<'a>>,
    pub(crate) programs: Vec<Program<'a>>,
    pub(crate) exports: Vec<Export<'a>>,
    pub(crate) initial: Vec<InitialValue<'a>>,
    pub(crate) targets: Vec<Target<'a>>,
    pub(crate) args: Vec<Argument<'a>>,
}

/// A struct of members that the document picks.
#[derive(Debug)]
pub(crate) struct Custom<'a> {
    pub(crate) ident: Ident,
    pub(crate) map: &'a str,
    pub(crate) structure: Structure<'a>,
}

/// A data section with variables to show.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    /// The struct.
    pub(crate) ident: Ident,
    /// The method that returns it.
    pub(crate) method: Ident,
    pub(crate) section: &'a DataSection,
    pub(crate) variables: Vec<(Ident, &'a Variable)>,
}

/// A map and the handle it gets.
#[derive(Debug)]
pub(crate) struct Map<'a> {
    pub(crate) field: Ident,
    pub(crate) def: &'a MapDef,
    pub(crate) handle: Handle,
}

/// What a map offers, by its kind.
#[derive(Debug)]
pub(crate) struct Handle {
    /// The type, its lifetime being `'a`.
    pub(crate) ty: TokenStream,
    /// How it is made of `loaded`.
    pub(crate) made: TokenStream,
}

/// A program.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) field: Ident,
    /// One of `eunomia_runtime::bpf::kind`.
    pub(crate) kind: Ident,
    pub(crate) name: &'a str,
    pub(crate) section: &'a str,
}

/// A map that delivers records.
#[derive(Debug)]
pub(crate) struct Export<'a> {
    pub(crate) variant: Ident,
    pub(crate) field: Ident,
    pub(crate) stream: &'a Stream,
    /// `None`: bytes.
    pub(crate) ty: Option<TokenStream>,
    /// Whether the type displays itself as an event.
    pub(crate) is_struct: bool,
    /// Whether records go on behind the struct.
    pub(crate) is_flexible: bool,
    /// The struct of the members that the document picks.
    pub(crate) custom: Option<Ident>,
}

impl<'a> Module<'a> {
    /// Decides everything; `file` stands for the input in messages.
    pub(crate) fn decide(checked: &'a Checked, file: &str) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let mut types = Types::new(&checked.layouts);
        let place = checked.skeleton.skel_place();

        let exports = exports(checked, &mut types, &mut faults);
        let sections = sections(checked, &place, &mut types, &mut faults);
        let maps = maps(checked, &exports, &place, &mut types, &mut faults);
        let programs = programs(checked);
        let customs = exports.iter().filter_map(|export| match (&export.stream.payload, &export.custom) {
            (Payload::Custom(fields), Some(ident)) => {
                Some(Custom { ident: ident.clone(), map: &export.stream.map, structure: custom_structure(&types, fields) })
            }
            _ => None,
        });
        let customs: Vec<_> = customs.collect();
        let targets = or_none(checked.targets(file), &mut faults);
        let initial = or_none(checked.initial_values(file), &mut faults);
        let args = args::decide(checked, &sections, file, &mut faults);
        if faults.is_empty() {
            Ok(Self { checked, types, customs, sections, maps, programs, exports, initial, targets, args })
        } else {
            Err(Faults { file: file.to_owned(), faults })
        }
    }
}

/// What was read, or nothing and the faults.
pub(crate) fn or_none<T>(read: Result<Vec<T>, Faults>, faults: &mut Vec<Fault>) -> Vec<T> {
    read.unwrap_or_else(|more| {
        faults.extend(more.faults);
        Vec::new()
    })
}

fn exports<'a>(checked: &'a Checked, types: &mut Types<'a>, faults: &mut Vec<Fault>) -> Vec<Export<'a>> {
    let mut variants = Scope::default();
    let mut fields = Scope::default();
    checked
        .streams
        .iter()
        .map(|stream| {
            let what = format!("the events of `{}`", stream.map);
            let variant = variants.claim(camel(&stream.map));
            let field = fields.claim(verbatim(&stream.map));
            let mut custom = None;
            let mut is_flexible = false;
            let (ty, is_struct) = match &stream.payload {
                Payload::Type(id) => {
                    types.need(*id, &stream.map, &what, &stream.place, faults);
                    is_flexible = types.structure(*id).tail(types).is_some();
                    let kind = &checked.layouts.btf.resolve(*id).1.kind;
                    (Some(types.rust(*id, &quote!(types::))), matches!(kind, Kind::Struct { .. } | Kind::Union { .. }))
                }
                Payload::Custom(fields) => {
                    let ident = types.scope.claim(camel(&stream.map));
                    custom_members(fields, &ident, &what, &stream.place, types, faults);
                    let ty = quote!(types::#ident);
                    custom = Some(ident);
                    (Some(ty), true)
                }
                Payload::Bytes { .. } => (None, false),
            };
            Export { variant, field, stream, ty, is_struct, is_flexible, custom }
        })
        .collect()
}

/// The document picks the members and names them, so two names that meet are its fault.
fn custom_members(fields: &[CustomField], ident: &Ident, what: &str, place: &Place, types: &mut Types<'_>, faults: &mut Vec<Fault>) {
    let mut scope = Scope::default();
    for field in fields {
        let what = format!("{what}: member `{}`", field.name);
        types.need(field.ty, &format!("{ident}_{}", field.name), &what, place, faults);
        let wanted = verbatim(&field.name);
        if scope.claim(wanted.clone()) != wanted {
            let what = format!("{what} becomes `{wanted}` in Rust, as another one does");
            faults.push(Fault::at(place.clone(), what, "rename one of them in the document"));
        }
    }
}

fn custom_structure<'a>(types: &Types<'_>, fields: &'a [CustomField]) -> Structure<'a> {
    let fields = fields.iter().map(|field| Field {
        name: &field.name,
        ty: Some(field.ty),
        bit_offset: field.offset * 8,
        bits: None,
        size: types.layouts.layout(field.ty).size,
        declared: (TypeId::default(), 0),
    });
    let fields: Vec<_> = fields.collect();
    let aligns = fields.iter().filter_map(|field| field.ty.map(|ty| types.align(ty)).filter(|align| field.offset().is_multiple_of(*align)));
    let align = aligns.max().unwrap_or(1);
    let end = fields.iter().map(Field::end).max().unwrap_or(0);
    Structure::decide(types, fields, end.next_multiple_of(align), align)
}

fn sections<'a>(checked: &'a Checked, place: &Place, types: &mut Types<'a>, faults: &mut Vec<Fault>) -> Vec<Section<'a>> {
    let place = place.key("data_sections");
    let (mut structs, mut methods) = (Scope::default(), Scope::default());
    let mut sections = Vec::new();
    for section in &checked.sections {
        let place = match checked.skeleton.sections.iter().position(|known| known.name == section.name) {
            Some(index) => place.index(index),
            None => place.clone(),
        };
        let mut fields = Scope::default();
        let mut variables = Vec::new();
        for variable in section.variables.iter().filter(|variable| !variable.is_dummy()) {
            types.need(variable.ty, &variable.name, &format!("the variable `{}`", variable.name), &place, faults);
            variables.push((fields.claim(verbatim(&variable.name)), variable));
        }
        if variables.is_empty() {
            continue;
        }
        let name = names::section(&section.name);
        let (ident, method) = (structs.claim(camel(&name)), methods.claim(Ident::new(&name, Span::call_site())));
        sections.push(Section { ident, method, section, variables });
    }
    sections
}

fn maps<'a>(checked: &'a Checked, exports: &[Export<'_>], place: &Place, types: &mut Types<'a>, faults: &mut Vec<Fault>) -> Vec<Map<'a>> {
    let place = place.key("maps");
    let mut fields = Scope::default();
    let described: HashMap<&str, usize> = checked.skeleton.maps.iter().enumerate().map(|(index, map)| (map.name.as_str(), index)).collect();
    checked
        .maps
        .iter()
        .map(|def| {
            let place = match described.get(def.name.as_str()) {
                Some(index) => place.index(*index),
                None => place.clone(),
            };
            let field = fields.claim(verbatim(&def.name));
            // `None`: declared by size alone, or of a type that the compiler left out.
            let mut rust = |id: Option<TypeId>, what: &str, size: u32| {
                let id = id.filter(|id| checked.layouts.has_values(*id));
                if let Some(id) = id {
                    types.need(id, &format!("{}_{what}", def.name), &format!("the {what}s of the map `{}`", def.name), &place, faults);
                }
                types.rust_or_bytes(id, size.into(), &quote!(types::))
            };
            if let Some(export) = exports.iter().find(|export| export.stream.map == def.name) {
                return Map { field, def, handle: stream(export, def) };
            }
            if def.kind == MapKind::USER_RINGBUF {
                let name = &def.name;
                let (ty, made) = (quote!(::eunomia_runtime::bpf::UserRingBuffer<'a>), quote!(loaded.user_ring_buffer(#name)?));
                return Map { field, def, handle: Handle { ty, made } };
            }
            let (key, value) = (def.key_size, def.value_size);
            let (ty, into) = match def.kind {
                MapKind::HASH | MapKind::LRU_HASH | MapKind::LPM_TRIE | MapKind::DEVMAP | MapKind::DEVMAP_HASH | MapKind::CPUMAP => {
                    let (key, value) = (rust(def.key, "key", key), rust(def.value, "value", value));
                    (quote!(HashMap<'a, #key, #value>), "into_hash_map")
                }
                MapKind::PERCPU_HASH | MapKind::LRU_PERCPU_HASH => {
                    let (key, value) = (rust(def.key, "key", key), rust(def.value, "value", value));
                    (quote!(PerCpuHashMap<'a, #key, #value>), "into_per_cpu_hash_map")
                }
                MapKind::ARRAY => (one(rust(def.value, "value", value), "Array"), "into_array"),
                MapKind::PERCPU_ARRAY => (one(rust(def.value, "value", value), "PerCpuArray"), "into_per_cpu_array"),
                MapKind::QUEUE | MapKind::STACK => (one(rust(def.value, "value", value), "Queue"), "into_queue"),
                MapKind::BLOOM_FILTER => (one(rust(def.value, "value", value), "BloomFilter"), "into_bloom_filter"),
                MapKind::TASK_STORAGE | MapKind::INODE_STORAGE | MapKind::SK_STORAGE | MapKind::CGRP_STORAGE => {
                    (one(rust(def.value, "value", value), "Storage"), "into_storage")
                }
                MapKind::STACK_TRACE => (quote!(StackTraces<'a>), "into_stack_traces"),
                MapKind::PROG_ARRAY
                | MapKind::ARRAY_OF_MAPS
                | MapKind::HASH_OF_MAPS
                | MapKind::CGROUP_ARRAY
                | MapKind::SOCKMAP
                | MapKind::SOCKHASH
                | MapKind::XSKMAP
                | MapKind::REUSEPORT_SOCKARRAY => (one(rust(def.key, "key", key), "FdMap"), "into_fd_map"),
                _ => (quote!(Map<'a>), ""),
            };
            let into = (!into.is_empty()).then(|| Ident::new(into, Span::call_site()));
            let (name, into) = (&def.name, into.map(|into| quote!(.#into()?)));
            let handle = Handle { ty: quote!(::eunomia_runtime::bpf::#ty), made: quote!(loaded.map(#name)?#into) };
            Map { field, def, handle }
        })
        .collect()
}

/// The handle of a map that delivers records.
fn stream(export: &Export<'_>, def: &MapDef) -> Handle {
    let (handle, method) =
        if def.kind == MapKind::RINGBUF { ("RingBuffer", "ring_buffer") } else { ("PerfEventArray", "perf_event_array") };
    let (handle, method) = (Ident::new(handle, Span::call_site()), Ident::new(method, Span::call_site()));
    let record = export.ty.clone().unwrap_or_else(|| quote!([u8]));
    let name = &def.name;
    Handle { ty: quote!(::eunomia_runtime::bpf::#handle<'a, #record>), made: quote!(loaded.#method(#name)?) }
}

/// A handle with one type in it.
fn one(ty: TokenStream, handle: &str) -> TokenStream {
    let handle = Ident::new(handle, Span::call_site());
    quote!(#handle<'a, #ty>)
}

/// What programs of a section can be attached to, by libbpf's names of sections (`section_defs`).
fn kind(section: &str) -> &'static str {
    let section = section.trim_start_matches('?');
    let head = section.split(['/', '+']).next().unwrap_or(section);
    match head.trim_end_matches(".s") {
        "xdp" | "xdp.frags" => "Xdp",
        "tc" | "classifier" | "action" | "tcx" => "Tc",
        "kprobe" | "kretprobe" => "Kprobe",
        "uprobe" | "uretprobe" => "Uprobe",
        "usdt" => "Usdt",
        "perf_event" => "PerfEvent",
        "cgroup" | "cgroup_skb" | "sockops" => "Cgroup",
        "flow_dissector" | "sk_lookup" => "Netns",
        "iter" => "Iter",
        _ => "Any",
    }
}

fn programs(checked: &Checked) -> Vec<Program<'_>> {
    let mut fields = Scope::default();
    checked
        .programs
        .iter()
        .map(|(name, section)| Program {
            field: fields.claim(verbatim(name)),
            kind: Ident::new(kind(section), Span::call_site()),
            name,
            section,
        })
        .collect()
}
