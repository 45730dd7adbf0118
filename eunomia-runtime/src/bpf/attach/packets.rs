//! Socket filters on a packet socket that is opened for them.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use super::Interface;
use crate::{
    Result,
    bpf::{Link, Program, kind::SocketFilter, link::Held},
    host::kernel_error,
};

impl Program<'_, SocketFilter> {
    /// Attaches the program to a packet socket that is opened for it on an interface. The program
    /// sees the packets that the interface sends and receives, with their link-layer headers, until
    /// the link is dropped. Nobody reads the packets that it passes to the socket.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) if the kernel refuses; EPERM without CAP_NET_RAW,
    /// ENODEV if the interface is not found.
    pub fn attach_to_packets(&self, interface: &Interface) -> Result<Link> {
        let failed = |error| {
            kernel_error(self.tried(&format!("the packets of the interface {interface}")), error)
        };
        let index = interface.index()?;
        let socket = packet_socket().map_err(failed)?;
        // The program is attached before the socket is bound, so that it sees every packet.
        self.attach_to(&socket)?;
        bind(&socket, index).map_err(failed)?;
        Ok(self.held(Held::Socket(socket)))
    }
}

/// Opens a socket that receives nothing until it is bound (packet(7)).
fn packet_socket() -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd as _;
    // SAFETY: the call takes no pointers.
    let socket = unsafe {
        libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0)
    };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened the descriptor, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn bind(socket: &OwnedFd, interface: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::c_ushort,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: interface.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let size = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address lives through the call, which reads only its `size` bytes.
    match unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
