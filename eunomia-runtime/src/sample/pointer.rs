//! [`KernelPtr`]: an address that this process cannot follow.

use std::fmt;

/// An address in the memory of the kernel or of another process: 64 bits on every host.
///
/// This process cannot follow it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct KernelPtr(u64);

impl KernelPtr {
    /// Returns the address.
    pub const fn addr(self) -> u64 {
        self.0
    }

    /// Returns true if this is the null pointer.
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
}

impl From<u64> for KernelPtr {
    fn from(addr: u64) -> Self {
        Self(addr)
    }
}

impl fmt::Debug for KernelPtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for KernelPtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
