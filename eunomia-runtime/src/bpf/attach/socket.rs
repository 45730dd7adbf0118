//! Programs on sockets and on maps of sockets.

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
    host::kernel_error,
};

impl Program<'_, SocketFilter> {
    /// Attaches the program to a socket as its filter and replaces the filter that it has. It stays
    /// until [`Self::detach_from`] is called or the last descriptor of the socket is closed. There
    /// is no link, because the filter belongs to the socket and not to whoever attached it.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; EPERM if the filter of the
    /// socket is locked (`SO_LOCK_FILTER`).
    pub fn attach_to(&self, socket: impl AsFd) -> Result<()> {
        self.set_option(socket, libc::SO_ATTACH_BPF, self.tried("a socket"))
    }

    /// Removes the filter of a socket, whichever program it is.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENOENT if the socket has no
    /// filter.
    pub fn detach_from(&self, socket: impl AsFd) -> Result<()> {
        // One option detaches both classic and eBPF filters.
        self.set_option(socket, libc::SO_DETACH_FILTER, "detach the filter of a socket".to_owned())
    }
}

impl Program<'_, SkReuseport> {
    /// Attaches the program to the group of sockets that share the port of this one
    /// (`SO_REUSEPORT`). The program chooses the socket that receives a packet or connection. It
    /// stays until [`Self::detach_from`] is called or the last socket of the group is closed.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; EINVAL if the socket does not
    /// share its port.
    pub fn attach_to(&self, socket: impl AsFd) -> Result<()> {
        self.set_option(
            socket,
            libc::SO_ATTACH_REUSEPORT_EBPF,
            self.tried("the sockets that share a port"),
        )
    }

    /// Detaches the program from the group of sockets. The kernel then chooses the socket itself.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; ENOENT if the group has no
    /// program.
    pub fn detach_from(&self, socket: impl AsFd) -> Result<()> {
        self.set_option(
            socket,
            SO_DETACH_REUSEPORT_BPF,
            "detach the program of the sockets that share a port".to_owned(),
        )
    }
}

/// The option of `include/uapi/asm-generic/socket.h`, which `libc` lacks.
const SO_DETACH_REUSEPORT_BPF: libc::c_int = 68;

impl<K> Program<'_, K> {
    fn set_option(&self, socket: impl AsFd, option: libc::c_int, tried: String) -> Result<()> {
        let program = self.fd()?.as_raw_fd();
        let size = size_of_val(&program) as libc::socklen_t;
        // SAFETY: the value lives through the call, which reads only its `size` bytes.
        let result = unsafe {
            libc::setsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const program).cast(),
                size,
            )
        };
        if result < 0 { Err(kernel_error(tried, io::Error::last_os_error())) } else { Ok(()) }
    }
}

impl Program<'_, SocketMap> {
    /// Attaches the program to a map of sockets (`BPF_MAP_TYPE_SOCKMAP`, `BPF_MAP_TYPE_SOCKHASH`)
    /// and replaces the program of the same attach type that the map has. The program sees the
    /// traffic of sockets that are put into the map from then on. After the link is dropped it
    /// still sees that of those sockets that remain in the map. A program of the section `sk_skb`
    /// without a suffix gives verdicts (`sk_skb/stream_verdict`).
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; EOPNOTSUPP if the map is of
    /// another type.
    pub fn attach_to(&self, map: &Map<'_>) -> Result<Link> {
        let tried = || self.tried(&format!("the map `{}`", map.name().to_string_lossy()));
        let own = |fd: BorrowedFd<'_>| {
            fd.try_clone_to_owned().map_err(|error| kernel_error(tried(), error))
        };
        let on_map = OnMap {
            program: own(self.fd()?)?,
            map: own(map.fd())?,
            attach_type: self.attach_type(),
        };
        on_map.attach().map_err(|error| {
            self.explain(kernel_error(tried(), error)).with_hint(|| self.explain_map(map))
        })?;
        Ok(self.held(Held::OnMap(on_map)))
    }
}

/// A program on a map of sockets. Dropping it detaches the program, unless another one replaced it.
/// If the program was never attached, dropping does nothing.
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
        match unsafe {
            libbpf_sys::bpf_prog_attach(
                program.as_raw_fd(),
                self.map.as_raw_fd(),
                self.attach_type,
                0,
            )
        } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error)),
        }
    }

    /// Replaces the program by another one.
    pub(in crate::bpf) fn replace(
        &mut self,
        tried: String,
        program: BorrowedFd<'_>,
        attach_type: libbpf_sys::bpf_attach_type,
    ) -> Result<()> {
        if attach_type != self.attach_type {
            // The kernel would attach it next to the attached program.
            return Err(Error::Mismatch {
                name: tried,
                why: "the program is of another section and would not replace the attached program"
                    .to_owned(),
            });
        }
        let put = program
            .try_clone_to_owned()
            .and_then(|program| self.put(program.as_fd()).map(|()| program));
        self.program = put.map_err(|error| kernel_error(tried, error))?;
        Ok(())
    }
}

impl Drop for OnMap {
    fn drop(&mut self) {
        // SAFETY: the call takes no pointers. The kernel detaches only this program
        // (`sock_map_prog_detach`).
        let _ = unsafe {
            libbpf_sys::bpf_prog_detach2(
                self.program.as_raw_fd(),
                self.map.as_raw_fd(),
                self.attach_type,
            )
        };
    }
}
