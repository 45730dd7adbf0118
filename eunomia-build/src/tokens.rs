use eunomia_runtime::{Skeleton, fault::Faults, object::Checked};
use proc_macro2::TokenStream;

use crate::{emit, module::Module, names};

/// How the object gets into the generated module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Embed {
    /// As one byte string literal: the module is self-contained.
    Literal,
    /// With `include_bytes!` of a file of this name beside the generated one: faster to compile for large objects.
    File(String),
}

/// The module `name` for a skeleton; `file` stands for it in messages.
///
/// # Errors
/// Every fault of the skeleton at once: where it disagrees with its object, and what no module can be made of.
pub fn tokens(skeleton: Skeleton, file: &str, name: &str, embed: &Embed) -> Result<TokenStream, Faults> {
    of(&skeleton.check(file)?, file, name, embed)
}

pub(crate) fn of(checked: &Checked, file: &str, name: &str, embed: &Embed) -> Result<TokenStream, Faults> {
    let module = Module::decide(checked, file)?;
    Ok(emit::module(&module, &names::verbatim(name), embed))
}
