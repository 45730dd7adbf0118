//! Programs attached to a cgroup; a process in the cgroup makes them run.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::net::{UnixDatagram, UnixListener, UnixStream},
};

use eunomia_runtime::bpf::{Program, kind::Cgroup};

use crate::{
    Outcome,
    row::{Lacking, Row, row, unknown},
    scene::{group, grouped},
    way::Loaded,
};

/// The rows of programs that are attached in the same way, each with the trigger that makes it run.
macro_rules! rows {
    ($($section:literal $program:ident $trigger:ident $($with:ident)?;)*) => {
        pub(crate) const ROWS: &[Row] = &[$(
            row!($section, $program, (|program: Program<'_, Cgroup>, skel: &Loaded| {
                skel.while_there(program.attach_to(group()?)?, $trigger)
            })).within(grouped)$(.$with())?
        ),*];
    };
}

rows! {
    "cgroup_skb/ingress" cgroup_ingress packet;
    "cgroup_skb/egress" cgroup_egress packet;
    "cgroup/skb" cgroup_skb packet;
    "cgroup/sock_create" sock_create bind_v4;
    "cgroup/sock_release" sock_release bind_v4;
    "cgroup/post_bind4" post_bind4 bind_v4;
    "cgroup/post_bind6" post_bind6 bind_v6;
    "cgroup/bind4" bind4 bind_v4;
    "cgroup/bind6" bind6 bind_v6;
    "cgroup/connect4" connect4 connect_v4;
    "cgroup/connect6" connect6 connect_v6;
    "cgroup/connect_unix" connect_unix connect_local named_by_paths;
    "cgroup/sendmsg4" sendmsg4 packet;
    "cgroup/sendmsg6" sendmsg6 packet_v6;
    "cgroup/sendmsg_unix" sendmsg_unix packet_local named_by_paths;
    "cgroup/recvmsg4" recvmsg4 packet;
    "cgroup/recvmsg6" recvmsg6 packet_v6;
    "cgroup/recvmsg_unix" recvmsg_unix packet_local named_by_paths;
    "cgroup/getpeername4" getpeername4 connect_v4;
    "cgroup/getpeername6" getpeername6 connect_v6;
    "cgroup/getpeername_unix" getpeername_unix connect_local named_by_paths;
    "cgroup/getsockname4" getsockname4 connect_v4;
    "cgroup/getsockname6" getsockname6 connect_v6;
    "cgroup/getsockname_unix" getsockname_unix connect_local named_by_paths;
    "cgroup/sysctl" sysctl read_setting;
    "cgroup/getsockopt" getsockopt options;
    "cgroup/setsockopt" setsockopt options;
    "cgroup/dev" device open_device;
    "sockops" sockops connect_v4;
    "lsm_cgroup" lsm_cgroup bind_v4 of_lsm;
}

impl Row {
    /// Programs for addresses of UNIX sockets, which Linux 6.7 added.
    const fn named_by_paths(self) -> Row {
        const LACKING: &[Lacking] = &[unknown((6, 7), "came with Linux 6.7")];
        self.lacking(LACKING)
    }

    const fn of_lsm(self) -> Row {
        const LACKING: &[Lacking] = &[unknown((6, 0), "came with Linux 6.0")];
        self.in_machines().lacking(LACKING)
    }
}

fn packet() -> Outcome {
    datagram(([127, 0, 0, 1], 0).into())
}

fn packet_v6() -> Outcome {
    datagram(([0, 0, 0, 0, 0, 0, 0, 1], 0).into())
}

fn datagram(address: SocketAddr) -> Outcome {
    let socket = UdpSocket::bind(address)?;
    socket.send_to(b"some bytes", socket.local_addr()?)?;
    socket.recv_from(&mut [0; 10])?;
    Ok(())
}

fn packet_local() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (from, to) = (
        UnixDatagram::bind(folder.path().join("from"))?,
        UnixDatagram::bind(folder.path().join("to"))?,
    );
    from.send_to(b"some bytes", folder.path().join("to"))?;
    to.recv_from(&mut [0; 10])?;
    Ok(())
}

fn bind_v4() -> Outcome {
    Ok(UdpSocket::bind("127.0.0.1:0").map(drop)?)
}

fn bind_v6() -> Outcome {
    Ok(UdpSocket::bind("[::1]:0").map(drop)?)
}

fn connect_v4() -> Outcome {
    connect(([127, 0, 0, 1], 0).into())
}

fn connect_v6() -> Outcome {
    connect(([0, 0, 0, 0, 0, 0, 0, 1], 0).into())
}

/// Connects, and asks for the addresses of both ends.
fn connect(address: SocketAddr) -> Outcome {
    let listener = TcpListener::bind(address)?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (_server, _) = listener.accept()?;
    client.peer_addr()?;
    client.local_addr()?;
    Ok(())
}

fn connect_local() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path)?;
    let client = UnixStream::connect(&path)?;
    client.peer_addr()?;
    // The client has no name, so the listener is asked.
    listener.local_addr()?;
    Ok(())
}

fn read_setting() -> Outcome {
    Ok(fs::read("/proc/sys/kernel/ostype").map(drop)?)
}

fn options() -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_ttl(socket.ttl()?)?;
    Ok(())
}

fn open_device() -> Outcome {
    Ok(fs::File::open("/dev/null").map(drop)?)
}
