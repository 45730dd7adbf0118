//! Helpers that query and set up the machine. The test `every` uses them too.

use std::{
    error::Error,
    ffi::CString,
    fs,
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::PathBuf,
    thread,
};

use super::Outcome;

/// Returns the kernel's release and the first two numbers of its version.
pub(crate) fn release() -> Result<(String, (u32, u32)), Box<dyn Error + Send + Sync>> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned();
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map_while(|digits| digits.parse().ok());
    let version =
        numbers.next().zip(numbers.next()).ok_or_else(|| format!("no version: {release}"))?;
    Ok((release, version))
}

/// Runs `f` on a thread in a new network namespace, in which `lo` is the only interface and is up.
pub(crate) fn apart(f: impl FnOnce() -> Outcome + Send) -> Outcome {
    let inside = || {
        // SAFETY: the call takes no pointers and affects this thread only.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            return Err(io::Error::last_os_error().into());
        }
        raise("lo")?;
        f()
    };
    thread::scope(|scope| scope.spawn(inside).join())
        .unwrap_or_else(|_| Err("the thread panicked".into()))
}

/// Sets an interface up.
pub(crate) fn raise(interface: &str) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: all zeros is a valid `ifreq`, with an empty name and no flags.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the request outlives the call, which accesses no more than the type.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Returns the mount point of cgroup version 2.
pub(crate) fn cgroups() -> Result<PathBuf, Box<dyn Error + Send + Sync>> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut words = mounts.lines().map(|line| line.split(' ').skip(1));
    let found =
        words.find_map(|mut words| words.next().filter(|_| words.next() == Some("cgroup2")));
    Ok(found.ok_or("no file system of type cgroup2 is mounted")?.into())
}

/// Sends data over a connection that uses this congestion control.
pub(crate) fn connect_under(control: &str) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    let name = CString::new(control)?;
    let size = libc::socklen_t::try_from(control.len())?;
    // SAFETY: the name outlives the call, which reads no more bytes than its length.
    let set = unsafe {
        libc::setsockopt(
            client.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            name.as_ptr().cast(),
            size,
        )
    };
    if set != 0 {
        return Err(io::Error::last_os_error().into());
    }
    for _ in 0..10 {
        client.write_all(b"some bytes")?;
        server.read_exact(&mut [0; 10])?;
    }
    Ok(())
}

/// Sends a frame with an IPv4 packet out of an interface. No host has its address.
pub(crate) fn send_frame(interface: &str) -> Outcome {
    let name = CString::new(interface)?;
    // SAFETY: the name ends with a NUL and outlives the call, which only reads it.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    // SAFETY: the call takes no pointers.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: the descriptor is new and not owned elsewhere.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: all zeros is a valid address.
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    to.sll_family = libc::AF_PACKET as u16;
    to.sll_ifindex = index.cast_signed();
    to.sll_protocol = 0x0800_u16.to_be();
    let mut frame = [0_u8; 64];
    frame[..6].fill(0xff);
    frame[12..14].copy_from_slice(&0x0800_u16.to_be_bytes());
    // Version and length of the header, length of the packet, protocol UDP.
    (frame[14], frame[17], frame[23]) = (0x45, 50, 17);
    let size = size_of_val(&to) as libc::socklen_t;
    // SAFETY: the frame and the address outlive the call, which reads no more bytes than their
    // sizes.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const to).cast(),
            size,
        )
    };
    if sent < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(()) }
}
