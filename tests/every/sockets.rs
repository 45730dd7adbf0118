//! Programs on sockets and on maps of sockets.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::Duration,
};

use eunomia_runtime::bpf::{
    FdMap, Program,
    kind::{SkReuseport, SocketFilter, SocketMap},
};

use crate::{
    Outcome,
    row::{Lacking, NOTHING, Row, row, unknown},
    way::Loaded,
};

pub(crate) const ROWS: &[Row] = &[
    row!("socket", socket, filter),
    row!("sk_reuseport", sk_reuseport, choose),
    // Kernels without the attach type load the program as a plain sk_reuseport program, which is
    // not called on migration.
    row!("sk_reuseport/migrate", sk_reuseport_migrate, migrate).lacking(&[Lacking {
        before: (5, 14),
        says: NOTHING,
        why: "came with Linux 5.14",
    }]),
    row!("sk_skb/stream_verdict", stream_verdict, receive),
    Row::new("sk_skb/stream_parser", &["stream_parser", "stream_verdict"], |way| {
        let skel = way.load(&["stream_parser", "stream_verdict"])?;
        parse(skel.program("stream_parser")?, &skel.program("stream_verdict")?, &skel)
    }),
    row!("sk_skb/verdict", verdict, receive).lacking(&[unknown((5, 13), "came with Linux 5.13")]),
    row!("sk_skb", sk_skb, receive),
    row!("sk_msg", sk_msg, receive),
];

fn filter(program: Program<'_, SocketFilter>, skel: &Loaded) -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let send = || -> Outcome {
        socket.send_to(b"some bytes", socket.local_addr()?)?;
        Ok(())
    };
    program.attach_to(&socket)?;
    send()?;
    skel.seen()?;
    program.detach_from(&socket)?;
    send()?;
    skel.quiet()
}

/// Opens a socket with SO_REUSEPORT, bound to `port` on 127.0.0.1 (0: any port).
fn sharing(kind: libc::c_int, port: u16) -> Result<OwnedFd, std::io::Error> {
    // SAFETY: the call takes no pointers.
    let socket = unsafe { libc::socket(libc::AF_INET, kind | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and not owned elsewhere.
    let owned = unsafe { OwnedFd::from_raw_fd(socket) };
    let on: libc::c_int = 1;
    let size = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the value outlives the call, which reads no more bytes than its size.
    let set = unsafe {
        libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, (&raw const on).cast(), size)
    };
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    };
    let size = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address outlives the call, which reads no more bytes than its size.
    let bound = unsafe { libc::bind(socket, (&raw const address).cast(), size) };
    // SAFETY: the call takes no pointers.
    let listens = kind != libc::SOCK_STREAM || unsafe { libc::listen(socket, 8) } == 0;
    if set != 0 || bound != 0 || !listens {
        Err(std::io::Error::last_os_error())
    } else {
        Ok(owned)
    }
}

fn choose(program: Program<'_, SkReuseport>, skel: &Loaded) -> Outcome {
    let (from, to) =
        (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::from(sharing(libc::SOCK_DGRAM, 0)?));
    let send = || -> Outcome {
        from.send_to(b"some bytes", to.local_addr()?)?;
        Ok(())
    };
    program.attach_to(&to)?;
    send()?;
    skel.seen()?;
    program.detach_from(&to)?;
    send()?;
    skel.quiet()
}

/// Closes a listener with a pending connection, which migrates to another listener on the port.
fn migrate(program: Program<'_, SkReuseport>, skel: &Loaded) -> Outcome {
    let listeners = || -> Result<[TcpListener; 2], std::io::Error> {
        let first = TcpListener::from(sharing(libc::SOCK_STREAM, 0)?);
        let port = first.local_addr()?.port();
        Ok([first, TcpListener::from(sharing(libc::SOCK_STREAM, port)?)])
    };
    // Closes the listener that has the pending connection.
    let close = |[first, second]: [TcpListener; 2]| -> Outcome {
        let _client = TcpStream::connect(first.local_addr()?)?;
        let at = |listener: &TcpListener| libc::pollfd {
            fd: listener.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let mut waiting = [at(&first), at(&second)];
        // SAFETY: the array has two entries, as the call is told, and outlives it.
        unsafe { libc::poll(waiting.as_mut_ptr(), 2, 5000) };
        // Discards the runs that chose a listener for the new connection.
        skel.forget()?;
        match waiting.map(|place| place.revents != 0) {
            [true, false] => drop(first),
            [false, true] => drop(second),
            both => return Err(format!("pending at the listeners: {both:?}").into()),
        }
        Ok(())
    };
    let attached = listeners()?;
    program.attach_to(&attached[0])?;
    close(attached)?;
    skel.seen()?;
    let detached = listeners()?;
    program.attach_to(&detached[0])?;
    program.detach_from(&detached[0])?;
    close(detached)?;
    skel.quiet()
}

/// A connection through `lo`, both ends of which are put into the map of sockets.
struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Connection {
    fn new() -> Result<Connection, std::io::Error> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        server.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Connection { client, server })
    }

    /// Puts both ends into the map again: the programs of a socket are decided when it is inserted.
    fn enter(&self, skel: &Loaded) -> Outcome {
        let sockets: FdMap<'_, i32> = skel.map("sockets")?;
        for (key, socket) in [(1, self.client.as_raw_fd()), (2, self.server.as_raw_fd())] {
            sockets.remove(&key)?;
            // SAFETY: the socket is owned by `self`, which outlives the borrow.
            sockets.insert(&key, unsafe { std::os::fd::BorrowedFd::borrow_raw(socket) })?;
        }
        Ok(())
    }

    fn send(&self) -> Outcome {
        (&self.client).write_all(b"some bytes")?;
        (&self.server).read_exact(&mut [0; 10])?;
        Ok(())
    }
}

fn receive(program: Program<'_, SocketMap>, skel: &Loaded) -> Outcome {
    let connection = Connection::new()?;
    let map = skel.object().map("sockets")?;
    let link = program.attach_to(&map)?;
    connection.enter(skel)?;
    connection.send()?;
    skel.seen()?;
    drop(link);
    connection.enter(skel)?;
    connection.send()?;
    skel.quiet()
}

/// Attaches a parser, which finds the ends of messages for the verdict program.
fn parse(
    parser: Program<'_, SocketMap>,
    verdict: &Program<'_, SocketMap>,
    skel: &Loaded,
) -> Outcome {
    let connection = Connection::new()?;
    let map = skel.object().map("sockets")?;
    let _verdict = verdict.attach_to(&map)?;
    connection.enter(skel)?;
    connection.send()?;
    let alone = skel.seen()?;
    let link = parser.attach_to(&map)?;
    connection.enter(skel)?;
    connection.send()?;
    let both = skel.seen()?;
    if both <= alone {
        return Err(format!("{both} events with the parser, {alone} without").into());
    }
    drop(link);
    connection.enter(skel)?;
    connection.send()?;
    let after = skel.seen()?;
    if after == alone {
        Ok(())
    } else {
        Err(format!("{after} events after the parser, {alone} before").into())
    }
}
