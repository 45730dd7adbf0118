//! The calls and the CO-RE relocations of an object.

use super::Checked;
use crate::{
    error::{Diagnostic, JsonPath},
    object::{Calls, Layouts, Relocation, relocations},
};

impl Checked {
    /// Returns the calls of the object's functions.
    ///
    /// # Errors
    /// A [`Diagnostic`] if the relocation or symbol tables are broken.
    #[doc(hidden)]
    pub fn calls(&self) -> Result<Calls, Diagnostic> {
        let object = self.skeleton.object.as_deref().unwrap_or_default();
        Calls::read(object, &self.layouts.elf, &self.maps)
            .map_err(|(what, todo)| Diagnostic::new(JsonPath::default(), what, todo))
    }

    /// Returns the CO-RE relocations of the object, or none if it has no `.BTF.ext` section.
    ///
    /// # Errors
    /// A [`Diagnostic`] if the section is broken. libbpf ignores such a section.
    #[doc(hidden)]
    pub fn relocations(&self) -> Result<Vec<Relocation>, Diagnostic> {
        let object = self.skeleton.object.as_deref().unwrap_or_default();
        relocations_of(object, &self.layouts)
    }
}

/// Returns the CO-RE relocations of an object.
pub(super) fn relocations_of(
    object: &[u8],
    layouts: &Layouts,
) -> Result<Vec<Relocation>, Diagnostic> {
    let bytes = |name| layouts.elf.bytes(object, name);
    let (Some(ext), Some(btf)) = (bytes(".BTF.ext"), bytes(".BTF")) else {
        return Ok(Vec::new());
    };
    let strings = relocations::strings(btf).unwrap_or_default();
    let types = layouts.btf.iter().count();
    relocations::read(ext, strings, &layouts.elf.indices(), types).ok_or_else(|| {
        let (what, todo) = ("the .BTF.ext section is broken", "compile the object again");
        Diagnostic::new(JsonPath::default(), what, todo)
    })
}
