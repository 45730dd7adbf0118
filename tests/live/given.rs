//! Choices of user space before loading, and what it gives to programs afterwards.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::{FromRawFd as _, OwnedFd},
    time::{Duration, Instant},
};

use eunomia_runtime::{
    Error, Skeleton,
    bpf::{
        Array, FdMap, HashMap, Map, MapSpec, MapType, PerCpuHashMap, Program, ProgramAttachType,
        ProgramType, ReadWrite, TestInput, kind,
    },
    sample::Prefix,
};
use eunomia_tests::{
    built::{
        congestion,
        given::{
            self,
            types::{Event, Net, Net6},
        },
        maps,
    },
    fixture,
};

use super::{Outcome, errno};

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

/// The steps that `Open::set_perf_for_ring` documents work on every kernel.
pub(crate) fn perf_event_array_replaces_ring_buffer() -> Outcome {
    for by_perf in [false, true] {
        let mut open = open()?;
        open.rodata()?.by_perf.set(by_perf.into())?;
        if by_perf {
            open.object().set_perf_for_ring("events")?;
        }
        let skel = open.load()?;
        assert_eq!(skel.object().map("events")?.kind() == MapType::PerfEventArray, by_perf);
        let progs = skel.progs()?;
        for _ in 0..3 {
            progs.send.test_run(None, None)?;
        }
        let mut numbers = Vec::new();
        skel.poll(Duration::ZERO, |event| {
            if let given::Export::Events(event) = event {
                numbers.push(event.number);
            }
        })?;
        progs.send.test_run(None, None)?;
        skel.maps()?.events.for_each(|event| numbers.push(event.number))?;
        numbers.sort_unstable();
        assert_eq!(
            (numbers, skel.stats().events.received, skel.stats().events.absent),
            (vec![1, 2, 3, 4], 4, false)
        );
    }
    let refused = open()?.object().set_perf_for_ring("hits").unwrap_err();
    assert_eq!(refused.to_string(), "map `hits`: it is of type Hash, not a ring buffer");
    Ok(())
}

pub(crate) fn map_types_and_sizes_are_set() -> Outcome {
    let mut open = open()?;
    open.object().set_type("hits", MapType::LruHash)?;
    open.object().set_type("option", MapType::Hash)?;
    let skel = open.load()?;
    let maps = skel.maps()?;
    // A handle works after a change to a similar type; after other changes a handle of the new type
    // is needed.
    maps.hits.insert(&1, &Event { number: 5, ..Event::default() })?;
    skel.progs()?.hit.test_run(None, None)?;
    assert_eq!(maps.hits.get(&1)?.map(|event| event.number), Some(6));
    let refused = maps.option.get(0).unwrap_err();
    assert_eq!(refused.to_string(), "map `option`: it is of type hash, not array");
    let option: HashMap<'_, u32, u32> = skel.object().typed_map("option")?;
    option.insert(&0, &9)?;
    skel.progs()?.choose.test_run(None, None)?;
    assert_eq!(skel.bss()?.seen.get()?, 9);

    // A handle must not write if the sizes of the map differ from those of its types.
    let mut open = self::open()?;
    open.object().set_value_size("option", 64)?;
    open.object().set_value_size("hits", 4096)?;
    open.object().set_key_size("nets", 20)?;
    open.object().set_type("hits", MapType::PercpuHash)?;
    let skel = open.load()?;
    let maps = skel.maps()?;
    let why = "map `option`: its key and value sizes are 4 and 64 bytes, expected 4 and 4";
    assert_eq!(maps.option.get(0).unwrap_err().to_string(), why);
    assert_eq!(maps.option.set(0, &1).unwrap_err().to_string(), why);
    assert!(
        maps.option.iter().all(|value| value.is_err())
            && maps.option.in_place().is_err()
            && maps.option.sampler().is_err()
    );
    assert!(
        maps.hits.get(&1).is_err()
            && maps.hits.entries().is_err()
            && maps.nets.get(&Net::default()).is_err()
    );
    let option: Array<'_, [u32; 16]> = skel.object().typed_map("option")?;
    option.set(0, &[7; 16])?;
    skel.progs()?.choose.test_run(None, None)?;
    assert_eq!(skel.bss()?.seen.get()?, 7);
    let hits: PerCpuHashMap<'_, u32, [u8; 4096]> = skel.object().typed_map("hits")?;
    assert_eq!(hits.get(&1)?, None);
    let nets: HashMap<'_, Net6, u32> = skel.object().typed_map("nets")?;
    nets.insert(&Net6 { bits: 128, ..Net6::default() }, &1)?;

    // Maps that libbpf creates together with memory of its own cannot be changed.
    let refused =
        |result: Result<(), Error>, why: &str| assert_eq!(result.unwrap_err().to_string(), why);
    let mut open = self::open()?;
    let object = open.object();
    refused(
        object.set_type("given.bss", MapType::Hash),
        "map `given.bss`: its type cannot be changed from Array to Hash",
    );
    refused(
        object.set_type(".bss", MapType::Arena),
        "map `.bss`: its type cannot be changed from Array to Arena",
    );
    refused(
        object.set_type("hits", MapType::StructOps),
        "map `hits`: its type cannot be changed from Hash to StructOps",
    );
    refused(
        object.set_type("outer", MapType::Hash),
        "map `outer`: its type cannot be changed from HashOfMaps to Hash",
    );
    refused(
        object.set_key_size(".bss", 8),
        "map `.bss`: the key size of a map of type Array is fixed",
    );
    let mut tables = congestion::open()?;
    for result in [
        tables.object().set_value_size("steady", 1 << 20),
        tables.object().set_key_size("steady", 8),
    ] {
        assert!(matches!(result, Err(Error::Misuse { .. })), "{result:?}");
    }
    assert!(matches!(object.set_type("none", MapType::Hash), Err(Error::NotFound { .. })));
    Ok(())
}

pub(crate) fn data_sections_grow() -> Outcome {
    let mut open = open()?;
    open.rodata()?.room.set(1000)?;
    open.object().set_value_size(".data.table", 4000)?;
    let section = open.object().section(".data.table")?;
    assert_eq!(
        (section.size(), section.variable::<u32>(3996).map(|last| last.set(77).is_ok())),
        (4000, Some(true))
    );
    assert!(section.variable::<u32>(4000).is_none());
    let skel = open.load()?;
    let section = skel.object().section::<ReadWrite>(".data.table")?;
    let at = |index: usize| section.variable::<u32>(4 * index).ok_or("out of the section");
    assert_eq!((section.size(), at(999)?.get()?), (4000, 77), "the value set before loading");
    for index in [0, 5, 998] {
        skel.bss()?.number.set(index)?;
        skel.progs()?.fill.test_run(None, None)?;
        assert_eq!(at(index as usize)?.get()?, index + 1);
    }
    assert_eq!(skel.data_table()?.table.get()?[0], 1);

    let mut open = self::open()?;
    for size in [0, 15, u32::MAX, 1 << 31] {
        let refused = open.object().set_value_size(".data.table", size).unwrap_err();
        let expected = format!(
            "map `.data.table`: a section of 16 bytes cannot be resized to {size} bytes: it can only grow, to 2147483647 bytes at most"
        );
        assert_eq!(refused.to_string(), expected);
    }
    // A section that does not end in an array can grow too, by bytes that belong to no variable.
    let before = open.object().section(".bss")?.size() as u32;
    open.object().set_value_size(".bss", before + 4096)?;
    let section = open.object().section(".bss")?;
    assert_eq!(section.size() as u32, before + 4096);
    section.variable::<u64>(before as usize + 4088).ok_or("out of the section")?.set(1)?;
    open.load()?;
    Ok(())
}

pub(crate) fn inner_map_is_set() -> Outcome {
    let missing = given::open()?.load().unwrap_err();
    assert_eq!(errno(&missing), Some(libc::EINVAL), "{missing}");
    assert!(
        missing
            .to_string()
            .contains("hint: map `outer`: this map of maps has no inner map definition"),
        "{missing}"
    );

    let mut open = given::open()?;
    let object = open.object();
    let other = Map::create("other", &MapSpec { kind: MapType::Hash, ..INNER })?;
    object.set_inner_map("outer", other.fd())?;
    drop(other);
    // The last call counts.
    object.set_inner_map("outer", Map::create("inner", &INNER)?.fd())?;
    let refused = object.set_inner_map("hits", Map::create("inner", &INNER)?.fd()).unwrap_err();
    assert_eq!(refused.to_string(), "map `hits`: it is of type Hash, not a map of maps");
    let file = fs::File::open("/proc/self/status")?;
    let refused = object.set_inner_map("outer", std::os::fd::AsFd::as_fd(&file)).unwrap_err();
    assert_eq!(refused.to_string(), "map `outer`: the file descriptor does not refer to a map");
    let skel = open.load()?;
    let outer = skel.maps()?.outer;
    let inner = outer.create_inner()?;
    assert_eq!(
        (inner.kind(), inner.key_size(), inner.value_size(), inner.max_entries()),
        (MapType::Array, 4, 4, 2)
    );
    let inner: Array<'_, u32> = inner.into_typed()?;
    inner.set(1, &42)?;
    outer.insert(&1u32.to_ne_bytes(), inner.as_map().fd())?;
    skel.progs()?.look.test_run(None, None)?;
    assert_eq!(skel.bss()?.seen.get()?, 42);

    // An inner map of another object, which has BTF.
    let maps = maps::open()?.load()?;
    let mut open = given::open()?;
    open.object().set_inner_map("outer", maps.object().map("second")?.fd())?;
    let skel = open.load()?;
    let outer = skel.maps()?.outer;
    outer.insert(&1u32.to_ne_bytes(), outer.create_inner()?.fd())?;
    outer.insert(&2u32.to_ne_bytes(), maps.object().map("second")?.fd())?;
    let unlike = outer.insert(&3u32.to_ne_bytes(), maps.object().map("hash")?.fd()).unwrap_err();
    assert_eq!(errno(&unlike), Some(libc::EINVAL), "{unlike}");
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
    let mut progs = open.progs();
    assert_eq!(progs.hook()?.prog_type(), ProgramType::Unspec);
    progs.hook()?.set_type(ProgramType::Xdp)?;
    progs.hook()?.set_attach_type(ProgramAttachType::Xdp)?;
    progs.hook()?.set_autoload(true);
    progs.hook()?.set_autoattach(false);
    // A program whose section names another type.
    progs.choose()?.set_type(ProgramType::CgroupSkb)?;
    progs.choose()?.set_attach_type(ProgramAttachType::CgroupInetIngress)?;
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
    open.progs().hook()?.set_autoload(true);
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
