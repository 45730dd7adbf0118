//! What programs are attached to by hand, one test for each kind. Every program counts its runs. Interfaces are those of a network namespace
//! of the test's own, sockets and cgroups its own too, and what the whole machine passes through is told apart by the process.

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    process::{Command, Stdio},
    time::Duration,
};

use eunomia_runtime::{
    Skeleton, bpf,
    bpf::{Anchor, Direction, Functions, Link, NetfilterHook, Order, Program, Rank, Target, TestInput, attached_tcx, kind},
    dynamic,
    sample::{CharArray, KernelPtr},
};
use eunomia_tests::{
    built::{congestion, every, hooks},
    fixture,
};

use super::{
    Outcome, errno,
    host::{apart, cgroups, connect_under},
    needs::Machine,
};

/// Two UDP sockets on `lo`, the first of which sends to the second.
pub(crate) fn pair() -> Result<(UdpSocket, UdpSocket), std::io::Error> {
    let (from, to) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    from.connect(to.local_addr()?)?;
    to.set_read_timeout(Some(Duration::from_millis(200)))?;
    Ok((from, to))
}

/// How often programs ran since the last time.
pub(crate) fn runs(skel: &hooks::Loaded) -> Result<u64, eunomia_runtime::Error> {
    let bss = skel.bss()?;
    let runs = bss.runs.get()?;
    bss.runs.set(0)?;
    Ok(runs)
}

pub(crate) fn a_filter_of_a_socket() -> Outcome {
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
    assert!(no_socket.to_string().starts_with("attach the program `take` to a socket: Socket operation on non-socket"), "{no_socket}");
    Ok(())
}

pub(crate) fn a_choice_among_sockets_of_a_port() -> Outcome {
    let skel = hooks::open()?.load()?;
    let program = skel.progs()?.choose;
    // SAFETY: the call takes no pointers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0) };
    assert!(socket >= 0);
    // SAFETY: the descriptor is new and nobody else's.
    let to = unsafe { <UdpSocket as std::os::fd::FromRawFd>::from_raw_fd(socket) };
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of_val(&on))?;
    // SAFETY: the value lives through the call, which reads as many bytes as it has.
    let set = unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, (&raw const on).cast(), size) };
    assert_eq!(set, 0);
    let any: libc::sockaddr_in = libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET)?,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    };
    // SAFETY: the address lives through the call, which reads as many bytes as it has.
    let bound = unsafe { libc::bind(socket, (&raw const any).cast(), libc::socklen_t::try_from(size_of_val(&any))?) };
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

pub(crate) fn the_sockets_of_a_map() -> Outcome {
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
    // What is in the map already keeps the program.
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
    assert!(wrong.to_string().starts_with("attach the program `send` to the map `table`: "), "{wrong}");
    let mut link = progs.send.attach_to(maps.sockets.as_map())?;
    let pinned = link.pin("/sys/fs/bpf/eunomia").unwrap_err();
    assert!(pinned.to_string().ends_with("the kernel has no link for it that could be pinned"), "{pinned}");
    Ok(())
}

/// A cgroup of the test's own, removed behind it.
pub(crate) struct Group(pub(crate) String);

impl Group {
    pub(crate) fn new(name: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let folder = format!("{}/eunomia-{name}-{}", cgroups()?.display(), std::process::id());
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    /// What a process in it reads of `/proc/sys`.
    pub(crate) fn reads(&self) -> Result<String, std::io::Error> {
        let script = "echo $$ > \"$0/cgroup.procs\" && exec cat /proc/sys/kernel/ostype";
        Command::new("sh").args(["-c", script, &self.0]).output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel lets go of a process a moment after it has ended.
        while fs::remove_dir(&self.0).is_err_and(|error| error.kind() == ErrorKind::ResourceBusy) {}
    }
}

pub(crate) fn the_processes_of_a_cgroup() -> Outcome {
    let (group, skel) = (Group::new("processes")?, hooks::open()?.load()?);
    let link = skel.progs()?.read_sysctl.attach_to(&group.0)?;
    assert_eq!(group.reads()?, "Linux\n");
    assert!(runs(&skel)? > 0);
    drop(link);
    assert_eq!(group.reads()?, "Linux\n");
    assert_eq!(runs(&skel)?, 0);
    let missing = skel.progs()?.read_sysctl.attach_to("/none").unwrap_err();
    assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
    let other = skel.progs()?.read_sysctl.attach_to("/proc").unwrap_err();
    assert_eq!(errno(&other), Some(libc::EBADF), "{other}");
    Ok(())
}

pub(crate) fn a_network_namespace() -> Outcome {
    apart(|| {
        let skel = hooks::open()?.load()?;
        let program = skel.progs()?.look_up;
        let link = program.attach_to(fs::File::open("/proc/thread-self/ns/net")?)?;
        assert_eq!(TcpStream::connect("127.0.0.1:7").unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(runs(&skel)?, 1);
        drop(link);
        TcpStream::connect("127.0.0.1:7").unwrap_err();
        assert_eq!(runs(&skel)?, 0);
        Ok(())
    })
}

pub(crate) fn a_hook_of_netfilter() -> Outcome {
    apart(|| {
        let mut open = hooks::open()?;
        open.progs().filter()?.set_autoload(true);
        let skel = open.load()?;
        let program = skel.progs()?.filter;
        let hook = NetfilterHook { family: libc::NFPROTO_IPV4, hook: libc::NF_INET_LOCAL_OUT, priority: 7, defragmented: false };
        let link = program.attach_to(hook)?;
        let (from, to) = pair()?;
        from.send(b"seen")?;
        to.recv(&mut [0; 8])?;
        assert_eq!(runs(&skel)?, 1);
        drop(link);
        from.send(b"not seen")?;
        assert_eq!(runs(&skel)?, 0);
        // The kernel takes a context of an IPv4 hook, and gives none back.
        let (mut context, mut packet) = ([0; 48], [0; 64]);
        (context[1], packet[12], packet[14]) = (libc::NFPROTO_IPV4 as u8, 8, 0x45);
        assert!(program.test(&TestInput::new().context(&context).data(&packet))?.context.is_empty());
        let wrong = program.attach_to(NetfilterHook { priority: i32::MIN, ..hook }).unwrap_err();
        assert!(
            wrong.to_string().starts_with("attach the program `filter` to the IPv4 hook 3 of netfilter with the priority -2147483648"),
            "{wrong}"
        );
        Ok(())
    })
}

pub(crate) fn filters_of_an_interface() -> Outcome {
    apart(|| {
        let skel = hooks::open()?.load()?;
        let program = skel.progs()?.classify;
        let rank = Rank { handle: 1, priority: 5 };
        let first = program.attach_filter("lo", Direction::Egress, rank)?;
        let second = program.attach_filter("lo", Direction::Ingress, Rank::default())?;
        let twice = program.attach_filter("lo", Direction::Egress, rank).unwrap_err();
        assert_eq!(errno(&twice), Some(libc::EEXIST), "{twice}");
        let (from, to) = pair()?;
        from.send(b"both")?;
        to.recv(&mut [0; 8])?;
        assert_eq!(runs(&skel)?, 2);
        drop(first);
        from.send(b"one")?;
        to.recv(&mut [0; 8])?;
        assert_eq!(runs(&skel)?, 1);

        // What stands in its place when the link goes is not its own and stays.
        let other = hooks::open()?.load()?;
        let link = program.attach_filter("lo", Direction::Egress, rank)?;
        remove_filters_of_lo()?;
        let theirs = other.progs()?.classify.attach_filter("lo", Direction::Egress, rank)?;
        drop((link, second));
        from.send(b"theirs")?;
        to.recv(&mut [0; 8])?;
        assert_eq!((runs(&skel)?, runs(&other)?), (0, 1));
        drop(theirs);
        Ok(())
    })
}

/// Removes what anyone has attached to `lo`, with the discipline that holds it.
pub(crate) fn remove_filters_of_lo() -> Outcome {
    let hook = libbpf_rs::libbpf_sys::bpf_tc_hook {
        sz: size_of::<libbpf_rs::libbpf_sys::bpf_tc_hook>() as _,
        ifindex: 1,
        attach_point: libbpf_rs::libbpf_sys::BPF_TC_INGRESS | libbpf_rs::libbpf_sys::BPF_TC_EGRESS,
        ..Default::default()
    };
    // SAFETY: the hook lives through the call.
    let removed = unsafe { libbpf_rs::libbpf_sys::bpf_tc_hook_destroy((&raw const hook).cast_mut()) };
    if removed == 0 { Ok(()) } else { Err(std::io::Error::from_raw_os_error(-removed).into()) }
}

/// Through tcx, or as a filter where the kernel has no tcx: nobody sees a difference.
pub(crate) fn an_interface() -> Outcome {
    apart(|| {
        let skel = hooks::open()?.load()?;
        let link = skel.progs()?.classify.attach_to("lo", Direction::Egress)?;
        let (from, to) = pair()?;
        from.send(b"seen")?;
        to.recv(&mut [0; 8])?;
        assert_eq!(runs(&skel)?, 1);
        drop(link);
        from.send(b"not seen")?;
        assert_eq!(runs(&skel)?, 0);
        Ok(())
    })
}

pub(crate) fn tracepoints_by_name() -> Outcome {
    let skel = hooks::open()?.load()?;
    let progs = skel.progs()?;
    let links = [progs.on_exec.attach_to("sched", "sched_process_exec", 0)?, progs.on_raw_exec.attach_to("sched_process_exec", 0)?];
    // The program runs as the child, which waits until its number is known.
    let ran = || -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        let mut child = Command::new("sh");
        let mut child = child.args(["-c", "echo; read line; exec /bin/sh -c :"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        child.stdout.take().ok_or("no output")?.read_exact(&mut [0])?;
        skel.bss()?.wanted_tgid.set(child.id().cast_signed())?;
        drop(child.stdin.take());
        child.wait()?;
        Ok(runs(&skel)?)
    };
    assert_eq!(ran()?, 2);
    drop(links);
    assert_eq!(ran()?, 0);
    match progs.on_raw_exec.attach_to("sched_process_exec", 5) {
        Err(refused) if Machine::this().is_before(6, 10) => {
            assert!(refused.to_string().contains("hint: cookies of raw tracepoints came with Linux 6.10, this is "), "{refused}");
        }
        link => drop(link?),
    }
    let missing = progs.on_exec.attach_to("sched", "none", 0).unwrap_err();
    assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
    let missing = progs.on_raw_exec.attach_to("none", 0).unwrap_err();
    assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
    Ok(())
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eunomia_live_many_a(number: u64) -> u64 {
    std::hint::black_box(number)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eunomia_live_many_b(number: u64) -> u64 {
    std::hint::black_box(number) + 1
}

pub(crate) fn many_functions_of_this_program() -> Outcome {
    let mut open = hooks::open()?;
    open.progs().on_calls()?.set_autoload(true);
    open.bss()?.wanted_tgid.set(std::process::id().cast_signed())?;
    let skel = open.load()?;
    let program = skel.progs()?.on_calls;
    let call = || (eunomia_live_many_a(0), eunomia_live_many_b(0), eunomia_live_many_b(0));
    let named = [("eunomia_live_many_a", 100), ("eunomia_live_many_b", 1)];
    let link = program.attach_to("/proc/self/exe", Functions::Named(&named), Some(std::process::id()))?;
    call();
    assert_eq!((runs(&skel)?, skel.bss()?.cookies.get()?), (3, 102));
    drop(link);
    let link = program.attach_to("/proc/self/exe", Functions::Matching("eunomia_live_many_?"), None)?;
    call();
    assert_eq!(runs(&skel)?, 3);
    drop(link);
    call();
    assert_eq!(runs(&skel)?, 0);
    let none = program.attach_to("/proc/self/exe", Functions::Matching("eunomia_none_*"), None).unwrap_err();
    assert_eq!(errno(&none), Some(libc::ENOENT), "{none}");
    Ok(())
}

pub(crate) fn a_walk_over_a_map() -> Outcome {
    let skel = hooks::open()?.load()?;
    let (maps, progs) = (skel.maps()?, skel.progs()?);
    let mut text = String::new();
    progs.list.walk_map(maps.table.as_map())?.read_to_string(&mut text)?;
    assert_eq!(text, "");
    for key in 1..=3 {
        maps.table.insert(&key, &(i64::from(key) * 10))?;
    }
    progs.list.walk_map(maps.table.as_map())?.read_to_string(&mut text)?;
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["1: 10", "2: 20", "3: 30"]);
    let wrong = progs.list.walk_map(maps.sockets.as_map()).map(drop).unwrap_err();
    assert!(wrong.to_string().starts_with("attach the program `list` to a walk over the map `sockets`: "), "{wrong}");
    Ok(())
}

pub(crate) fn a_program_that_is_only_run() -> Outcome {
    let mut open = hooks::open()?;
    open.progs().called()?.set_autoload(true);
    let skel = open.load()?;
    assert_eq!(skel.progs()?.called.test_run(None, None)?.return_value, 42);
    assert_eq!(runs(&skel)?, 1);
    // Attaching everything does not stumble over it.
    assert!(!skel.object().links_each().iter().any(|(name, _)| name == "called"));
    Ok(())
}

pub(crate) fn known_controls() -> Result<String, std::io::Error> {
    fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control")
}

pub(crate) fn a_table_of_the_kernels_functions() -> Outcome {
    let skel = congestion::open()?.load()?;
    let table = skel.maps()?.steady;
    let link = table.attach()?;
    assert!(known_controls()?.contains("eunomia_steady"));
    let twice = table.attach().unwrap_err();
    assert!(twice.to_string().starts_with("attach the map `steady`: "), "{twice}");
    connect_under("eunomia_steady")?;
    assert!(skel.bss()?.acknowledged.get()? > 0);
    drop(link);
    assert!(!known_controls()?.contains("eunomia_steady"));

    // Attaching everything attaches it too, typed and dynamic.
    let attached = congestion::open()?.load()?.attach()?;
    assert!(known_controls()?.contains("eunomia_steady"));
    drop(attached);
    let attached = Skeleton::parse(&fixture("congestion"), "congestion")?.open()?.load()?.attach()?;
    assert!(known_controls()?.contains("eunomia_steady"));
    drop(attached);
    assert!(!known_controls()?.contains("eunomia_steady"));
    Ok(())
}

pub(crate) fn members_of_a_table() -> Outcome {
    let mut open = congestion::open()?;
    let mut tables = open.tables();
    let mut steady = tables.steady();
    let members = steady.members()?;
    let mut ops = members.get()?;
    assert_eq!(ops.name, "eunomia_steady");
    // `cong_avoid` is among those that the kernel must have, so it refuses the table.
    ops.cong_avoid = KernelPtr::default();
    ops.name = CharArray::new("eunomia_other")?;
    members.set(ops)?;
    let skel = open.load()?;
    let refused = skel.maps()?.steady.attach().unwrap_err();
    assert_eq!(errno(&refused), Some(libc::EINVAL), "{refused}");

    let mut open = congestion::open()?;
    let members = open.object().table::<congestion::types::TcpCongestionOps>("steady")?;
    members.set(congestion::types::TcpCongestionOps { name: CharArray::new("eunomia_other")?, ..members.get()? })?;
    let skel = open.load()?;
    let link = skel.maps()?.steady.attach()?;
    let known = known_controls()?;
    assert!(known.contains("eunomia_other") && !known.contains("eunomia_steady"), "{known}");
    connect_under("eunomia_other")?;
    assert!(skel.bss()?.acknowledged.get()? > 0);
    drop(link);

    let mut open = congestion::open()?;
    let small = open.object().table::<[u8; 4096]>("steady").unwrap_err();
    assert!(small.to_string().starts_with("steady"), "{small}");
    let mut open = hooks::open()?;
    let no_table = open.object().table::<u32>("table").unwrap_err();
    assert_eq!(no_table.to_string(), "map `table`: it is no table of functions (BPF_MAP_TYPE_STRUCT_OPS)");
    Ok(())
}

/// One that is asked for is made, its programs are loaded, and nothing else of the section.
pub(crate) fn a_table_that_is_asked_for() -> Outcome {
    let mut open = every::open()?;
    open.tables().congestion().set_autocreate(true)?;
    let skel = open.load()?;
    let not_made = skel.maps()?.congestion_link.attach().unwrap_err();
    assert_eq!(not_made.to_string(), "map `congestion_link`: its creation was switched off, so it is not in the kernel");
    let link = skel.maps()?.congestion.attach()?;
    assert!(known_controls()?.contains("eunomia_every"));
    drop(link);
    Ok(())
}

pub(crate) fn targets_that_are_set_while_open() -> Outcome {
    apart(|| {
        let mut open = hooks::open()?;
        let target = Target::Tc { interface: 1.into(), direction: Direction::Egress, rank: Rank::default(), order: Order::default() };
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

/// Gives the maps of `choices` a size.
fn sized(object: &mut bpf::Open) -> Result<(), eunomia_runtime::Error> {
    object.set_max_entries("counts", 16)?;
    object.set_autocreate("stacks", false)
}

/// The programs of `choices` that are named, loaded.
fn choices(programs: &[&str]) -> Result<dynamic::Loaded, eunomia_runtime::Error> {
    let mut open = Skeleton::parse(&fixture("choices"), "choices")?.open()?;
    let object = open.object();
    sized(object)?;
    for name in object.programs() {
        object.program(&name)?.set_autoload(programs.contains(&name.as_str()));
    }
    open.load()
}

/// Whether `look` sees a packet, of which `stop` sees each.
fn looks(skel: &dynamic::Loaded) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let count = |name: &str| -> Result<u64, Box<dyn std::error::Error + Send + Sync>> { Ok(skel.get(name)?.parse()?) };
    let before = (count("stopped")?, count("looked")?);
    let (from, to) = pair()?;
    from.send(b"one")?;
    to.recv(&mut [0; 8])?;
    assert_eq!(count("stopped")? - before.0, 1);
    Ok(count("looked")? > before.1)
}

pub(crate) fn an_order_among_programs_of_an_interface() -> Outcome {
    apart(|| {
        let skel = choices(&["stop", "look"])?;
        let (stop, look): (Program<'_, kind::Tc>, Program<'_, kind::Tc>) =
            (skel.object().program_of("stop")?, skel.object().program_of("look")?);
        let at = |order: Order| -> Result<Link, eunomia_runtime::Error> { look.attach_at("lo", Direction::Ingress, &order, None) };
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
        let looking = look.attach_at("lo", Direction::Ingress, &Order::First, Some(hook.revision))?;
        let changed = look.attach_at("lo", Direction::Ingress, &Order::First, Some(hook.revision)).unwrap_err();
        assert_eq!(errno(&changed), Some(libc::ESTALE), "{changed}");
        let order: Vec<u32> = attached_tcx("lo", Direction::Ingress)?.programs.iter().map(|one| one.program).collect();
        assert_eq!(order, [look.id()?, stop.id()?]);
        drop(looking);

        let missing = at(Order::Before(Anchor::Program(look.id()?))).unwrap_err();
        assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
        let missing = at(Order::After(Anchor::Pinned(pin))).unwrap_err();
        assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");

        // The same in words, while open.
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

pub(crate) fn an_order_among_programs_of_a_cgroup() -> Outcome {
    let (group, skel) = (Group::new("order")?, choices(&["early", "late"])?);
    let program = |name: &str| skel.object().program_of::<kind::Cgroup>(name);
    let _early = program("early")?.attach_to(&group.0)?;
    let _late = program("late")?.attach_at(&group.0, &Order::First, None)?;
    assert_eq!(group.reads()?, "Linux\n");
    assert_eq!(skel.get("first")?, "2");
    Ok(())
}

pub(crate) fn a_packet_socket_of_its_own() -> Outcome {
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
        // Once as it is sent, once as it is received.
        assert_eq!(skel.get("packets")?, "2");
        let loaded = skel.detach();
        from.send(b"not seen")?;
        to.recv(&mut [0; 8])?;
        assert_eq!(loaded.get("packets")?, "2");
        Ok(())
    })
}

pub(crate) fn targets_that_cannot_be() -> Outcome {
    let mut open = Skeleton::parse(&fixture("choices"), "choices")?.open()?;
    for (program, target, expected) in [
        ("look", "xdp:lo", "target of the program `look`: the program is of type sched_cls, and such a target is for xdp"),
        ("sample", "kprobe:vfs_read", "target of the program `sample`: the program is of type perf_event, and such a target is for kprobe"),
        ("none", "xdp:lo", "no program `none`; there are "),
    ] {
        let refused = open.object().set_target(program, target.parse()?).unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{refused}");
    }
    // A kretprobe would be attached where functions are called.
    let mut hooks = hooks::open()?;
    let refused = hooks.object().set_target("on_function", "kretprobe:vfs_read".parse()?).unwrap_err().to_string();
    let expected =
        "target of the program `on_function`: its section `kprobe` runs it when a function is called, and this when a function returns";
    assert_eq!(refused, expected);
    Ok(())
}

/// Of tp_btf the verifier looks at the tracepoint.
pub(crate) fn a_function_that_is_named_while_open() -> Outcome {
    let mut open = Skeleton::parse(&fixture("choices"), "choices")?.open()?;
    let object = open.object();
    sized(object)?;
    for name in object.programs() {
        object.program(&name)?.set_autoload(name == "enter_btf");
    }
    let refused = object.set_target("enter_btf", Target::Function("eunomia_none".to_owned())).unwrap_err();
    assert!(matches!(errno(&refused), Some(libc::ESRCH | libc::ENOENT)), "{refused}");
    object.set_target("enter_btf", "tp_btf:sys_exit".parse()?)?;
    let skel = open.load()?.attach()?;
    assert_eq!(skel.links().len(), 1);
    assert!(skel.poll(Duration::from_secs(5), |_| ())? > 0);
    Ok(())
}
