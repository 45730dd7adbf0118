//! What a generated module holds: everything that can be refused is refused here, so that the emitter cannot fail.

use std::collections::HashMap;

use eunomia_runtime::{
    fault::{Fault, Faults, Place},
    object::{Checked, CustomField, DataSection, InitialValue, MapDef, MapKind, Payload, Stream, TypeId, Variable},
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::{
    args::{self, Argument},
    names::{self, Scope, camel, verbatim},
    types::{Types, literal},
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
    pub(crate) args: Vec<Argument<'a>>,
}

/// A struct of members that the document picks.
#[derive(Debug)]
pub(crate) struct Custom<'a> {
    pub(crate) ident: Ident,
    pub(crate) map: &'a str,
    pub(crate) fields: &'a [CustomField],
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

/// The kinds of map handles.
#[derive(Debug)]
pub(crate) enum Handle {
    Hash { key: TokenStream, value: TokenStream },
    Array { value: TokenStream },
    Untyped,
}

/// A program.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) field: Ident,
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
}

impl<'a> Module<'a> {
    /// Decides everything; `file` stands for the input in messages.
    pub(crate) fn decide(checked: &'a Checked, file: &str) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let mut types = Types::new(&checked.layouts);
        let place = checked.skeleton.skel_place();

        let exports = exports(checked, &mut types, &mut faults);
        let sections = sections(checked, &place, &mut types, &mut faults);
        let maps = maps(checked, &place, &mut types, &mut faults);
        let programs = programs(checked, &place, &mut faults);
        let customs = exports.iter().filter_map(|export| match &export.stream.payload {
            Payload::Custom(fields) => Some(Custom { ident: export.variant.clone(), map: &export.stream.map, fields }),
            _ => None,
        });
        let customs: Vec<_> = customs.collect();
        let initial = checked.initial_values(file).unwrap_or_else(|more| {
            faults.extend(more.faults);
            Vec::new()
        });
        let args = args::decide(checked, &place, file, &mut faults);
        if faults.is_empty() {
            Ok(Self { checked, types, customs, sections, maps, programs, exports, initial, args })
        } else {
            Err(Faults { file: file.to_owned(), faults })
        }
    }
}

fn exports<'a>(checked: &'a Checked, types: &mut Types<'a>, faults: &mut Vec<Fault>) -> Vec<Export<'a>> {
    let mut variants = Scope::new("map", &[]);
    checked
        .streams
        .iter()
        .map(|stream| {
            let what = format!("the events of `{}`", stream.map);
            let variant = camel(&stream.map);
            variants.claim(&variant, &stream.map, &stream.place, faults);
            let (ty, is_struct) = match &stream.payload {
                Payload::Type(id) => {
                    types.need(*id, &what, &stream.place, faults);
                    let is_struct = matches!(checked.layouts.btf.resolve(*id).1.kind, eunomia_runtime::object::Kind::Struct { .. });
                    (Some(types.rust(*id, &quote!(types::))), is_struct)
                }
                Payload::Custom(fields) => {
                    types.scope.claim(&variant, &stream.map, &stream.place, faults);
                    custom(fields, &what, &stream.place, types, faults);
                    (Some(quote!(types::#variant)), true)
                }
                Payload::Bytes { .. } => (None, false),
            };
            Export { variant, field: verbatim(&stream.map), stream, ty, is_struct }
        })
        .collect()
}

fn custom(fields: &[CustomField], what: &str, place: &Place, types: &mut Types<'_>, faults: &mut Vec<Fault>) {
    let mut scope = Scope::new("member", &[]);
    for field in fields {
        let what = format!("{what}: member `{}`", field.name);
        types.need(field.ty, &what, place, faults);
        scope.claim(&verbatim(&field.name), &field.name, place, faults);
        let align = types.layouts.layout(field.ty).align;
        if field.offset % align != 0 {
            faults.push(Fault::at(
                place.clone(),
                format!("{what} of type `{}` stands at {}, which is no multiple of {align}", types.layouts.c_name(field.ty), field.offset),
                "",
            ));
        }
    }
}

fn sections<'a>(checked: &'a Checked, place: &Place, types: &mut Types<'a>, faults: &mut Vec<Fault>) -> Vec<Section<'a>> {
    let place = place.key("data_sections");
    let mut structs = Scope::new("section", &[]);
    let mut sections = Vec::new();
    for section in &checked.sections {
        let place = match checked.skeleton.sections.iter().position(|known| known.name == section.name) {
            Some(index) => place.index(index),
            None => place.clone(),
        };
        let mut fields = Scope::new("variable", &[]);
        let mut variables = Vec::new();
        for variable in section.variables.iter().filter(|variable| !variable.is_dummy()) {
            let ident = verbatim(&variable.name);
            types.need(variable.ty, &format!("the variable `{}`", variable.name), &place, faults);
            fields.claim(&ident, &variable.name, &place, faults);
            variables.push((ident, variable));
        }
        if variables.is_empty() {
            continue;
        }
        let name = names::section(&section.name);
        let (ident, method) = (camel(&name), Ident::new(&name, Span::call_site()));
        structs.claim(&ident, &section.name, &place, faults);
        sections.push(Section { ident, method, section, variables });
    }
    sections
}

fn maps<'a>(checked: &'a Checked, place: &Place, types: &mut Types<'a>, faults: &mut Vec<Fault>) -> Vec<Map<'a>> {
    let place = place.key("maps");
    let mut fields = Scope::new("map", &[]);
    let described: HashMap<&str, usize> = checked.skeleton.maps.iter().enumerate().map(|(index, map)| (map.name.as_str(), index)).collect();
    checked
        .maps
        .iter()
        .map(|def| {
            let place = match described.get(def.name.as_str()) {
                Some(index) => place.index(*index),
                None => place.clone(),
            };
            let field = verbatim(&def.name);
            fields.claim(&field, &def.name, &place, faults);
            let mut rust = |id: Option<TypeId>, what: &str, size: u32| match id {
                Some(id) => {
                    types.need(id, &format!("the {what} of the map `{}`", def.name), &place, faults);
                    types.rust(id, &quote!(types::))
                }
                // Declared by size alone.
                None => {
                    let size = literal(size.into());
                    quote!([u8; #size])
                }
            };
            let handle = match def.kind {
                MapKind::HASH | MapKind::LRU_HASH => {
                    Handle::Hash { key: rust(def.key, "keys", def.key_size), value: rust(def.value, "values", def.value_size) }
                }
                MapKind::ARRAY => Handle::Array { value: rust(def.value, "values", def.value_size) },
                _ => Handle::Untyped,
            };
            Map { field, def, handle }
        })
        .collect()
}

fn programs<'a>(checked: &'a Checked, place: &Place, faults: &mut Vec<Fault>) -> Vec<Program<'a>> {
    let mut fields = Scope::new("program", &[]);
    checked
        .programs
        .iter()
        .map(|(name, section)| {
            let field = verbatim(name);
            fields.claim(&field, name, &place.key("progs"), faults);
            Program { field, name, section }
        })
        .collect()
}
