use std::io::Read;

use crate::{
    Error, Result,
    bpf::{Link, Map, Program, kind::Iter, messages::refused},
};

impl Program<'_, Iter> {
    /// Attaches the program as its section says and starts a walk, whose text the program writes.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub fn walk(&self) -> Result<impl Read + use<>> {
        self.walk_of(self.attach()?)
    }

    /// Starts a walk over the entries of a map, for an `iter/bpf_map_elem` or `iter/bpf_sk_storage_map`.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EINVAL where the program walks over something else, EACCES where it reads more than keys and values have.
    pub fn walk_map(&self, map: &Map<'_>) -> Result<impl Read + use<>> {
        let tried = self.tried(&format!("a walk over the map `{}`", map.name().to_string_lossy()));
        self.walk_of(self.linked(tried, |program| program.attach_iter(map.fd()))?)
    }

    fn walk_of(&self, link: Link) -> Result<impl Read + use<>> {
        let iter = link.as_libbpf().map(libbpf_rs::Iter::new).transpose();
        let iter = iter.map_err(|error| refused(self.tried("a walk"), &error, ""))?;
        iter.ok_or_else(|| Error::Value { name: self.describe(), why: "its link cannot be walked".to_owned() })
    }
}
