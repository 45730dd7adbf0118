//! The calls and the CO-RE relocations of an object.

use std::collections::HashMap;

use super::Checked;
use crate::{
    fault::{Fault, Place},
    object::{Calls, Relocation, relocations},
};

impl Checked {
    /// What the object's functions call.
    ///
    /// # Errors
    /// Tables of relocations or symbols that are broken.
    pub fn calls(&self) -> Result<Calls, Fault> {
        let object = self.skeleton.object.as_deref().unwrap_or_default();
        Calls::read(object, &self.layouts.elf, &self.maps).map_err(|(what, todo)| Fault::new(Place::default(), what, todo))
    }

    /// The relocations of the object; none where it has no `.BTF.ext`.
    ///
    /// # Errors
    /// A section that is broken; libbpf ignores it then.
    pub fn relocations(&self) -> Result<Vec<Relocation>, Fault> {
        let object = self.skeleton.object.as_deref().unwrap_or_default();
        let sections = &self.layouts.elf.sections;
        let bytes = |name: &str| {
            let section = sections.iter().find(|section| section.name == name)?;
            let at = usize::try_from(section.offset?).ok()?;
            object.get(at..at.checked_add(usize::try_from(section.size).ok()?)?)
        };
        let (Some(ext), Some(btf)) = (bytes(".BTF.ext"), bytes(".BTF")) else { return Ok(Vec::new()) };
        let indices: HashMap<&[u8], usize> = sections.iter().enumerate().map(|(i, section)| (section.name.as_bytes(), i)).collect();
        relocations::read(ext, relocations::strings(btf).unwrap_or_default(), &indices, self.layouts.btf.iter().count())
            .ok_or_else(|| Fault::new(Place::default(), "the section .BTF.ext is broken", "compile the object anew"))
    }
}
