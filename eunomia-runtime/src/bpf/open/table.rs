use std::marker::PhantomData;

use libbpf_rs::MapType;

#[cfg(feature = "cli")]
use crate::bpf::sys::messages::refused;
use crate::{
    Error, Result,
    bpf::{Open, ReadWrite, Section, Variable, section::SectionMap},
};

/// A table of the kernel's functions (struct_ops) of an object that is not yet loaded: `T` is the struct that it is made of.
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

    /// Its members as they will be given to the kernel. Pointers to functions are numbers here by which libbpf knows the programs: one
    /// that is set to null leaves its program out, one that is set to that of another table of the object takes its program, and any other
    /// number is refused when the object is loaded.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map, [`Error::Value`] where it is no table of so many bytes.
    pub fn members(&mut self) -> Result<Variable<'_, T, ReadWrite>> {
        self.object.table(self.name)
    }

    /// Whether the table is made when the object is loaded; on by default, but for those of `SEC("?.struct_ops")` and
    /// `SEC("?.struct_ops.link")`. The programs of tables that are not made are not loaded.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the object has no such map.
    pub fn set_autocreate(&mut self, on: bool) -> Result<()> {
        self.object.set_autocreate(self.name, on)
    }
}

impl Open {
    /// The names of the tables of functions (struct_ops).
    pub fn tables(&self) -> Vec<String> {
        let tables = self.object.maps().filter(|map| map.map_type() == MapType::StructOps);
        tables.map(|map| map.name().to_string_lossy().into_owned()).collect()
    }

    /// Whether a map is one of stack traces that does not say how deep they are.
    #[cfg(feature = "cli")]
    pub(crate) fn lacks_depth(&self, map: &str) -> bool {
        self.object.maps().any(|found| found.name() == map && found.map_type() == MapType::StackTrace && found.value_size() == 0)
    }

    /// Sets the bytes of a map's values.
    #[cfg(feature = "cli")]
    pub(crate) fn size_values(&mut self, map: &str, bytes: u32) -> Result<()> {
        self.find_map(map)?;
        for mut found in self.object.maps_mut().filter(|found| found.name() == map) {
            found.set_value_size(bytes).map_err(|error| refused(format!("set the values of map `{map}` to {bytes} bytes"), &error, ""))?;
        }
        Ok(())
    }

    /// The members of a table of the kernel's functions (struct_ops), as [`OpenTable::members`].
    ///
    /// # Errors
    /// As [`OpenTable::members`].
    pub fn table<T>(&mut self, name: &str) -> Result<Variable<'_, T, ReadWrite>> {
        let index = self.find_map(name)?;
        let storage = self.object.maps().nth(index).and_then(|map| SectionMap::table(&map)).and_then(SectionMap::open);
        let section: Section<'_, ReadWrite> = storage.map(Section::new).ok_or_else(|| Error::Value {
            name: format!("map `{name}`"),
            why: "it is no table of functions (BPF_MAP_TYPE_STRUCT_OPS)".to_owned(),
        })?;
        section.named(name, 0)
    }
}
