//! What a generated module holds: everything that can be refused is refused here, so that the emitter cannot fail.

use std::collections::{BTreeSet, HashMap};

use eunomia_runtime::{
    fault::{Fault, Faults, Place},
    object::{
        Checked, CustomField, DataSection, Field, InitialValue, Kind, MapDef, MapKind, Payload, Setup, Stream, Tag, Tagged, Target, TypeId,
        Variable,
    },
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::{
    args::{self, Argument},
    columns::{self, Batch},
    handles,
    names::{self, Scope, camel, verbatim},
    signatures,
    structure::Structure,
    types::Types,
};

/// A module that can be emitted.
#[derive(Debug)]
pub(crate) struct Module<'a> {
    pub(crate) checked: &'a Checked,
    pub(crate) types: Types<'a>,
    pub(crate) customs: Vec<Custom<'a>>,
    pub(crate) batches: Vec<Batch>,
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
    /// The type of the handle, its lifetime being `'a`.
    pub(crate) ty: TokenStream,
    /// The struct of a table of functions.
    pub(crate) table: Option<TypeId>,
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
    /// `None`: bytes, or several types.
    pub(crate) ty: Option<TokenStream>,
    /// The type of the keys of a map that is read at intervals, with the bytes that they have.
    pub(crate) key: Option<(TokenStream, u32)>,
    /// Whether the type displays itself as an event.
    pub(crate) is_struct: bool,
    /// Whether records go on behind the struct.
    pub(crate) is_flexible: bool,
    /// The struct of the members that the document picks.
    pub(crate) custom: Option<Ident>,
    /// The enum of several types.
    pub(crate) tagged: Option<Record<'a>>,
}

/// An enum of the types that the records of a map have.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) ident: Ident,
    pub(crate) tagged: &'a Tagged,
    pub(crate) variants: Vec<Variant<'a>>,
}

/// One of the types, and the values that tell it.
#[derive(Debug)]
pub(crate) struct Variant<'a> {
    pub(crate) ident: Ident,
    pub(crate) ty: TokenStream,
    pub(crate) is_flexible: bool,
    pub(crate) tags: Vec<&'a Tag>,
}

impl<'a> Module<'a> {
    /// Decides everything; `file` stands for the input in messages.
    pub(crate) fn decide(checked: &'a Checked, file: &str) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let mut types = Types::new(&checked.layouts);
        let place = checked.skeleton.skel_place();

        // What the module itself holds under names of the object.
        let mut items = Scope::default();
        let exports = exports(checked, &mut types, &mut items, &mut faults);
        let sections = sections(checked, &place, &mut types, &mut items, &mut faults);
        let maps = maps(checked, &exports, &place, &mut types, &mut faults);
        let programs = programs(checked);
        let customs = exports.iter().filter_map(|export| match (&export.stream.payload, &export.custom) {
            (Payload::Custom(fields), Some(ident)) => {
                Some(Custom { ident: ident.clone(), map: &export.stream.map, structure: custom_structure(&types, fields) })
            }
            _ => None,
        });
        let customs: Vec<_> = customs.collect();
        let batches = batches(&exports, &customs, &mut types);
        // After all others, none of which changes its name for them.
        signatures::types(checked).into_iter().for_each(|id| types.offer(id));
        match checked.setup(file) {
            Ok(Setup { values, arguments, targets }) if faults.is_empty() => {
                let args = args::decide(arguments, &sections);
                Ok(Self { checked, types, customs, batches, sections, maps, programs, exports, initial: values, targets, args })
            }
            setup => {
                faults.extend(setup.err().into_iter().flat_map(|more| more.faults));
                Err(Faults { file: file.to_owned(), faults })
            }
        }
    }
}

fn exports<'a>(checked: &'a Checked, types: &mut Types<'a>, items: &mut Scope, faults: &mut Vec<Fault>) -> Vec<Export<'a>> {
    let mut variants = Scope::default();
    let mut fields = Scope::default();
    checked
        .streams
        .iter()
        .map(|stream| {
            let what = format!("the events of `{}`", stream.map);
            let variant = variants.claim(camel(&stream.map));
            let field = fields.claim(verbatim(&stream.map));
            let (mut custom, mut tagged) = (None, None);
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
                Payload::Tagged(of) => {
                    let ident = items.claim(camel(&format!("{}_record", stream.map)));
                    tagged = Some(record(of, ident, &what, stream, types, faults));
                    (None, true)
                }
                Payload::Bytes { .. } => (None, false),
            };
            let sampled = stream.sampled.as_ref().map(|sampled| {
                let id = sampled.key.filter(|id| checked.layouts.has_values(*id));
                if let Some(id) = id {
                    types.need(id, &format!("{}_key", stream.map), &format!("the keys of the map `{}`", stream.map), &stream.place, faults);
                }
                (types.rust_or_bytes(id, sampled.key_size.into(), &quote!(types::)), sampled)
            });
            // Values without a type are the bytes that the map says.
            let ty = match &sampled {
                Some((_, sampled)) => ty.or_else(|| Some(types.rust_or_bytes(None, sampled.value_size.into(), &quote!(types::)))),
                None => ty,
            };
            let key = sampled.map(|(key, sampled)| (key, sampled.key_size));
            is_flexible &= key.is_none();
            Export { variant, field, stream, ty, key, is_struct, is_flexible, custom, tagged }
        })
        .collect()
}

fn record<'a>(tagged: &'a Tagged, ident: Ident, what: &str, stream: &Stream, types: &mut Types<'a>, faults: &mut Vec<Fault>) -> Record<'a> {
    let mut idents = Scope::new(&["Unknown"]);
    let mut variants: Vec<(Option<Ident>, Variant<'a>)> = Vec::new();
    for tag in &tagged.tags {
        types.need(tag.ty, &stream.map, what, &stream.place, faults);
        // Several values may have one type, and copies of one declaration are one type in Rust.
        let of = types.ident(tag.ty).cloned();
        match variants.iter_mut().find(|(known, _)| *known == of) {
            Some((_, variant)) => variant.tags.push(tag),
            None => {
                let variant = Variant {
                    ident: idents.claim(of.clone().unwrap_or_else(|| camel(&stream.map))),
                    ty: types.rust(tag.ty, &quote!(types::)),
                    is_flexible: types.structure(tag.ty).tail(types).is_some(),
                    tags: vec![tag],
                };
                variants.push((of, variant));
            }
        }
    }
    Record { ident, tagged, variants: variants.into_iter().map(|(_, variant)| variant).collect() }
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
    let least = types.layouts.least_of(fields);
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
    Structure { least, ..Structure::decide(types, fields, end.next_multiple_of(align), align) }
}

/// A batch type for each struct that maps deliver. They are named behind all types of the object, none of which changes its name for it.
fn batches(exports: &[Export<'_>], customs: &[Custom<'_>], types: &mut Types<'_>) -> Vec<Batch> {
    // The members that a document picks have their sizes.
    let of = |types: &Types<'_>, id| {
        let structure = types.structure(id);
        let tail = structure.tail(types);
        Some((types.ident(id)?.clone(), tail.is_some(), columns::decide(types, &structure, tail)?))
    };
    let delivered = exports.iter().filter(|export| export.is_struct).flat_map(|export| match &export.stream.payload {
        Payload::Type(id) => vec![*id],
        Payload::Tagged(tagged) => tagged.tags.iter().map(|tag| tag.ty).collect(),
        Payload::Custom(_) | Payload::Bytes { .. } => Vec::new(),
    });
    let structs = delivered.filter_map(|id| of(types, id));
    let customs = customs.iter().filter_map(|custom| Some((custom.ident.clone(), false, columns::decide(types, &custom.structure, None)?)));
    let mut seen = BTreeSet::new();
    let all: Vec<_> = structs.chain(customs).filter(|(event, ..)| seen.insert(event.clone())).collect();
    let batch = |(event, is_flexible, columns)| {
        let ident = types.scope.claim(camel(&format!("{event}_batch")));
        Batch { ident, event, is_flexible, columns }
    };
    all.into_iter().map(batch).collect()
}

fn sections<'a>(
    checked: &'a Checked,
    place: &Place,
    types: &mut Types<'a>,
    items: &mut Scope,
    faults: &mut Vec<Fault>,
) -> Vec<Section<'a>> {
    let place = place.key("data_sections");
    let mut methods = Scope::default();
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
        let (ident, method) = (items.claim(camel(&name)), methods.claim(Ident::new(&name, Span::call_site())));
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
            if let Some(export) = exports.iter().find(|export| export.stream.map == def.name && export.key.is_none()) {
                return Map { field, def, ty: handles::stream(export, def), table: None };
            }
            let table = def.value.filter(|ty| {
                if def.kind != MapKind::STRUCT_OPS {
                    return false;
                }
                let before = faults.len();
                types.need(*ty, &def.name, &format!("the table `{}`", def.name), &place, faults);
                faults.len() == before
            });
            let ty = match def.kind {
                MapKind::USER_RINGBUF => quote!(::eunomia_runtime::bpf::UserRingBuffer<'a>),
                MapKind::STRUCT_OPS => quote!(::eunomia_runtime::bpf::StructOps<'a>),
                _ => handles::Handles { checked, types: &mut *types, place: &place, faults: &mut *faults }.handle(def, &quote!('a)),
            };
            Map { field, def, ty, table }
        })
        .collect()
}

fn programs(checked: &Checked) -> Vec<Program<'_>> {
    let mut fields = Scope::default();
    // The program of a section without a type is what the application makes it.
    let types = checked.program_types();
    checked
        .programs
        .iter()
        .map(|(name, section)| Program {
            field: fields.claim(verbatim(name)),
            kind: Ident::new(handles::kind(types.get(name.as_str()).copied().unwrap_or(section)), Span::call_site()),
            name,
            section,
        })
        .collect()
}
