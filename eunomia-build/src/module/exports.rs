//! The maps that deliver records: a variant of `Export` for each, and the Rust types of its
//! records.

use eunomia_runtime::{
    checked::{Checked, CustomField, Payload, Stream, Tag, Tagged},
    error::{Diagnostic, JsonPath},
    object::Kind,
};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::{
    names::{Scope, camel, verbatim},
    structure::Structure,
    types::Types,
};

/// A map that delivers records.
#[derive(Debug)]
pub(crate) struct Export<'a> {
    pub(crate) variant: Ident,
    pub(crate) field: Ident,
    pub(crate) stream: &'a Stream,
    /// The type of a record; `None` if records are bytes, or have several types.
    pub(crate) ty: Option<TokenStream>,
    /// The type and the size in bytes of a key, if the map is sampled.
    pub(crate) key: Option<(TokenStream, u32)>,
    /// True if the type implements `Event`.
    pub(crate) is_struct: bool,
    /// True if the struct ends with an array without a length, so that the record may go on after
    /// it.
    pub(crate) is_flexible: bool,
    /// The struct of the members that the document picks, if it does.
    pub(crate) custom: Option<Ident>,
    /// The enum of the types of a record, if there are several.
    pub(crate) tagged: Option<Record<'a>>,
}

/// An enum of the types that a record of a map can have.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) ident: Ident,
    pub(crate) tagged: &'a Tagged,
    pub(crate) variants: Vec<Variant<'a>>,
}

/// A type of the enum, and the values of the tag that select it.
#[derive(Debug)]
pub(crate) struct Variant<'a> {
    pub(crate) ident: Ident,
    pub(crate) ty: TokenStream,
    pub(crate) is_flexible: bool,
    pub(crate) tags: Vec<&'a Tag>,
}

/// Decides the variants of `Export` and the types of their records.
pub(crate) fn decide<'a>(
    checked: &'a Checked,
    types: &mut Types<'a>,
    items: &mut Scope,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Export<'a>> {
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
                    types.need(*id, &stream.map, &what, &stream.place, diagnostics);
                    is_flexible = Structure::of(types, *id).tail(types).is_some();
                    let kind = &checked.layouts.btf.resolve(*id).1.kind;
                    (
                        Some(types.rust(*id, &quote!(types::))),
                        matches!(kind, Kind::Struct { .. } | Kind::Union { .. }),
                    )
                }
                Payload::Custom(fields) => {
                    let ident = types.scope.claim(camel(&stream.map));
                    custom_members(fields, &ident, &what, &stream.place, types, diagnostics);
                    let ty = quote!(types::#ident);
                    custom = Some(ident);
                    (Some(ty), true)
                }
                Payload::Tagged(of) => {
                    let ident = items.claim(camel(&format!("{}_record", stream.map)));
                    tagged = Some(record(of, ident, &what, stream, types, diagnostics));
                    (None, true)
                }
                Payload::Bytes { .. } => (None, false),
            };
            let sampled = stream.sampled.as_ref().map(|sampled| {
                let id = sampled.key.filter(|id| checked.layouts.has_values(*id));
                if let Some(id) = id {
                    types.need(
                        id,
                        &format!("{}_key", stream.map),
                        &format!("the keys of the map `{}`", stream.map),
                        &stream.place,
                        diagnostics,
                    );
                }
                (types.rust_or_bytes(id, sampled.key_size.into(), &quote!(types::)), sampled)
            });
            // Values without a type are bytes of the size that the map declares.
            let ty = match &sampled {
                Some((_, sampled)) => ty.or_else(|| {
                    Some(types.rust_or_bytes(None, sampled.value_size.into(), &quote!(types::)))
                }),
                None => ty,
            };
            let key = sampled.map(|(key, sampled)| (key, sampled.key_size));
            is_flexible &= key.is_none();
            Export { variant, field, stream, ty, key, is_struct, is_flexible, custom, tagged }
        })
        .collect()
}

fn record<'a>(
    tagged: &'a Tagged,
    ident: Ident,
    what: &str,
    stream: &Stream,
    types: &mut Types<'a>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Record<'a> {
    let mut idents = Scope::new(&["Unknown"]);
    let mut variants: Vec<(Option<Ident>, Variant<'a>)> = Vec::new();
    for tag in &tagged.tags {
        types.need(tag.ty, &stream.map, what, &stream.place, diagnostics);
        // Several tags may have one type, and copies of one C declaration are one Rust type.
        let of = types.ident(tag.ty).cloned();
        match variants.iter_mut().find(|(known, _)| *known == of) {
            Some((_, variant)) => variant.tags.push(tag),
            None => {
                let variant = Variant {
                    ident: idents.claim(of.clone().unwrap_or_else(|| camel(&stream.map))),
                    ty: types.rust(tag.ty, &quote!(types::)),
                    is_flexible: Structure::of(types, tag.ty).tail(types).is_some(),
                    tags: vec![tag],
                };
                variants.push((of, variant));
            }
        }
    }
    Record { ident, tagged, variants: variants.into_iter().map(|(_, variant)| variant).collect() }
}

/// Requests the types of the picked members. The document names the members, so two names that
/// become one Rust identifier are a fault of the document.
fn custom_members(
    fields: &[CustomField],
    ident: &Ident,
    what: &str,
    place: &JsonPath,
    types: &mut Types<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut scope = Scope::default();
    for field in fields {
        let what = format!("{what}: member `{}`", field.name);
        types.need(field.ty, &format!("{ident}_{}", field.name), &what, place, diagnostics);
        let wanted = verbatim(&field.name);
        if scope.claim(wanted.clone()) != wanted {
            let what = format!("{what} becomes `{wanted}` in Rust, as another one does");
            diagnostics.push(Diagnostic::at(
                place.clone(),
                what,
                "rename one of them in the document",
            ));
        }
    }
}
