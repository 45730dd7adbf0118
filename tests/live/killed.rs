//! A killed process leaves nothing in the kernel but what it has pinned.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    net::{TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::bpf::{Direction, Every, Link, NetfilterHook, Rank, Sampling, XdpMode};
use eunomia_tests::built::{hooks, programs, tables};
use libbpf_rs::{MapCore as _, MapFlags, MapHandle, libbpf_sys};

use super::{
    Outcome,
    child::{Other, answer, wait},
    hooks::{Group, runs},
    host::raise,
    needs::Machine,
    pins::Pin,
    programs::PROBED,
    tables::known_controls,
};

/// Ids of programs, links and maps.
#[derive(Debug, PartialEq, Eq)]
struct Ids([BTreeSet<u32>; 3]);

impl Ids {
    /// Collects the ids that the descriptors of a process refer to.
    fn of(pid: u32) -> io::Result<Self> {
        let mut ids = Self(Default::default());
        for file in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
            let text = fs::read_to_string(file?.path())?;
            for (name, value) in text.lines().filter_map(|line| line.split_once(":\t")) {
                let kind = ["prog_id", "link_id", "map_id"].iter().position(|kind| *kind == name);
                if let Some(kind) = kind {
                    ids.0[kind].extend(value.parse::<u32>());
                }
            }
        }
        Ok(ids)
    }

    /// Returns those of the ids that still exist in the kernel.
    fn left(&self) -> Self {
        let lists = [
            libbpf_sys::bpf_prog_get_next_id,
            libbpf_sys::bpf_link_get_next_id,
            libbpf_sys::bpf_map_get_next_id,
        ];
        let mut lists = lists.into_iter().map(|next| {
            let (mut all, mut id) = (BTreeSet::new(), 0);
            // SAFETY: the id outlives the call, which writes it.
            while unsafe { next(id, &raw mut id) } == 0 {
                all.insert(id);
            }
            all
        });
        Self(self.0.each_ref().map(|ours| {
            lists.next().iter().flatten().copied().filter(|id| ours.contains(id)).collect()
        }))
    }

    /// Waits until these numbers of ids are left: the kernel frees unreferenced objects a moment
    /// later.
    fn wait_for(&self, counts: [usize; 3]) -> Result<Self, String> {
        let start = Instant::now();
        loop {
            let left = self.left();
            if left.0.each_ref().map(BTreeSet::len) == counts {
                return Ok(left);
            }
            if start.elapsed() > Duration::from_secs(30) {
                return Err(format!(
                    "{left:?} are left, and not {counts:?} programs, links and maps"
                ));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

pub(crate) fn killed_process_leaves_only_pins() -> Outcome {
    let (group, link, map) =
        (Group::new("killed")?, Pin::new("killed-link"), Pin::new("killed-map"));
    let arguments = format!("{}:{}:{}", group.0, link.0.display(), map.0.display());
    // If this test fails before it kills the child, the child reads the end of its input and exits.
    let mut child = Other::start(&format!("killed {arguments}"), [])?;
    assert_eq!(child.next()?, Some(("attached".to_owned(), "ok".to_owned())));
    let ids = Ids::of(child.id())?;
    assert_eq!(ids, ids.left());
    let [programs, links, _] = ids.0.each_ref().map(BTreeSet::len);
    assert!(programs > 15 && links >= 5, "{ids:?}");
    child.kill()?;

    // The pinned link, its program, the .bss and .rodata of the program, and the pinned map are
    // left.
    let left = ids.wait_for([1, 1, 3])?;
    assert!(!known_controls()?.contains("eunomia_linked"));
    let mut opened = Link::open(&link.0)?;
    let info = opened.info()?;
    assert_eq!(
        [&left.0[0], &left.0[1]],
        [&BTreeSet::from([info.program]), &BTreeSet::from([info.id])]
    );
    let maps =
        left.0[2].iter().map(|id| MapHandle::from_map_id(*id)).collect::<Result<Vec<_>, _>>()?;
    let named = |name: &str| {
        maps.iter().find(|map| map.name() == name).ok_or(format!("no map {name} is left"))
    };
    named("hooks.rodata")?;
    assert_eq!(
        named("table")?.lookup(&7i32.to_ne_bytes(), MapFlags::ANY)?,
        Some(70i64.to_ne_bytes().to_vec())
    );
    let variables = || named("hooks.bss").map(|map| map.lookup(&[0; 4], MapFlags::ANY));
    let before = variables()??;
    assert_eq!(group.reads()?, "Linux\n");
    assert_ne!(variables()??, before, "the program of the child has counted");

    // Another process takes over the pinned link.
    let skel = hooks::open()?.load()?;
    opened.replace(&skel.progs()?.read_sysctl)?;
    assert_eq!(group.reads()?, "Linux\n");
    assert!(runs(&skel)? > 0);
    drop(maps);
    ids.wait_for([0, 1, 1])?;
    fs::remove_file(&link.0)?;
    drop(opened);
    ids.wait_for([0, 0, 1])?;
    assert_eq!((group.reads()?, runs(&skel)?), ("Linux\n".to_owned(), 0));
    fs::remove_file(&map.0)?;
    ids.wait_for([0, 0, 0])?;
    Ok(())
}

/// Attaches programs of many types to this process, to a new network namespace and to the cgroup,
/// and waits to be killed.
pub(crate) fn attach_everything(arguments: &str) -> Outcome {
    let [group, link, map] = arguments.split(':').collect::<Vec<_>>()[..] else {
        return Err("too few arguments".into());
    };
    // SAFETY: the call takes no pointers and affects only the calling thread, the only one of the
    // process.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0);
    raise("lo")?;
    let (machine, this) = (Machine::this(), std::process::id());
    let has = |test: &str| machine.lacks(test).is_none();

    let mut open = hooks::open()?;
    open.progs()?.filter.set_autoload(has("netfilter::netfilter_program_sees_packets"));
    open.progs()?.list.set_autoload(has("hooks::map_iterator_lists_entries"));
    open.bss()?.wanted_tgid.set(this.cast_signed())?;
    let skel = open.load()?;
    let (progs, maps) = (skel.progs()?, skel.maps()?);
    let mut pinned = progs.read_sysctl.attach_to(group)?;
    pinned.pin(link)?;
    maps.table.insert(&7, &70)?;
    maps.table.as_map().pin(map)?;
    let _links = [
        progs.on_exec.attach_to("sched", "sched_process_exec", 0)?,
        progs.on_raw_exec.attach_to("sched_process_exec", 0)?,
        progs.look_up.attach_to(File::open("/proc/self/ns/net")?)?,
        progs.classify.attach_to("lo", Direction::Ingress)?,
        progs.classify.attach_filter("lo", Direction::Egress, Rank::default())?,
        progs.receive.attach_to(maps.sockets.as_map())?,
        progs.send.attach_to(maps.sockets.as_map())?,
    ];
    let hook = NetfilterHook {
        family: libc::NFPROTO_IPV4,
        hook: libc::NF_INET_LOCAL_OUT,
        priority: 7,
        defragmented: false,
    };
    let _filter = has("netfilter::netfilter_program_sees_packets")
        .then(|| progs.filter.attach_to(hook))
        .transpose()?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    progs.take.attach_to(&socket)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (client, server) = (TcpStream::connect(listener.local_addr()?)?, listener.accept()?.0);
    maps.sockets.insert(&1, &client)?;
    maps.sockets.insert(&2, &server)?;
    let _walk = has("hooks::map_iterator_lists_entries")
        .then(|| progs.list.walk_map(maps.table.as_map()))
        .transpose()?;

    let others = programs::open()?.load()?;
    let progs = others.progs()?;
    let _links = [
        progs.drop_none.attach_to("lo", XdpMode::Generic)?,
        progs.on_call.attach_to("/proc/self/exe", &PROBED, Some(this), 0)?,
        progs.list.attach()?,
    ];
    let sampling = Sampling { pid: Some(this), ..Sampling::cpu_clock(Every::Frequency(1000)) };
    let _samples = progs.on_sample.attach_to(&sampling)?;

    let tables =
        has("links::struct_ops_map_is_replaced").then(|| tables::open()?.load()).transpose()?;
    let _table = tables.as_ref().map(|skel| skel.maps()?.first.attach()).transpose()?;
    answer("attached", "ok");
    wait()
}
