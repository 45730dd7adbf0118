//! What a child of this process must leave alone (`fork(2)`).

use std::{mem, sync::atomic::Ordering};

use rustix::io;

use super::mapping::Mapping;

/// A value of the process that made it. In a child it is out of reach, and is not dropped: of its memory the kernel gives the child
/// nothing, and other memory may be at its addresses.
#[derive(Debug)]
pub(super) struct Own<T> {
    /// Not zero, but in a child.
    mark: Mapping,
    /// `None` while it is dropped.
    value: Option<T>,
}

impl<T> Own<T> {
    pub(super) fn new(value: T) -> io::Result<Self> {
        let mark = Mapping::wiped_in_children()?;
        mark.u32(0).store(1, Ordering::Relaxed);
        Ok(Self { mark, value: Some(value) })
    }

    #[inline]
    fn is_here(&self) -> bool {
        self.mark.u32(0).load(Ordering::Relaxed) != 0
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.is_here())
    }

    #[inline]
    pub(super) fn get_mut(&mut self) -> Option<&mut T> {
        if self.is_here() { self.value.as_mut() } else { None }
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        let value = self.value.take();
        if !self.is_here() {
            mem::forget(value);
        }
    }
}
