//! The directories in which libbpf looks for executables and libraries that are named without a
//! slash.

use std::{env::consts::ARCH, path::PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::environment;

/// The directories in which libbpf looks for a file.
pub(crate) struct Search<'a> {
    name: &'a str,
    /// The environment variable with the first directories.
    pub(crate) variable: &'static str,
    places: String,
    access: Access,
}

impl<'a> Search<'a> {
    pub(crate) fn of(name: &'a str) -> Self {
        let is_library = name.ends_with(".so") || name.contains(".so.");
        let (variable, places, access) = if is_library {
            let own =
                format!("/usr/lib64:/usr/lib:/lib/{ARCH}-linux-gnu:/usr/lib/{ARCH}-linux-gnu");
            ("LD_LIBRARY_PATH", own, Access::READ_OK)
        } else {
            ("PATH", "/usr/bin:/usr/sbin".to_owned(), Access::READ_OK | Access::EXEC_OK)
        };
        Self { name, variable, places, access }
    }

    /// Returns the first file of the name. The variable counts only if the process may trust it.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let named = environment::variable(self.variable).unwrap_or_default();
        let places = format!("{}:{}", named.to_string_lossy(), self.places);
        let mut files = places
            .split(':')
            .filter(|folder| !folder.is_empty())
            .map(|folder| format!("{folder}/{}", self.name));
        let found = files.find(|file| accessat(CWD, file, self.access, AtFlags::EACCESS).is_ok());
        found.map(PathBuf::from)
    }

    /// Reports whether libbpf would look where another user says, see [`environment::hides`].
    pub(crate) fn is_hidden(&self) -> bool {
        environment::hides(self.variable)
    }
}
