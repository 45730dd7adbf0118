//! The executables and libraries in which the targets of an object are looked up.

use std::cell::{Cell, RefCell};

use super::binary::{Answer, Binary};

/// Reads the files that an object names.
#[derive(Default)]
pub(crate) struct Binaries {
    /// The last file. The programs of an object mostly attach to the same one.
    last: RefCell<Option<(String, Binary)>>,
    /// The number of bytes read for the object.
    read: Cell<usize>,
}

/// The limit for the bytes of all files. An object can name thousands of programs that alternate
/// between large files.
const MAX_BYTES: usize = 4 << 30;

impl Binaries {
    /// Begins with another object. Its files are read anew, since they may have changed.
    pub(crate) fn begin(&self) {
        *self.last.borrow_mut() = None;
        self.read.set(0);
    }

    /// Looks something up in a file.
    pub(crate) fn look(&self, path: &str, look: impl FnOnce(&Binary) -> Answer) -> Answer {
        let mut last = self.last.borrow_mut();
        let binary = match &mut *last {
            Some((known, binary)) if known == path => binary,
            slot => {
                // Frees the memory before the next file is read.
                *slot = None;
                if self.read.get() > MAX_BYTES {
                    let why = "the targets of this object are in too many large files";
                    return Answer::Untold(format!("{path}: {why}"));
                }
                let binary = match Binary::read(path) {
                    Ok(binary) => binary,
                    Err(answer) => return answer,
                };
                self.read.set(self.read.get().saturating_add(binary.len()));
                &mut slot.insert((path.to_owned(), binary)).1
            }
        };
        look(binary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_targets_in_a_file_read_it_once() {
        let binaries = Binaries::default();
        let look =
            |path: &str| binaries.look(path, |binary| Answer::There(binary.len().to_string()));
        let Answer::There(len) = look("/proc/self/exe") else { panic!("the test is a program") };
        let read = binaries.read.get();
        assert_eq!(len, read.to_string());
        assert!(matches!(look("/proc/self/exe"), Answer::There(_)));
        assert_eq!(binaries.read.get(), read);
        assert!(matches!(look("/none"), Answer::NoFile(_)));
        assert!(matches!(look("/proc/self/exe"), Answer::There(_)));
        assert_eq!(binaries.read.get(), 2 * read);
        binaries.read.set(MAX_BYTES + 1);
        assert!(matches!(look("/proc/self/exe"), Answer::There(_)));
        assert!(matches!(look("/bin/sh"), Answer::Untold(_)));
        binaries.begin();
        assert!(matches!(look("/proc/self/exe"), Answer::There(_)));
        assert_eq!(binaries.read.get(), read);
    }
}
