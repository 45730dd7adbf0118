//! The calls and the CO-RE relocations of an object.

use std::collections::HashMap;

use super::Checked;
use crate::{
    error::{Diagnostic, JsonPath},
    object::{Calls, Relocation, relocations},
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
        let sections = &self.layouts.elf.sections;
        let bytes = |name: &str| {
            let section = sections.iter().find(|section| section.name == name)?;
            let at = usize::try_from(section.offset?).ok()?;
            object.get(at..at.checked_add(usize::try_from(section.size).ok()?)?)
        };
        let (Some(ext), Some(btf)) = (bytes(".BTF.ext"), bytes(".BTF")) else {
            return Ok(Vec::new());
        };
        let indices: HashMap<&[u8], usize> =
            sections.iter().enumerate().map(|(i, section)| (section.name.as_bytes(), i)).collect();
        relocations::read(
            ext,
            relocations::strings(btf).unwrap_or_default(),
            &indices,
            self.layouts.btf.iter().count(),
        )
        .ok_or_else(|| {
            Diagnostic::new(
                JsonPath::default(),
                "the .BTF.ext section is broken",
                "compile the object again",
            )
        })
    }
}
