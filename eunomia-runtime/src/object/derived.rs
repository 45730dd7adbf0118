//! Data that other rooms derive from each type and store with the types.

use std::{any::Any, fmt, sync::OnceLock};

use super::TypeId;

/// One value for each type, made when it is first needed. It does not affect equality, and clones
/// start empty.
pub(crate) struct Derived(Vec<OnceLock<Box<dyn Any + Send + Sync>>>);

impl Derived {
    pub(crate) fn new(types: usize) -> Self {
        Self((0..types).map(|_| OnceLock::new()).collect())
    }

    /// Returns the value for a type, made by `make` if there is none yet. `None` if the type does
    /// not exist, or if its value has another Rust type: each `Derived` has one user.
    pub(crate) fn get_or_init<T: Any + Send + Sync>(
        &self,
        ty: TypeId,
        make: impl FnOnce() -> T,
    ) -> Option<&T> {
        self.0.get(ty.0 as usize)?.get_or_init(|| Box::new(make())).downcast_ref()
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").finish_non_exhaustive()
    }
}

impl Clone for Derived {
    fn clone(&self) -> Self {
        Self::new(self.0.len())
    }
}

impl PartialEq for Derived {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Derived {}
