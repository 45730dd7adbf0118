//! Structs of the members that a document picks from a record.

use eunomia_runtime::{
    checked::{CustomField, Payload},
    object::{Field, TypeId},
};
use proc_macro2::Ident;

use super::{exports::Export, structure::Structure, types::Types};

/// A struct of members that the document picks.
#[derive(Debug)]
pub(crate) struct Custom<'a> {
    pub(crate) ident: Ident,
    pub(crate) map: &'a str,
    pub(crate) structure: Structure<'a>,
}

/// Decides the structs of the exports whose members the document picks.
pub(crate) fn decide<'a>(exports: &[Export<'a>], types: &Types<'_>) -> Vec<Custom<'a>> {
    let customs =
        exports.iter().filter_map(|export| match (&export.stream.payload, &export.custom) {
            (Payload::Custom(fields), Some(ident)) => Some(Custom {
                ident: ident.clone(),
                map: &export.stream.map,
                structure: structure(types, fields),
            }),
            _ => None,
        });
    customs.collect()
}

fn structure<'a>(types: &Types<'_>, fields: &'a [CustomField]) -> Structure<'a> {
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
    let aligns = fields.iter().filter_map(|field| {
        field.ty.map(|ty| types.align(ty)).filter(|align| field.offset().is_multiple_of(*align))
    });
    let align = aligns.max().unwrap_or(1);
    let end = fields.iter().map(Field::end).max().unwrap_or(0);
    Structure { least, ..Structure::decide(types, fields, end.next_multiple_of(align), align) }
}
