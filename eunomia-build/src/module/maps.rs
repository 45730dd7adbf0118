//! The maps, each with the type of its handle.

use std::collections::HashMap;

use eunomia_runtime::{
    checked::Checked,
    error::{Diagnostic, JsonPath},
    object::{MapDef, MapKind, TypeId},
};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::{
    exports::Export,
    handles::{self, Handles},
    names::{Scope, verbatim},
    types::Types,
};

/// A map and the type of its handle.
#[derive(Debug)]
pub(crate) struct Map<'a> {
    pub(crate) field: Ident,
    pub(crate) def: &'a MapDef,
    /// The type of the handle, with the lifetime `'a`.
    pub(crate) ty: TokenStream,
    /// The struct of a table of functions (struct_ops).
    pub(crate) table: Option<TypeId>,
}

/// Decides the handles of all maps.
pub(crate) fn decide<'a>(
    checked: &'a Checked,
    exports: &[Export<'_>],
    place: &JsonPath,
    types: &mut Types<'a>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Map<'a>> {
    let place = place.key("maps");
    let mut fields = Scope::default();
    let described: HashMap<&str, usize> = checked
        .skeleton
        .maps
        .iter()
        .enumerate()
        .map(|(index, map)| (map.name.as_str(), index))
        .collect();
    checked
        .maps
        .iter()
        .map(|def| {
            let place = match described.get(def.name.as_str()) {
                Some(index) => place.index(*index),
                None => place.clone(),
            };
            let field = fields.claim(verbatim(&def.name));
            if let Some(export) =
                exports.iter().find(|export| export.stream.map == def.name && export.key.is_none())
            {
                return Map { field, def, ty: handles::stream(export, def), table: None };
            }
            let table = def.value.filter(|ty| {
                if def.kind != MapKind::STRUCT_OPS {
                    return false;
                }
                let before = diagnostics.len();
                types.need(
                    *ty,
                    &def.name,
                    &format!("the table `{}`", def.name),
                    &place,
                    diagnostics,
                );
                diagnostics.len() == before
            });
            let ty = match def.kind {
                MapKind::USER_RINGBUF => quote!(::eunomia_runtime::bpf::UserRingBuffer<'a>),
                MapKind::STRUCT_OPS => quote!(::eunomia_runtime::bpf::StructOps<'a>),
                _ => Handles {
                    checked,
                    types: &mut *types,
                    place: &place,
                    diagnostics: &mut *diagnostics,
                }
                .handle(def, &quote!('a)),
            };
            Map { field, def, ty, table }
        })
        .collect()
}
