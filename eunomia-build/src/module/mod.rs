//! The content of a generated module, decided. Everything that can be refused is refused here, so
//! that the emitter cannot fail.

mod args;
mod columns;
mod customs;
mod exports;
mod handles;
mod limits;
mod maps;
mod names;
mod programs;
mod sections;
mod signatures;
mod structure;
mod types;

use eunomia_runtime::{
    checked::{Checked, DeclaredTarget, InitialValue, Setup},
    error::{Diagnostic, Diagnostics, JsonPath},
};

pub(crate) use args::Argument;
pub(crate) use columns::Batch;
pub(crate) use customs::Custom;
pub(crate) use exports::{Export, Record};
pub(crate) use limits::check as limits;
pub(crate) use maps::Map;
pub(crate) use names::{Scope, chosen, plain, verbatim};
pub(crate) use programs::Program;
pub(crate) use sections::Section;
pub(crate) use structure::{Access, Member, Slot, Structure, Tail};
pub(crate) use types::{Types, bytes, integer, literal};

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
    pub(crate) targets: Vec<DeclaredTarget<'a>>,
    pub(crate) args: Vec<Argument<'a>>,
}

impl<'a> Module<'a> {
    /// Decides the whole module.
    pub(crate) fn decide(checked: &'a Checked) -> Result<Self, Diagnostics> {
        let mut diagnostics = Vec::new();
        let mut types = Types::new(&checked.layouts);
        let place = checked.skeleton.skel_place();

        // Items of the module that are named after parts of the object.
        let mut items = Scope::default();
        let exports = exports::decide(checked, &mut types, &mut items, &mut diagnostics);
        let sections = sections::decide(checked, &place, &mut types, &mut items, &mut diagnostics);
        let maps = maps::decide(checked, &exports, &place, &mut types, &mut diagnostics);
        let programs = programs::decide(checked);
        let customs = customs::decide(&exports, &types);
        let batches = columns::decide(&exports, &customs, &mut types);
        requested(checked, &mut types, &mut diagnostics);
        // Named last, so that no other type changes its name for them.
        signatures::types(checked).into_iter().for_each(|id| types.offer(id));
        match checked.setup() {
            Ok(Setup { values, arguments, targets }) if diagnostics.is_empty() => {
                let args = args::decide(arguments, &sections);
                Ok(Self {
                    checked,
                    types,
                    customs,
                    batches,
                    sections,
                    maps,
                    programs,
                    exports,
                    initial: values,
                    targets,
                    args,
                })
            }
            setup => {
                diagnostics.extend(setup.err().into_iter().flat_map(|more| more.diagnostics));
                Err(checked.skeleton.diagnostics(diagnostics))
            }
        }
    }
}

/// Adds the types that the application asks for.
fn requested(checked: &Checked, types: &mut Types<'_>, diagnostics: &mut Vec<Diagnostic>) {
    match checked.requested() {
        Ok(ids) => {
            for (id, c_type) in ids.into_iter().zip(&checked.skeleton.types) {
                let place = JsonPath::default().key("types").key(c_type);
                types.need(id, c_type, &format!("the type `{c_type}`"), &place, diagnostics);
            }
        }
        Err(faults) => diagnostics.extend(faults.diagnostics),
    }
}
