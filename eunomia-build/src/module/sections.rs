//! The data sections and their variables.

use eunomia_runtime::{
    checked::Checked,
    error::{Diagnostic, JsonPath},
    object::{DataSection, Variable},
};
use proc_macro2::{Ident, Span};

use super::{
    names::{self, Scope, camel, verbatim},
    types::Types,
};

/// A data section that has variables.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    /// The struct of the section.
    pub(crate) ident: Ident,
    /// The method that returns the struct.
    pub(crate) method: Ident,
    pub(crate) section: &'a DataSection,
    pub(crate) variables: Vec<(Ident, &'a Variable)>,
}

/// Decides the structs of the data sections that have variables.
pub(crate) fn decide<'a>(
    checked: &'a Checked,
    place: &JsonPath,
    types: &mut Types<'a>,
    items: &mut Scope,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Section<'a>> {
    let place = place.key("data_sections");
    let mut methods = Scope::default();
    let mut sections = Vec::new();
    for section in &checked.sections {
        let place =
            match checked.skeleton.sections.iter().position(|known| known.name == section.name) {
                Some(index) => place.index(index),
                None => place.clone(),
            };
        let mut fields = Scope::default();
        let mut variables = Vec::new();
        for variable in section.variables.iter().filter(|variable| !variable.is_dummy()) {
            types.need(
                variable.ty,
                &variable.name,
                &format!("the variable `{}`", variable.name),
                &place,
                diagnostics,
            );
            variables.push((fields.claim(verbatim(&variable.name)), variable));
        }
        if variables.is_empty() {
            continue;
        }
        let name = names::section(&section.name);
        let (ident, method) =
            (items.claim(camel(&name)), methods.claim(Ident::new(&name, Span::call_site())));
        sections.push(Section { ident, method, section, variables });
    }
    sections
}
