use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which rings of an object have a producer, by what they are called in errors.
#[derive(Debug, Clone, Default)]
pub(in crate::bpf) struct Claims(Arc<Mutex<Vec<String>>>);

/// That there is no other producer, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    name: String,
}

impl Claims {
    pub(super) fn claim(&self, name: &str) -> Option<Claim> {
        let mut names = self.names();
        if names.iter().any(|claimed| claimed == name) {
            return None;
        }
        names.push(name.to_owned());
        Some(Claim { claims: self.clone(), name: name.to_owned() })
    }

    /// Whole after any panic, since each change of them is one call.
    fn names(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.names().retain(|name| *name != self.name);
    }
}
