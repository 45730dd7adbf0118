//! Iterators: programs that write text about the objects of the kernel.

use std::io::Read;

use crate::{
    Result,
    bpf::{Link, Map, Program, kind::Iter},
};

impl Program<'_, Iter> {
    /// Attaches the program as its section says, runs it once and returns a reader of the text that
    /// it writes. [`Link::walk`] runs it again.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses.
    pub fn walk(&self) -> Result<impl Read + use<>> {
        self.attach()?.walk()
    }

    /// Attaches an iterator over the entries of a map (`iter/bpf_map_elem`,
    /// `iter/bpf_sk_storage_map`, `iter/sockmap`) to the map, runs it once and returns a reader of
    /// the text that it writes.
    ///
    /// # Errors
    /// Those of [`Self::attach_to`].
    pub fn walk_map(&self, map: &Map<'_>) -> Result<impl Read + use<>> {
        self.attach_to(map)?.walk()
    }

    /// Attaches an iterator over the entries of a map (`iter/bpf_map_elem`,
    /// `iter/bpf_sk_storage_map`, `iter/sockmap`) to the map. [`Link::walk`] runs it.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; EINVAL if the program
    /// iterates over something else, EACCES if it reads beyond the size of the keys or values.
    pub fn attach_to(&self, map: &Map<'_>) -> Result<Link> {
        let tried =
            self.tried(&format!("the entries of the map `{}`", map.name().to_string_lossy()));
        let link = self.linked(tried, |program| program.attach_iter(map.fd()));
        link.map_err(|error| error.with_hint(|| self.explain_map(map)))
    }
}
