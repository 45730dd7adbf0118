//! Generation of a module's tokens from a checked skeleton.

use eunomia_runtime::{
    Skeleton,
    checked::Checked,
    error::{Diagnostics, JsonPath},
    object::{Layouts, TypeId},
};
use proc_macro2::TokenStream;

use crate::{
    Embed, emit,
    module::{self, Module, Types, chosen, verbatim},
};

/// Generates the module `name` for a skeleton.
///
/// # Errors
/// Every fault of the skeleton at once: its disagreements with its object, and what no module can
/// be generated for.
pub fn tokens(skeleton: Skeleton, name: &str, embed: &Embed) -> Result<TokenStream, Diagnostics> {
    of(&skeleton.check()?, name, embed)
}

pub(crate) fn of(checked: &Checked, name: &str, embed: &Embed) -> Result<TokenStream, Diagnostics> {
    if let Some(diagnostic) = module::limits(checked, embed) {
        return Err(checked.skeleton.diagnostics(vec![diagnostic]));
    }
    let module = match (Module::decide(checked), checked.loadable()) {
        (Ok(module), Ok(())) => module,
        (module, refused) => {
            let diagnostics = [refused.err(), module.err()]
                .into_iter()
                .flatten()
                .flat_map(|diagnostics| diagnostics.diagnostics)
                .collect();
            return Err(checked.skeleton.diagnostics(diagnostics));
        }
    };
    Ok(emit::module(&module, &chosen(name).unwrap_or_else(|| verbatim(name)), embed))
}

/// Generates the definitions of types, and of all types that they hold by value, without an object.
/// Not public API: the tests take every type of the kernel through the generator with it.
///
/// # Errors
/// The types that have no Rust representation.
#[doc(hidden)]
pub fn definitions(
    layouts: &Layouts,
    ids: impl IntoIterator<Item = TypeId>,
) -> Result<TokenStream, Diagnostics> {
    let mut types = Types::new(layouts);
    let mut diagnostics = Vec::new();
    for id in ids {
        types.need(
            id,
            "nameless",
            &format!("type {}", id.0),
            &JsonPath::default(),
            &mut diagnostics,
        );
    }
    if diagnostics.is_empty() {
        Ok(emit::definitions(&types))
    } else {
        Err(Diagnostics { file: "BTF".to_owned(), diagnostics })
    }
}
