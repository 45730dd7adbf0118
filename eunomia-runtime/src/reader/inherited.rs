//! Values that a child of this process must not use after `fork(2)`.

use std::{mem, sync::atomic::Ordering};

use rustix::io;

use super::mapping::Mapping;

/// A value that only the process that made it can use. A child can neither access nor drop it: the
/// kernel does not copy the value's memory into the child, where other memory may be at its
/// addresses.
#[derive(Debug)]
pub(super) struct Own<T> {
    /// Nonzero, except in a child.
    mark: Mapping,
    /// `None` only while it is dropped.
    value: Option<T>,
}

impl<T> Own<T> {
    pub(super) fn new(value: T) -> io::Result<Self> {
        let mark = Mapping::wiped_in_children()?;
        mark.u32(0).store(1, Ordering::Relaxed);
        Ok(Self { mark, value: Some(value) })
    }

    /// Reports whether this process made the value.
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
