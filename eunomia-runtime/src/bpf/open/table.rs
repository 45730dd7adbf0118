//! Tables of kernel functions (struct_ops) before the object is loaded.

use std::marker::PhantomData;

use libbpf_rs::MapType;

#[cfg(feature = "cli")]
use crate::host::messages::refused;
use crate::{
    Error, Result,
    bpf::{Open, ReadWrite, Section, Variable, section::SectionMap},
};

/// A table of kernel functions (struct_ops) of an object that is not yet loaded. `T` is its struct.
#[derive(Debug)]
pub struct OpenTable<'a, T> {
    object: &'a mut Open,
    name: &'static str,
    ty: PhantomData<fn() -> T>,
}

impl<'a, T> OpenTable<'a, T> {
    #[doc(hidden)]
    pub fn new(object: &'a mut Open, name: &'static str) -> Self {
        Self { object, name, ty: PhantomData }
    }

    /// Returns the members, as they will be passed to the kernel.
    ///
    /// A pointer to a function is a number by which libbpf knows the program. Null omits the
    /// program. The number of another table of the object uses that table's program. Loading
    /// refuses any other number.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map. [`Error::Mismatch`] if it is not a table
    /// of this size.
    pub fn members(&mut self) -> Result<Variable<'_, T, ReadWrite>> {
        self.object.table(self.name)
    }

    /// Sets whether loading the object creates the table. It does by default, except for tables of
    /// `SEC("?.struct_ops")` and `SEC("?.struct_ops.link")`. The programs of a table that is not
    /// created are not loaded.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the object has no such map.
    pub fn set_autocreate(&mut self, on: bool) -> Result<()> {
        self.object.set_autocreate(self.name, on)
    }
}

impl Open {
    /// Returns the names of the tables of functions (struct_ops).
    #[doc(hidden)]
    pub fn tables(&self) -> Vec<String> {
        let tables = self.object.maps().filter(|map| map.map_type() == MapType::StructOps);
        tables.map(|map| map.name().to_string_lossy().into_owned()).collect()
    }

    /// Reports whether a map holds stack traces and does not declare their depth.
    #[cfg(feature = "cli")]
    pub(crate) fn lacks_depth(&self, map: &str) -> bool {
        self.object.maps().any(|found| {
            found.name() == map
                && found.map_type() == MapType::StackTrace
                && found.value_size() == 0
        })
    }

    /// Sets the number of bytes of a map's values.
    #[cfg(feature = "cli")]
    pub(crate) fn size_values(&mut self, map: &str, bytes: u32) -> Result<()> {
        self.find_map(map)?;
        for mut found in self.object.maps_mut().filter(|found| found.name() == map) {
            found.set_value_size(bytes).map_err(|error| {
                refused(format!("set the value size of the map `{map}` to {bytes}"), &error, "")
            })?;
        }
        Ok(())
    }

    /// Returns the members of a table of functions (struct_ops), as [`OpenTable::members`] does.
    ///
    /// # Errors
    /// Those of [`OpenTable::members`].
    #[doc(hidden)]
    pub fn table<T>(&mut self, name: &str) -> Result<Variable<'_, T, ReadWrite>> {
        let index = self.find_map(name)?;
        let storage = self
            .object
            .maps()
            .nth(index)
            .and_then(|map| SectionMap::table(&map))
            .and_then(SectionMap::open);
        let section: Section<'_, ReadWrite> =
            storage.map(Section::new).ok_or_else(|| Error::Mismatch {
                name: format!("map `{name}`"),
                why: "it is not a table of functions (BPF_MAP_TYPE_STRUCT_OPS)".to_owned(),
            })?;
        section.named(name, 0)
    }
}
