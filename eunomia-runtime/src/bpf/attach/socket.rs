//! Programs on sockets, and on maps of sockets.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use libbpf_rs::libbpf_sys;

use crate::{
    Error, Result,
    bpf::{
        Link, Map, Program,
        kind::{SkReuseport, SocketFilter, SocketMap},
        link::Held,
    },
    refusal::refusal,
};

impl Program<'_, SocketFilter> {
    /// Puts the program on a socket, in the place of the filter that it has. It stays until [`Self::detach_from`], or until the socket is
    /// closed for good; it belongs to the socket and not to whoever attached it, so there is no link.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel); EPERM where the socket's filter is locked (`SO_LOCK_FILTER`).
    pub fn attach_to(&self, socket: impl AsFd) -> Result<()> {
        self.set_option(socket, libc::SO_ATTACH_BPF, "a socket")
    }

    /// Takes the filter off a socket, whichever it has.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel); ENOENT where it has none.
    pub fn detach_from(&self, socket: impl AsFd) -> Result<()> {
        // A filter of either kind goes by the same option.
        self.set_option(socket, libc::SO_DETACH_FILTER, "no socket any more")
    }
}

impl Program<'_, SkReuseport> {
    /// Lets the program choose among the sockets that share the port of this one (`SO_REUSEPORT`). It stays until [`Self::detach_from`], or
    /// until the last of them is closed.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel); EINVAL where the socket does not share its port.
    pub fn attach_to(&self, socket: impl AsFd) -> Result<()> {
        self.set_option(socket, libc::SO_ATTACH_REUSEPORT_EBPF, "the sockets of a port")
    }

    /// Lets the kernel choose again.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel); ENOENT where there is no program.
    pub fn detach_from(&self, socket: impl AsFd) -> Result<()> {
        self.set_option(socket, SO_DETACH_REUSEPORT_BPF, "no port any more")
    }
}

/// `include/uapi/asm-generic/socket.h`; not in `libc`.
const SO_DETACH_REUSEPORT_BPF: libc::c_int = 68;

impl<K> Program<'_, K> {
    fn set_option(&self, socket: impl AsFd, option: libc::c_int, to: &str) -> Result<()> {
        let program = self.fd()?.as_raw_fd();
        let size = size_of_val(&program) as libc::socklen_t;
        // SAFETY: the value lives through the call, which reads as many bytes as it has.
        let result = unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), libc::SOL_SOCKET, option, (&raw const program).cast(), size) };
        if result < 0 { Err(refusal(self.tried(to), io::Error::last_os_error())) } else { Ok(()) }
    }
}

impl Program<'_, SocketMap> {
    /// Attaches the program to a map of sockets (`BPF_MAP_TYPE_SOCKMAP`, `BPF_MAP_TYPE_SOCKHASH`), in the place of the program of its kind
    /// that the map has: it sees the traffic of the sockets that are put into the map from then on,
    /// and once the link is dropped that of those which are in it still. A program of the section `sk_skb` alone gives verdicts
    /// (`sk_skb/stream_verdict`).
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel); EOPNOTSUPP where the map is of another kind.
    pub fn attach_to(&self, map: &Map<'_>) -> Result<Link> {
        let tried = || self.tried(&format!("the map `{}`", map.name().to_string_lossy()));
        let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map_err(|error| refusal(tried(), error));
        let on_map = OnMap { program: own(self.fd()?)?, map: own(map.fd())?, attach_type: self.attach_type() };
        on_map.attach().map_err(|error| self.explain(refusal(tried(), error)).with_hint(|| self.explain_map(map)))?;
        Ok(self.held(Held::OnMap(on_map)))
    }
}

/// A program on a map of sockets. Dropping it takes it off, unless another one stands in its place; where it never got there that does
/// nothing.
#[derive(Debug)]
pub(in crate::bpf) struct OnMap {
    program: OwnedFd,
    map: OwnedFd,
    attach_type: libbpf_sys::bpf_attach_type,
}

impl OnMap {
    fn attach(&self) -> io::Result<()> {
        self.put(self.program.as_fd())
    }

    fn put(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: the call takes no pointers.
        match unsafe { libbpf_sys::bpf_prog_attach(program.as_raw_fd(), self.map.as_raw_fd(), self.attach_type, 0) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error)),
        }
    }

    /// Puts another program in the place of this one.
    pub(in crate::bpf) fn replace(
        &mut self,
        tried: String,
        program: BorrowedFd<'_>,
        attach_type: libbpf_sys::bpf_attach_type,
    ) -> Result<()> {
        if attach_type != self.attach_type {
            // It would get a place of its own, beside the one that is there.
            return Err(Error::Value { name: tried, why: "it is of another section, so it has another place on the map".to_owned() });
        }
        let put = program.try_clone_to_owned().and_then(|program| self.put(program.as_fd()).map(|()| program));
        self.program = put.map_err(|error| refusal(tried, error))?;
        Ok(())
    }
}

impl Drop for OnMap {
    fn drop(&mut self) {
        // SAFETY: the call takes no pointers. The kernel detaches this very program only (`sock_map_prog_detach`).
        let _ = unsafe { libbpf_sys::bpf_prog_detach2(self.program.as_raw_fd(), self.map.as_raw_fd(), self.attach_type) };
    }
}
