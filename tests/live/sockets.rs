//! Programs on sockets, which belong to the test.

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use eunomia_tests::built::hooks;

use super::{Outcome, errno, hooks::runs, host::apart};

/// Opens two UDP sockets on `lo`, the first of which is connected to the second.
pub(crate) fn pair() -> Result<(UdpSocket, UdpSocket), std::io::Error> {
    let (from, to) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    from.connect(to.local_addr()?)?;
    to.set_read_timeout(Some(Duration::from_millis(200)))?;
    Ok((from, to))
}

pub(crate) fn socket_filter_attaches_and_detaches() -> Outcome {
    let skel = hooks::open()?.load()?;
    let program = skel.progs()?.take;
    let (from, to) = pair()?;
    program.attach_to(&to)?;
    from.send(b"seen")?;
    to.recv(&mut [0; 8])?;
    assert_eq!(runs(&skel)?, 1);
    program.detach_from(&to)?;
    from.send(b"not seen")?;
    to.recv(&mut [0; 8])?;
    assert_eq!(runs(&skel)?, 0);
    let missing = program.detach_from(&to).unwrap_err();
    assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
    let no_socket = program.attach_to(fs::File::open("/dev/null")?).unwrap_err();
    assert!(
        no_socket
            .to_string()
            .starts_with("attach the program `take` to a socket: Socket operation on non-socket"),
        "{no_socket}"
    );
    Ok(())
}

pub(crate) fn sk_reuseport_attaches_and_detaches() -> Outcome {
    let skel = hooks::open()?.load()?;
    let program = skel.progs()?.choose;
    // SAFETY: the call takes no pointers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0) };
    assert!(socket >= 0);
    // SAFETY: the descriptor is new and not owned elsewhere.
    let to = unsafe { <UdpSocket as std::os::fd::FromRawFd>::from_raw_fd(socket) };
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of_val(&on))?;
    // SAFETY: the value outlives the call, which reads no more bytes than its size.
    let set = unsafe {
        libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, (&raw const on).cast(), size)
    };
    assert_eq!(set, 0);
    let any: libc::sockaddr_in = libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET)?,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    };
    // SAFETY: the address outlives the call, which reads no more bytes than its size.
    let bound = unsafe {
        libc::bind(socket, (&raw const any).cast(), libc::socklen_t::try_from(size_of_val(&any))?)
    };
    assert_eq!(bound, 0);
    program.attach_to(&to)?;
    let from = UdpSocket::bind("127.0.0.1:0")?;
    from.send_to(b"seen", to.local_addr()?)?;
    to.recv(&mut [0; 8])?;
    assert_eq!(runs(&skel)?, 1);
    program.detach_from(&to)?;
    from.send_to(b"not seen", to.local_addr()?)?;
    to.recv(&mut [0; 8])?;
    assert_eq!(runs(&skel)?, 0);
    Ok(())
}

pub(crate) fn sockmap_programs_see_sockets() -> Outcome {
    let skel = hooks::open()?.load()?;
    let (maps, progs) = (skel.maps()?, skel.progs()?);
    let receiving = progs.receive.attach_to(maps.sockets.as_map())?;
    let sending = progs.send.attach_to(maps.sockets.as_map())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    server.set_read_timeout(Some(Duration::from_secs(5)))?;
    maps.sockets.insert(&1, &client)?;
    maps.sockets.insert(&2, &server)?;
    client.write_all(b"both see it")?;
    let mut text = [0; 11];
    server.read_exact(&mut text)?;
    assert_eq!(&text, b"both see it");
    assert_eq!(runs(&skel)?, 2);
    drop(sending);
    // Sockets that are already in the map keep the program.
    client.write_all(b"both see it")?;
    server.read_exact(&mut text)?;
    assert_eq!(runs(&skel)?, 2);
    for (key, socket) in [(1, &client), (2, &server)] {
        assert!(maps.sockets.remove(&key)?);
        maps.sockets.insert(&key, socket)?;
    }
    client.write_all(b"one sees it")?;
    server.read_exact(&mut text)?;
    assert_eq!((&text, runs(&skel)?), (b"one sees it", 1));
    drop(receiving);
    let wrong = progs.send.attach_to(maps.table.as_map()).map(drop).unwrap_err();
    assert!(
        wrong.to_string().starts_with("attach the program `send` to the map `table`: "),
        "{wrong}"
    );
    let mut link = progs.send.attach_to(maps.sockets.as_map())?;
    let pinned = link.pin("/sys/fs/bpf/eunomia").unwrap_err();
    assert!(pinned.to_string().ends_with("the kernel has no link for this attachment"), "{pinned}");
    Ok(())
}

pub(crate) fn sk_lookup_attaches_to_namespace() -> Outcome {
    apart(|| {
        let skel = hooks::open()?.load()?;
        let program = skel.progs()?.look_up;
        let link = program.attach_to(fs::File::open("/proc/thread-self/ns/net")?)?;
        assert_eq!(
            TcpStream::connect("127.0.0.1:7").unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
        assert_eq!(runs(&skel)?, 1);
        drop(link);
        TcpStream::connect("127.0.0.1:7").unwrap_err();
        assert_eq!(runs(&skel)?, 0);
        Ok(())
    })
}
