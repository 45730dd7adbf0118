//! Programs on interfaces, on netfilter hooks and on network namespaces.

use std::{
    fs::File,
    net::{TcpStream, UdpSocket},
};

use eunomia_runtime::bpf::{
    Direction, End, NetfilterHook, Program, Rank, XdpMode,
    kind::{Netfilter, Netkit, Netns, Tc, Xdp},
};

use crate::{
    Outcome,
    host::send_frame,
    row::{Row, row, unknown},
    scene::{apart, with_netkit, with_veth},
    way::Loaded,
};

pub(crate) const ROWS: &[Row] = &[
    row!("xdp (generic)", xdp, generic).within(apart),
    row!("xdp (native)", xdp, native).within(with_veth),
    row!("xdp.frags", xdp_frags, generic)
        .within(apart)
        .lacking(&[unknown((5, 18), "came with Linux 5.18")]),
    row!("tc (clsact)", tc, filter).within(apart),
    row!("tc (tcx if the kernel has it)", tc, ingress).within(apart),
    row!("tcx/ingress", tcx, ingress).within(apart),
    row!("netkit/primary", netkit_primary, primary)
        .within(with_netkit)
        .in_machines()
        .lacking(&[unknown((6, 7), "came with Linux 6.7")]),
    row!("netkit/peer", netkit_peer, peer)
        .within(with_netkit)
        .in_machines()
        .lacking(&[unknown((6, 7), "came with Linux 6.7")]),
    row!("netfilter", netfilter, hook)
        .within(apart)
        .lacking(&[unknown((6, 4), "came with Linux 6.4")]),
    row!("flow_dissector", flow_dissector, dissect).within(apart),
    row!("sk_lookup", sk_lookup, look_up).within(apart),
];

/// Sends a packet to its own socket through `lo`.
fn packet() -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.send_to(b"some bytes", socket.local_addr()?)?;
    Ok(())
}

fn generic(program: Program<'_, Xdp>, skel: &Loaded) -> Outcome {
    skel.while_there(program.attach_to("lo", XdpMode::Generic)?, packet)
}

fn native(program: Program<'_, Xdp>, skel: &Loaded) -> Outcome {
    skel.while_there(program.attach_to("a", XdpMode::Native)?, || send_frame("b"))
}

fn filter(program: Program<'_, Tc>, skel: &Loaded) -> Outcome {
    skel.while_there(program.attach_filter("lo", Direction::Egress, Rank::default())?, packet)
}

fn ingress(program: Program<'_, Tc>, skel: &Loaded) -> Outcome {
    skel.while_there(program.attach_to("lo", Direction::Ingress)?, packet)
}

fn primary(program: Program<'_, Netkit>, skel: &Loaded) -> Outcome {
    skel.while_there(program.attach_to("a", End::Primary)?, || send_frame("a"))
}

fn peer(program: Program<'_, Netkit>, skel: &Loaded) -> Outcome {
    skel.while_there(program.attach_to("a", End::Peer)?, || send_frame("b"))
}

fn hook(program: Program<'_, Netfilter>, skel: &Loaded) -> Outcome {
    let hook = NetfilterHook {
        family: libc::NFPROTO_IPV4,
        hook: libc::NF_INET_LOCAL_OUT,
        priority: 7,
        defragmented: false,
    };
    skel.while_there(program.attach_to(hook)?, packet)
}

fn namespace() -> std::io::Result<File> {
    File::open("/proc/thread-self/ns/net")
}

/// Triggers the program with a whole frame, because the kernel dissects frames.
fn dissect(program: Program<'_, Netns>, skel: &Loaded) -> Outcome {
    skel.while_there(program.attach_to(namespace()?)?, || send_frame("lo"))
}

fn look_up(program: Program<'_, Netns>, skel: &Loaded) -> Outcome {
    skel.while_there(program.attach_to(namespace()?)?, || {
        // No socket listens on the port; the kernel runs the program when it looks for one.
        _ = TcpStream::connect("127.0.0.1:7");
        Ok(())
    })
}
