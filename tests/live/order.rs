//! The order of the programs on one hook.

use std::fs;

use eunomia_runtime::{
    Skeleton, bpf,
    bpf::{Anchor, Direction, End, Link, Order, Program, attached_tcx, kind},
    dynamic,
};
use eunomia_tests::fixture;

use super::{
    Outcome, errno,
    hooks::Group,
    host::{apart, raise, send_frame},
    sockets::pair,
};

#[path = "../every/netlink.rs"]
#[expect(dead_code, reason = "only `every` makes pairs of other kinds")]
mod netlink;

/// Sets the sizes of the maps of `choices`.
pub(crate) fn sized(object: &mut bpf::Open) -> Result<(), eunomia_runtime::Error> {
    object.set_max_entries("counts", 16)?;
    object.set_autocreate("stacks", false)
}

/// Loads the named programs of `choices`.
fn choices(programs: &[&str]) -> Result<dynamic::Loaded, eunomia_runtime::Error> {
    let mut open = Skeleton::parse(&fixture("choices"), "choices")?.open()?;
    let object = open.object();
    sized(object)?;
    for name in object.programs() {
        object.program(&name)?.set_autoload(programs.contains(&name.as_str()));
    }
    open.load()
}

/// Sends a packet and returns true if `look` sees it. `stop` sees every packet.
fn looks(skel: &dynamic::Loaded) -> Result<bool, super::Failed> {
    sees(skel, || {
        let (from, to) = pair()?;
        from.send(b"one")?;
        to.recv(&mut [0; 8])?;
        Ok(())
    })
}

/// Calls `send`, which sends one packet, and returns true if `look` sees it.
fn sees(skel: &dynamic::Loaded, send: impl FnOnce() -> Outcome) -> Result<bool, super::Failed> {
    let count = |name: &str| -> Result<u64, super::Failed> { Ok(skel.get(name)?.parse()?) };
    let before = (count("stopped")?, count("looked")?);
    send()?;
    assert_eq!(count("stopped")? - before.0, 1);
    Ok(count("looked")? > before.1)
}

pub(crate) fn tcx_programs_run_in_order() -> Outcome {
    apart(|| {
        let skel = choices(&["stop", "look"])?;
        let (stop, look): (Program<'_, kind::Tc>, Program<'_, kind::Tc>) =
            (skel.object().typed_program("stop")?, skel.object().typed_program("look")?);
        let at = |order: Order| -> Result<Link, eunomia_runtime::Error> {
            look.attach_at("lo", Direction::Ingress, &order, None)
        };
        let stopping = stop.attach_to("lo", Direction::Ingress)?;
        let (program, link) = (Anchor::Program(stop.id()?), Anchor::Link(stopping.info()?.id));
        let pins = bpf::mount::bpffs()?;
        let pin = pins.join(format!("eunomia-order-{}", std::process::id()));
        stop.pin(&pin)?;
        let pinned = Anchor::Pinned(pin.clone());
        for (order, sees) in [
            (Order::Last, false),
            (Order::First, true),
            (Order::Before(program.clone()), true),
            (Order::After(program), false),
            (Order::Before(link.clone()), true),
            (Order::After(link), false),
            (Order::Before(pinned.clone()), true),
            (Order::After(pinned), false),
        ] {
            let text = order.to_string();
            let _looking = at(order)?;
            assert_eq!(looks(&skel)?, sees, "{text}");
        }
        fs::remove_file(&pin)?;

        let hook = attached_tcx("lo", Direction::Ingress)?;
        assert_eq!(hook.programs.iter().map(|one| one.program).collect::<Vec<_>>(), [stop.id()?]);
        assert_eq!(hook.programs[0].link, Some(stopping.info()?.id));
        let looking =
            look.attach_at("lo", Direction::Ingress, &Order::First, Some(hook.revision))?;
        let changed = look
            .attach_at("lo", Direction::Ingress, &Order::First, Some(hook.revision))
            .unwrap_err();
        assert_eq!(errno(&changed), Some(libc::ESTALE), "{changed}");
        let order: Vec<u32> = attached_tcx("lo", Direction::Ingress)?
            .programs
            .iter()
            .map(|one| one.program)
            .collect();
        assert_eq!(order, [look.id()?, stop.id()?]);
        drop(looking);

        let missing = at(Order::Before(Anchor::Program(look.id()?))).unwrap_err();
        assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
        assert!(missing.to_string().contains("order names is not attached there"), "{missing}");
        let missing = at(Order::After(Anchor::Pinned(pin))).unwrap_err();
        assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");

        // The same orders as text, set before loading.
        drop(stopping);
        for (words, sees) in [("tcx:lo/ingress", false), ("tcx:lo/ingress,first", true)] {
            let mut open = Skeleton::parse(&fixture("choices"), "choices")?.open()?;
            let object = open.object();
            sized(object)?;
            for name in object.programs() {
                object.program(&name)?.set_autoload(["stop", "look"].contains(&name.as_str()));
            }
            object.set_target("stop", "tcx:lo/ingress".parse()?)?;
            object.set_target("look", words.parse()?)?;
            let skel = open.load()?.attach()?;
            assert_eq!(skel.links().len(), 2);
            assert_eq!(looks(&skel)?, sees, "{words}");
        }
        Ok(())
    })
}

pub(crate) fn cgroup_programs_run_in_order() -> Outcome {
    let (group, skel) = (Group::new("order")?, choices(&["early", "late"])?);
    let program = |name: &str| skel.object().typed_program::<kind::Cgroup>(name);
    let _early = program("early")?.attach_to(&group.0)?;
    let _late = program("late")?.attach_at(&group.0, &Order::First, None)?;
    assert_eq!(group.reads()?, "Linux\n");
    assert_eq!(skel.get("first")?, "2");
    Ok(())
}

/// Returns true if the kernel can create pairs of netkit devices.
pub(crate) fn netkit_is_there() -> bool {
    apart(|| Ok(netlink::netkit("a", "b")?)).is_ok()
}

/// Looks as `looks` does, at a packet that is sent out of `a`.
fn looks_through_a(skel: &dynamic::Loaded) -> Result<bool, super::Failed> {
    sees(skel, || send_frame("a"))
}

pub(crate) fn netkit_programs_run_in_order() -> Outcome {
    apart(|| {
        netlink::netkit("a", "b")?;
        for name in ["a", "b"] {
            // Otherwise the kernel sends IPv6 packets of its own.
            fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1")?;
            raise(name)?;
        }
        let open = || -> Result<dynamic::Open, eunomia_runtime::Error> {
            let skeleton = Skeleton::parse(&fixture("choices"), "choices")?;
            let mut open = skeleton
                .with_program("stop", "netkit/primary")
                .with_program("look", "netkit/primary")
                .open()?;
            let object = open.object();
            sized(object)?;
            for name in object.programs() {
                object.program(&name)?.set_autoload(["stop", "look"].contains(&name.as_str()));
            }
            Ok(open)
        };
        let skel = open()?.load()?;
        let (stop, look): (Program<'_, kind::Netkit>, Program<'_, kind::Netkit>) =
            (skel.object().typed_program("stop")?, skel.object().typed_program("look")?);
        let at = |order: &Order, revision| look.attach_at("a", End::Primary, order, revision);
        let stopping = stop.attach_to("a", End::Primary)?;
        let (program, link) = (Anchor::Program(stop.id()?), Anchor::Link(stopping.info()?.id));
        for (order, expected) in [
            (Order::Last, false),
            (Order::First, true),
            (Order::Before(program.clone()), true),
            (Order::After(program), false),
            (Order::Before(link.clone()), true),
            (Order::After(link), false),
        ] {
            let _looking = at(&order, None)?;
            assert_eq!(looks_through_a(&skel)?, expected, "{order}");
        }
        let missing = at(&Order::Before(Anchor::Program(look.id()?)), None).unwrap_err();
        assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
        let changed = at(&Order::First, Some(1 << 40)).unwrap_err();
        assert_eq!(errno(&changed), Some(libc::ESTALE), "{changed}");

        // The same orders as text, set before loading.
        drop(stopping);
        for (words, expected) in [("netkit:a/primary", false), ("netkit:a/primary,first", true)] {
            let mut open = open()?;
            open.object().set_target("stop", "netkit:a/primary".parse()?)?;
            open.object().set_target("look", words.parse()?)?;
            let skel = open.load()?.attach()?;
            assert_eq!(skel.links().len(), 2);
            assert_eq!(looks_through_a(&skel)?, expected, "{words}");
        }
        Ok(())
    })
}
