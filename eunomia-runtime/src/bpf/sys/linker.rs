//! libbpf's static linker, with libbpf's messages as errors.
//!
//! The linker of libbpf-rs (0.27) is not used: it panics in builds with debug assertions, because
//! it takes libbpf's negative errno for a positive one.

use std::{
    ffi::CString,
    io,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    ptr::{self, NonNull},
};

use libbpf_rs::libbpf_sys::{
    bpf_linker, bpf_linker__add_file, bpf_linker__finalize, bpf_linker__free, bpf_linker__new,
};

use crate::host::messages::listen;

/// Links BPF objects into one, without their DWARF. libbpf decides about symbols that are defined
/// twice, or used and never defined.
///
/// # Errors
/// The index of the object that was refused (`None` for all together), and libbpf's messages, or
/// its errno if it printed none.
pub fn link(objects: &[&Path], output: &Path) -> Result<(), (Option<usize>, String)> {
    let refused = |index: Option<usize>, code: i32, messages: String| {
        let messages: Vec<&str> = messages
            .lines()
            .map(|line| line.trim_start_matches("libbpf: ").trim())
            .filter(|line| !line.is_empty())
            .collect();
        let why = if messages.is_empty() {
            io::Error::from_raw_os_error(code.saturating_abs()).to_string()
        } else {
            messages.join("\n")
        };
        (index, why)
    };
    let (linker, messages) = listen(|| Linker::new(output));
    let mut linker = linker.map_err(|code| refused(None, code, messages))?;
    for (index, object) in objects.iter().enumerate() {
        let (added, messages) = listen(|| linker.add(object));
        added.map_err(|code| refused(Some(index), code, messages))?;
    }
    let (linked, messages) = listen(|| linker.finish());
    linked.map_err(|code| refused(None, code, messages))
}

/// libbpf's linker. Dropping it frees it.
struct Linker(NonNull<bpf_linker>);

impl Linker {
    fn new(output: &Path) -> Result<Self, i32> {
        let output = c_path(output)?;
        // SAFETY: the path ends with a NUL, and null means no options.
        let linker = unsafe { bpf_linker__new(output.as_ptr(), ptr::null_mut()) };
        NonNull::new(linker).map(Self).ok_or_else(errno)
    }

    fn add(&mut self, object: &Path) -> Result<(), i32> {
        let object = c_path(object)?;
        // SAFETY: the linker is live until `self` is dropped; the path ends with a NUL, and null
        // means no options.
        match unsafe { bpf_linker__add_file(self.0.as_ptr(), object.as_ptr(), ptr::null_mut()) } {
            0 => Ok(()),
            code => Err(code),
        }
    }

    fn finish(&mut self) -> Result<(), i32> {
        // SAFETY: the linker is live until `self` is dropped.
        match unsafe { bpf_linker__finalize(self.0.as_ptr()) } {
            0 => Ok(()),
            code => Err(code),
        }
    }
}

impl Drop for Linker {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `bpf_linker__new`, and nothing uses it after this.
        unsafe { bpf_linker__free(self.0.as_ptr()) }
    }
}

fn c_path(path: &Path) -> Result<CString, i32> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| libc::EINVAL)
}

fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)
}
