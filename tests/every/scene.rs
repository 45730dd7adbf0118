//! Where a program is tried, so that it meets nothing else.

use std::{
    error::Error,
    ffi::CString,
    fs,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    process,
};

use crate::{
    Outcome,
    host::{self, cgroups, raise},
    netlink,
};

/// In a network namespace of its own.
pub(crate) fn apart(run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    host::apart(run)
}

/// As [`apart`], with a pair of interfaces `a` and `b`: what one sends the other receives.
pub(crate) fn with_veth(run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    with_pair(netlink::veth, run)
}

/// As [`apart`], with a pair of netkit interfaces: `a` is the primary one.
pub(crate) fn with_netkit(run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    with_pair(
        |name, peer| match netlink::netkit(name, peer) {
            // What the kernel says of programs for them is asked for all the same.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => netlink::veth(name, peer),
            made => made,
        },
        run,
    )
}

fn with_pair(make: fn(&str, &str) -> std::io::Result<()>, run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    apart(&|| {
        make("a", "b")?;
        // Else the kernel sends packets of its own.
        for name in ["a", "b"] {
            fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1")?;
        }
        raise("a")?;
        raise("b")?;
        run()
    })
}

/// This process in a cgroup of its own.
pub(crate) fn grouped(run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    /// Leaves it on every way out.
    struct Inside {
        group: PathBuf,
        before: PathBuf,
    }
    impl Drop for Inside {
        fn drop(&mut self) {
            _ = enter(&self.before);
            _ = fs::remove_dir(&self.group);
        }
    }
    fn enter(group: &Path) -> std::io::Result<()> {
        fs::write(group.join("cgroup.procs"), process::id().to_string())
    }
    let before = fs::read_to_string("/proc/self/cgroup")?;
    let before = before.lines().find_map(|line| line.strip_prefix("0::")).ok_or("no cgroup of version 2")?;
    let inside = Inside { group: group()?, before: cgroups()?.join(before.trim_start_matches('/')) };
    fs::create_dir(&inside.group)?;
    enter(&inside.group)?;
    run()
}

/// The cgroup of [`grouped`].
pub(crate) fn group() -> Result<PathBuf, Box<dyn Error + Send + Sync>> {
    Ok(cgroups()?.join(format!("eunomia-every-{}", process::id())))
}

/// Sends a frame, an IPv4 packet to nobody, out of an interface.
pub(crate) fn send_frame(interface: &str) -> Outcome {
    let name = CString::new(interface)?;
    // SAFETY: the name ends with a NUL and lives through the call, which only reads it.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    // SAFETY: the call takes no pointers.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: zeros are an address.
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    to.sll_family = libc::AF_PACKET as u16;
    to.sll_ifindex = index.cast_signed();
    to.sll_protocol = 0x0800_u16.to_be();
    let mut frame = [0_u8; 64];
    frame[..6].fill(0xff);
    frame[12..14].copy_from_slice(&0x0800_u16.to_be_bytes());
    // Version and length of the header, the length of the packet, UDP.
    (frame[14], frame[17], frame[23]) = (0x45, 50, 17);
    let size = size_of_val(&to) as libc::socklen_t;
    // SAFETY: the frame and the address live through the call, which reads as many bytes as they have.
    let sent = unsafe { libc::sendto(socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0, (&raw const to).cast(), size) };
    if sent < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(()) }
}
