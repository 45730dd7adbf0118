use std::{ffi::c_void, io, os::fd::AsRawFd as _};

use libbpf_rs::{MapCore, libbpf_sys};

use crate::{Error, Result, refusal::refusal};

/// The system calls on one map. Keys and values are of the map's sizes: typed handles hold their types against them when they are made,
/// samplers take the sizes from the map.
#[derive(Clone, Copy)]
pub(super) struct Calls<'a>(pub(super) &'a dyn MapCore);

impl Calls<'_> {
    /// Reads the value of the key at `key`, which is null for a kind without keys; whether there is one.
    pub(super) fn lookup(self, key: *const c_void, value: &mut [u8]) -> Result<bool> {
        // SAFETY: key and value have the map's sizes, as every caller has checked, and live through the call.
        let error = unsafe { libbpf_sys::bpf_map_lookup_elem(self.fd(), key, value.as_mut_ptr().cast()) };
        self.found(error, "look up a key in")
    }

    /// Writes the value of the key at `key`, which is null for a kind without keys.
    pub(super) fn update(self, key: *const c_void, value: &[u8], flags: u32) -> Result<()> {
        // SAFETY: as in `lookup`; the kernel only reads both.
        let error = unsafe { libbpf_sys::bpf_map_update_elem(self.fd(), key, value.as_ptr().cast(), flags.into()) };
        if error < 0 { Err(self.refused(error, "write to")) } else { Ok(()) }
    }

    /// Removes the key at `key`; whether it was there.
    pub(super) fn delete(self, key: *const c_void) -> Result<bool> {
        // SAFETY: the key has the map's size and lives through the call, which only reads it.
        let error = unsafe { libbpf_sys::bpf_map_delete_elem(self.fd(), key) };
        self.found(error, "remove a key from")
    }

    /// Writes to `next` the key behind the one at `last`, or the first where `last` is null; whether there is one. Both may be one place.
    pub(super) fn next_key(self, last: *const c_void, next: *mut c_void) -> Result<bool> {
        // SAFETY: both keys have the map's size and live through the call, which reads one before it writes the other.
        let error = unsafe { libbpf_sys::bpf_map_get_next_key(self.fd(), last, next) };
        self.found(error, "walk the keys of")
    }

    /// Whether there was a key, from the result of a call that says ENOENT where there is none.
    pub(super) fn found(self, error: i32, tried: &str) -> Result<bool> {
        match error {
            0.. => Ok(true),
            error if error == -libc::ENOENT => Ok(false),
            error => Err(self.refused(error, tried)),
        }
    }

    /// `error` is negative, as libbpf gives it.
    pub(super) fn refused(self, error: i32, tried: &str) -> Error {
        refusal(format!("{tried} the {}", self.describe()), io::Error::from_raw_os_error(-error))
    }

    /// For a map whose walk took more steps than it has room for.
    pub(super) fn too_fast(self) -> Error {
        let why = "it changes faster than it can be walked, entries may be missing".to_owned();
        Error::Value { name: self.describe(), why }
    }

    pub(super) fn describe(self) -> String {
        format!("map `{}`", self.0.name().to_string_lossy())
    }

    fn fd(self) -> i32 {
        self.0.as_fd().as_raw_fd()
    }
}
