//! Targets of programs that are set before loading.

use std::time::Duration;

use eunomia_runtime::{
    Skeleton,
    bpf::{Direction, Order, Rank, Target},
};
use eunomia_tests::{built::hooks, fixture};

use super::{Outcome, errno, hooks::runs, host::apart, order::sized, sockets::pair};

pub(crate) fn set_target_is_attached() -> Outcome {
    apart(|| {
        let mut open = hooks::open()?;
        let target = Target::Tc {
            interface: 1.into(),
            direction: Direction::Egress,
            rank: Rank::default(),
            order: Order::default(),
        };
        open.object().set_target("classify", target)?;
        let skel = open.load()?;
        let links = skel.object().links_each();
        assert!(links.iter().any(|(name, link)| name == "classify" && link.is_ok()), "{links:?}");
        let (from, _to) = pair()?;
        from.send(b"seen")?;
        assert_eq!(runs(&skel)?, 1);
        Ok(())
    })
}

pub(crate) fn packet_socket_is_opened() -> Outcome {
    apart(|| {
        let mut open = Skeleton::parse(&fixture("choices"), "choices")?.open()?;
        let object = open.object();
        sized(object)?;
        for name in object.programs() {
            object.program(&name)?.set_autoload(name == "packet_socket");
        }
        object.set_target("packet_socket", "socket:lo".parse()?)?;
        let skel = open.load()?.attach()?;
        let (from, to) = pair()?;
        from.send(b"seen")?;
        to.recv(&mut [0; 8])?;
        // `lo` delivers the packet to the socket when it is sent and when it is received.
        assert_eq!(skel.get("packets")?, "2");
        let loaded = skel.detach();
        from.send(b"not seen")?;
        to.recv(&mut [0; 8])?;
        assert_eq!(loaded.get("packets")?, "2");
        Ok(())
    })
}

pub(crate) fn unsuitable_targets_are_refused() -> Outcome {
    let mut open = Skeleton::parse(&fixture("choices"), "choices")?.open()?;
    for (program, target, expected) in [
        (
            "look",
            "xdp:lo",
            "target of the program `look`: the program is of type sched_cls, but the target is for programs of type xdp",
        ),
        (
            "sample",
            "kprobe:vfs_read",
            "target of the program `sample`: the program is of type perf_event, but the target is for programs of type kprobe",
        ),
        ("none", "xdp:lo", "no program `none`; known: "),
    ] {
        let refused = open.object().set_target(program, target.parse()?).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{refused}");
    }
    // The program of a kprobe section would run on entry, not on return.
    let mut hooks = hooks::open()?;
    let refused = hooks
        .object()
        .set_target("on_function", "kretprobe:vfs_read".parse()?)
        .unwrap_err()
        .to_string();
    let expected = "target of the program `on_function`: its section `kprobe` runs it at the entry of a function, but the target is the return of a function";
    assert_eq!(refused, expected);
    Ok(())
}

/// The verifier needs to know the tracepoint of a tp_btf program.
pub(crate) fn function_target_is_set() -> Outcome {
    let mut open = Skeleton::parse(&fixture("choices"), "choices")?.open()?;
    let object = open.object();
    sized(object)?;
    for name in object.programs() {
        object.program(&name)?.set_autoload(name == "enter_btf");
    }
    let refused =
        object.set_target("enter_btf", Target::Function("eunomia_none".to_owned())).unwrap_err();
    assert!(matches!(errno(&refused), Some(libc::ESRCH | libc::ENOENT)), "{refused}");
    object.set_target("enter_btf", "tp_btf:sys_exit".parse()?)?;
    let skel = open.load()?.attach()?;
    assert_eq!(skel.links().len(), 1);
    assert!(skel.poll(Duration::from_secs(5), |_| ())? > 0);
    Ok(())
}
