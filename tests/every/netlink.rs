//! Creates pairs of interfaces over netlink, as `ip link add a type veth peer name b` does. The
//! `ip` of the virtual machines cannot.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
/// The attribute of the peer interface: `VETH_INFO_PEER` and `IFLA_NETKIT_PEER_INFO`.
const PEER: u16 = 1;
/// `struct ifinfomsg`, all zero: any family, any index, no flags.
const ANY_LINK: [u8; 16] = [0; 16];

pub(crate) fn veth(name: &str, peer: &str) -> io::Result<()> {
    add(name, "veth", peer)
}

pub(crate) fn netkit(name: &str, peer: &str) -> io::Result<()> {
    add(name, "netkit", peer)
}

/// Encodes an attribute: length, type, and the payload padded to a multiple of four bytes.
fn attribute(kind: u16, holds: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + holds.len()).expect("all are short");
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(holds);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn add(name: &str, kind: &str, peer: &str) -> io::Result<()> {
    let peer =
        [&ANY_LINK[..], &attribute(IFLA_IFNAME, &[peer.as_bytes(), b"\0"].concat())].concat();
    let info = [
        attribute(IFLA_INFO_KIND, kind.as_bytes()),
        attribute(IFLA_INFO_DATA, &attribute(PEER, &peer)),
    ]
    .concat();
    let name = attribute(IFLA_IFNAME, &[name.as_bytes(), b"\0"].concat());
    ask(libc::RTM_NEWLINK, &[&ANY_LINK[..], &name, &attribute(IFLA_LINKINFO, &info)].concat())
}

/// Sends a request and reads its acknowledgement.
fn ask(kind: u16, request: &[u8]) -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    let socket = unsafe {
        libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE)
    };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and not owned elsewhere.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let flags =
        (libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
    let len = u32::try_from(16 + request.len()).expect("it is short");
    // `struct nlmsghdr`: length, type, flags, sequence number, port.
    let mut message = len.to_ne_bytes().to_vec();
    message.extend([kind.to_ne_bytes(), flags.to_ne_bytes()].as_flattened());
    message.extend([0; 8]);
    message.extend(request);
    // SAFETY: the message outlives the call, which reads no more bytes than its length.
    let sent = unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut answer = [0_u8; 4096];
    // SAFETY: the buffer outlives the call, which writes no more bytes than its length.
    let len =
        unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
    if len < 20 {
        return Err(io::Error::last_os_error());
    }
    // `struct nlmsgerr` follows the header: a negative errno, or 0 on success.
    match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}
