//! Iterators: programs that write text about the kernel's objects.

use std::io::Read;

use crate::{
    Result,
    bpf::{Link, Map, Program, kind::Iter},
};

impl Program<'_, Iter> {
    /// Attaches the program as its section says and starts a walk, whose text the program writes. [`Link::walk`] starts further ones.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel).
    pub fn walk(&self) -> Result<impl Read + use<>> {
        self.attach()?.walk()
    }

    /// Starts a walk over the entries of a map, for an `iter/bpf_map_elem` or `iter/bpf_sk_storage_map`.
    ///
    /// # Errors
    /// Those of [`Self::attach_to`].
    pub fn walk_map(&self, map: &Map<'_>) -> Result<impl Read + use<>> {
        self.attach_to(map)?.walk()
    }

    /// Attaches an `iter/bpf_map_elem` or `iter/bpf_sk_storage_map` program to a map, over whose entries it walks; see [`Link::walk`].
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel); EINVAL where the program walks over something else, EACCES where it reads more than keys
    /// and values have.
    pub fn attach_to(&self, map: &Map<'_>) -> Result<Link> {
        let tried = self.tried(&format!("a walk over the map `{}`", map.name().to_string_lossy()));
        let link = self.linked(tried, |program| program.attach_iter(map.fd()));
        link.map_err(|error| error.with_hint(|| self.explain_map(map)))
    }
}
