//! The system call `perf_event_open(2)`, which libbpf does not wrap.

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd},
};

use libbpf_rs::libbpf_sys::perf_event_attr;

const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// Opens the event for a process (-1: any) on a CPU (-1: any). Fills in the size of `attr`.
pub(crate) fn open(
    attr: perf_event_attr,
    pid: libc::pid_t,
    cpu: libc::c_int,
) -> io::Result<OwnedFd> {
    let attr = perf_event_attr { size: size_of::<perf_event_attr>() as u32, ..attr };
    let no_group: libc::c_int = -1;
    // SAFETY: the attributes live through the call, which only reads them.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            pid,
            cpu,
            no_group,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    match libc::c_int::try_from(fd) {
        // SAFETY: the descriptor is new, and nobody else owns it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
