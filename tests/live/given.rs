//! Choices of user space before loading, and what it gives to programs afterwards.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::{FromRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use eunomia_runtime::{
    Error, Skeleton,
    bpf::{FdMap, Map, MapSpec, MapType, Program, ProgramAttachType, ProgramType, TestInput, kind},
    sample::Prefix,
};
use eunomia_tests::{
    built::given::{
        self,
        types::{Event, Net6},
    },
    fixture,
};

use super::Outcome;

pub(crate) const INNER: MapSpec =
    MapSpec { kind: MapType::Array, key_size: 4, value_size: 4, max_entries: 2, flags: 0 };

pub(crate) fn open() -> Result<given::Open, Error> {
    let mut open = given::open()?;
    open.object().set_inner_map("outer", Map::create("inner", &INNER)?.fd())?;
    Ok(open)
}

fn dynamic() -> Result<eunomia_runtime::dynamic::Open, Error> {
    let mut open = Skeleton::parse(&fixture("given"), "given")?.open()?;
    open.object().set_inner_map("outer", Map::create("inner", &INNER)?.fd())?;
    Ok(open)
}

/// Opens a CPU clock event, which counts while the descriptor is open.
fn clock(cpu: i32) -> Result<OwnedFd, std::io::Error> {
    /// The start of `struct perf_event_attr` (`PERF_ATTR_SIZE_VER0`): type 1 (software), config 0
    /// (CPU clock).
    #[repr(C)]
    struct Attributes {
        kind: u32,
        size: u32,
        rest: [u64; 7],
    }
    let attributes = Attributes { kind: 1, size: 64, rest: [0; 7] };
    // SAFETY: the attributes outlive the call, which reads as many bytes as their `size` says.
    let fd =
        unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const attributes, -1, cpu, -1, 8) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and not owned elsewhere.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

pub(crate) fn program_reads_perf_events_from_user_space() -> Outcome {
    let skel = open()?.load()?;
    let (maps, progs, bss) = (skel.maps()?, skel.progs()?, skel.bss()?);
    let check =
        |program: &Program<'_, kind::RawTracepoint>, counters: &FdMap<'_, u32>| -> Outcome {
            let run = || program.test(&TestInput::new().cpu(0));
            run()?;
            assert_eq!(bss.count_error.get()?, -i64::from(libc::ENOENT), "the array is empty");
            counters.insert(&0, clock(0)?)?;
            run()?;
            // Some machines have a clock with coarse ticks.
            let deadline = Instant::now() + Duration::from_secs(10);
            while bss.counted.get()? == 0 && Instant::now() < deadline {
                run()?;
            }
            let first = bss.counted.get()?;
            while bss.counted.get()? == first && Instant::now() < deadline {
                run()?;
            }
            assert!(
                bss.count_error.get()? == 0 && first > 0 && bss.counted.get()? > first,
                "{first} {:?}",
                bss.counted
            );
            assert!(counters.remove(&0)?);
            run()?;
            assert_eq!(bss.count_error.get()?, -i64::from(libc::ENOENT));
            Ok(())
        };
    check(&progs.count, &maps.counters)?;
    check(&progs.count_otherwise, &maps.passed)?;

    // Arrays of counters are not streams, and the streams still work.
    progs.tell.test_run(None, None)?;
    let mut senders = Vec::new();
    skel.poll(Duration::ZERO, |event| {
        if let given::Export::Sent(event) = event {
            senders.push(event.sender);
        }
    })?;
    assert_eq!(senders, [2]);
    let skel = dynamic()?.load()?;
    let streams: Vec<_> = skel.stats().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(streams, ["events", "sent", "mixed", "idle"]);
    let counters: FdMap<'_, u32> = skel.object().typed_map("counters")?;
    counters.insert(&0, clock(0)?)?;
    Ok(())
}

pub(crate) fn object_works_without_one_map() -> Outcome {
    for (off, program) in [
        ("events", "send"),
        ("sent", "tell"),
        ("option", "choose"),
        ("hits", "hit"),
        ("outer", "look"),
        ("idle", ""),
    ] {
        let mut open = open()?;
        open.object().set_autocreate(off, false)?;
        if !program.is_empty() {
            open.object().program(program)?.set_autoload(false);
        }
        let skel = open.load()?;
        let (maps, progs, stats) = (skel.maps()?, skel.progs()?, skel.stats());
        assert_eq!(
            (stats.events.absent, stats.sent.absent, stats.idle.absent),
            (off == "events", off == "sent", off == "idle")
        );
        let mut senders = Vec::new();
        let refused = |result: Result<(), Error>, map: &str| match result {
            Err(error) if map == off => {
                assert_eq!(
                    error.to_string(),
                    format!(
                        "map `{map}`: it is not in the kernel because its creation was switched off"
                    )
                );
            }
            result => assert_eq!((result.is_ok(), map == off), (true, false), "{map} {result:?}"),
        };
        if off != "events" {
            progs.send.test_run(None, None)?;
        }
        if off != "sent" {
            progs.tell.test_run(None, None)?;
        }
        skel.poll(Duration::ZERO, |event| match event {
            given::Export::Events(event) | given::Export::Sent(event) => senders.push(event.sender),
            _ => {}
        })?;
        let expected: &[u32] = match off {
            "events" => &[2],
            "sent" => &[1],
            _ => &[1, 2],
        };
        assert_eq!(senders, expected, "without {off}");
        refused(maps.option.set(0, &5), "option");
        refused(maps.option.get(0).map(drop), "option");
        refused(maps.option.sampler().map(drop), "option");
        refused(maps.hits.insert(&1, &Event::default()), "hits");
        refused(maps.hits.keys().collect::<Result<Vec<_>, _>>().map(drop), "hits");
        refused(maps.hits.entries().map(drop), "hits");
        refused(maps.events.for_each(|_| {}).map(drop), "events");
        refused(maps.events.batch().map(drop), "events");
        refused(maps.sent.for_each(|_| {}).map(drop), "sent");
        refused(maps.outer.keys().collect::<Result<Vec<_>, _>>().map(drop), "outer");
        refused(skel.object().map(off).map(drop), off);
        assert_eq!(
            (maps.events.stats().absent, maps.sent.stats().absent),
            (off == "events", off == "sent")
        );
        skel.object().ring_buffer::<Event>("events")?;
        // A program that was not loaded does not prevent access to the others.
        skel.progs()?.mark.id()?;
    }
    Ok(())
}

pub(crate) fn prefixes_convert_to_trie_keys() -> Outcome {
    let skel = open()?.load()?;
    let (nets, nets6) = (skel.maps()?.nets, skel.maps()?.nets6);
    for (text, value) in [("10.0.0.0/8", 8), ("10.1.0.0/16", 16), ("0.0.0.0/0", 1)] {
        nets.insert(&text.parse::<Prefix>()?.to_key()?, &value)?;
    }
    let found = |address: [u8; 4]| -> Result<Option<u32>, eunomia_runtime::Error> {
        nets.get(&Prefix::from(Ipv4Addr::from(address)).to_key().unwrap_or_default())
    };
    assert_eq!(
        (found([10, 1, 2, 3])?, found([10, 2, 2, 3])?, found([11, 0, 0, 1])?),
        (Some(16), Some(8), Some(1))
    );
    let mut all = nets
        .keys()
        .map(|key| Ok(Prefix::from_key(&key?)?.to_string()))
        .collect::<Result<Vec<_>, super::Failed>>()?;
    all.sort_unstable();
    assert_eq!(all, ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16"]);
    nets6.insert(&"2001:db8::/32".parse::<Prefix>()?.to_key()?, &6)?;
    let inside: Ipv6Addr = "2001:db8::1".parse()?;
    assert_eq!(nets6.get(&Prefix::from(inside).to_key()?)?, Some(6));
    assert_eq!(nets6.get(&Prefix::from(Ipv6Addr::LOCALHOST).to_key()?)?, None);
    assert!(Prefix::from(Ipv4Addr::LOCALHOST).to_key::<Net6>().is_err());
    Ok(())
}

pub(crate) fn program_type_is_set() -> Outcome {
    let mut open = open()?;
    let mut progs = open.progs()?;
    assert_eq!(progs.hook.prog_type(), ProgramType::Unspec);
    progs.hook.set_type(ProgramType::Xdp)?;
    progs.hook.set_attach_type(ProgramAttachType::Xdp)?;
    progs.hook.set_autoload(true);
    progs.hook.set_autoattach(false);
    // A program whose section names another type.
    progs.choose.set_type(ProgramType::CgroupSkb)?;
    progs.choose.set_attach_type(ProgramAttachType::CgroupInetIngress)?;
    let skel = open.load()?;
    let progs = skel.progs()?;
    assert_eq!(progs.hook.test(&TestInput::new().data(&[0; 64]))?.return_value, 1);
    let hook: Program<'_, kind::Xdp> = progs.hook.into_kind()?;
    assert_eq!((hook.prog_type(), hook.name().to_str()), (ProgramType::Xdp, Some("hook")));
    let wrong = skel.object().typed_program::<kind::Tc>("hook").unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "program `hook`: its type is xdp, expected sched_cls or sched_act"
    );
    skel.object().typed_program::<kind::Cgroup>("choose")?;
    // A program without a type cannot be loaded.
    let mut open = self::open()?;
    open.progs()?.hook.set_autoload(true);
    let missing = open.load().unwrap_err().to_string();
    assert!(missing.contains("missing BPF prog type"), "{missing}");
    // For a dynamic skeleton, the document can name the type.
    let mut open =
        Skeleton::parse(&fixture("given"), "given")?.with_program("hook", "xdp").open()?;
    open.object().set_inner_map("outer", Map::create("inner", &INNER)?.fd())?;
    let mut hook = open.object().program("hook")?;
    assert_eq!(hook.prog_type(), ProgramType::Xdp);
    hook.set_autoload(true);
    hook.set_autoattach(false);
    let skel = open.load()?;
    assert_eq!(
        skel.object().program("hook")?.test(&TestInput::new().data(&[0; 64]))?.return_value,
        1
    );
    Ok(())
}
