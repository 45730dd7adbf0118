//! The system calls that read and write the entries of a map.

use std::{ffi::c_void, io, os::fd::AsRawFd as _};

use libbpf_rs::{MapCore, libbpf_sys};

use crate::{Error, Result, host::kernel_error};

/// The system calls on one map.
///
/// Keys and values have the map's sizes: typed handles check their types against the map when they
/// are made, and samplers take the sizes from the map.
#[derive(Clone, Copy)]
pub(super) struct Calls<'a>(pub(super) &'a dyn MapCore);

impl Calls<'_> {
    /// Reads the value of the key at `key`, which is null for a map without keys; returns false if
    /// the key is missing.
    pub(super) fn lookup(self, key: *const c_void, value: &mut [u8]) -> Result<bool> {
        // SAFETY: key and value have the map's sizes, as every caller has checked, and live through
        // the call.
        let error =
            unsafe { libbpf_sys::bpf_map_lookup_elem(self.fd(), key, value.as_mut_ptr().cast()) };
        self.found(error, "look up a key in")
    }

    /// Writes the value of the key at `key`, which is null for a map without keys.
    pub(super) fn update(self, key: *const c_void, value: &[u8], flags: u32) -> Result<()> {
        // SAFETY: as in `lookup`; the kernel only reads both.
        let error = unsafe {
            libbpf_sys::bpf_map_update_elem(self.fd(), key, value.as_ptr().cast(), flags.into())
        };
        if error < 0 { Err(self.refused(error, "write to")) } else { Ok(()) }
    }

    /// Removes the key at `key`; returns false if it is missing.
    pub(super) fn delete(self, key: *const c_void) -> Result<bool> {
        // SAFETY: the key has the map's size and lives through the call, which only reads it.
        let error = unsafe { libbpf_sys::bpf_map_delete_elem(self.fd(), key) };
        self.found(error, "remove a key from")
    }

    /// Writes the key after the one at `last` to `next`, or the first key if `last` is null;
    /// returns false after the last key. The two pointers may be equal.
    pub(super) fn next_key(self, last: *const c_void, next: *mut c_void) -> Result<bool> {
        // SAFETY: both keys have the map's size and live through the call, which reads one before
        // it writes the other.
        let error = unsafe { libbpf_sys::bpf_map_get_next_key(self.fd(), last, next) };
        self.found(error, "walk the keys of")
    }

    /// Turns the result of a call into whether the key was found: ENOENT means it was not.
    pub(super) fn found(self, error: i32, tried: &str) -> Result<bool> {
        match error {
            0.. => Ok(true),
            error if error == -libc::ENOENT => Ok(false),
            error => Err(self.refused(error, tried)),
        }
    }

    /// Returns the error of a call. `error` is negative, as libbpf returns it.
    pub(super) fn refused(self, error: i32, tried: &str) -> Error {
        kernel_error(
            format!("{tried} the {}", self.describe()),
            io::Error::from_raw_os_error(-error),
        )
    }

    /// Returns the error of a walk that took more steps than the map allows.
    pub(super) fn too_fast(self) -> Error {
        let why = "it changes faster than it can be walked, so entries may be missing".to_owned();
        Error::Incomplete { name: self.describe(), why }
    }

    pub(super) fn describe(self) -> String {
        format!("map `{}`", self.0.name().to_string_lossy())
    }

    fn fd(self) -> i32 {
        self.0.as_fd().as_raw_fd()
    }
}
