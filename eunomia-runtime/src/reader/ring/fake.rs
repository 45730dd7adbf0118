//! A ring in memory that a test can write, with the kernel's layout.

use std::cell::RefCell;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::*;

const SIZE: usize = 4096;

/// A file with the three parts of a ring. The kernel maps the data twice; here both copies are
/// written.
pub(crate) struct Fake {
    pub(crate) memory: Mapping,
    pub(crate) ring: RefCell<Ring>,
    pub(crate) page: usize,
    size: u64,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let page = page_size();
        let size = SIZE.max(page);
        let fd = memfd_create("ring", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&fd, (2 * page + 2 * size) as u64).unwrap();
        let memory = Mapping::new(fd.as_fd(), 0, 2 * page + 2 * size, true).unwrap();
        let ring = Ring::with_claim("fake", fd.as_fd(), size as u32, 0, None).unwrap();
        Self { memory, ring: RefCell::new(ring), page, size: size as u64 }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn consumer(&self) -> u64 {
        self.memory.u64(0).load(Ordering::Relaxed)
    }

    pub(crate) fn producer(&self) -> u64 {
        self.memory.u64(self.page).load(Ordering::Relaxed)
    }

    /// Writes a word at a position, in both copies of the data.
    pub(crate) fn word(&self, position: u64, value: u32) {
        let at = (position % self.size()) as usize;
        for copy in [0, self.size() as usize] {
            self.memory.u32(2 * self.page + copy + at).store(value, Ordering::Relaxed);
        }
    }
}
