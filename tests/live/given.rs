//! What user space decides before loading, and gives to programs afterwards.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::{FromRawFd as _, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::{
    Error, Skeleton,
    bpf::{
        self, Array, FdMap, HashMap, Map, MapSpec, MapType, PerCpuHashMap, Program, ProgramAttachType, ProgramType, ReadWrite, Sample,
        Spec, TestInput, kind,
    },
    sample::{Event as _, Prefix},
};
use eunomia_tests::{
    built::{
        arena, congestion,
        given::{
            self,
            types::{Event, Net, Net6},
        },
        maps,
    },
    fixture,
};

use super::{Outcome, errno, host, pins::Pin};

const INNER: MapSpec = MapSpec { kind: MapType::Array, key_size: 4, value_size: 4, max_entries: 2, flags: 0 };

fn open() -> Result<given::Open, Error> {
    let mut open = given::open()?;
    open.object().set_inner_map("outer", Map::create("inner", &INNER)?.fd())?;
    Ok(open)
}

fn dynamic() -> Result<eunomia_runtime::dynamic::Open, Error> {
    let mut open = Skeleton::parse(&fixture("given"), "given")?.open()?;
    open.object().set_inner_map("outer", Map::create("inner", &INNER)?.fd())?;
    Ok(open)
}

/// A clock of the CPU, which counts while the descriptor is open.
fn clock(cpu: i32) -> Result<OwnedFd, std::io::Error> {
    /// The start of `struct perf_event_attr`, `PERF_ATTR_SIZE_VER0`: a software event (1), of the clock of the CPU (0).
    #[repr(C)]
    struct Attributes {
        kind: u32,
        size: u32,
        rest: [u64; 7],
    }
    let attributes = Attributes { kind: 1, size: 64, rest: [0; 7] };
    // SAFETY: the attributes live through the call, which reads as many bytes as they say.
    let fd = unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const attributes, -1, cpu, -1, 8) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

pub(crate) fn counters_are_the_users() -> Outcome {
    let skel = open()?.load()?;
    let (maps, progs, bss) = (skel.maps()?, skel.progs()?, skel.bss()?);
    let check = |program: &Program<'_, kind::RawTracepoint>, counters: &FdMap<'_, u32>| -> Outcome {
        let run = || program.test(&TestInput::new().cpu(0));
        run()?;
        assert_eq!(bss.count_error.get()?, -i64::from(libc::ENOENT), "nobody else's events are there");
        counters.insert(&0, clock(0)?)?;
        run()?;
        // Some machines have a clock of coarse ticks.
        let deadline = Instant::now() + Duration::from_secs(10);
        while bss.counted.get()? == 0 && Instant::now() < deadline {
            run()?;
        }
        let first = bss.counted.get()?;
        while bss.counted.get()? == first && Instant::now() < deadline {
            run()?;
        }
        assert!(bss.count_error.get()? == 0 && first > 0 && bss.counted.get()? > first, "{first} {:?}", bss.counted);
        assert!(counters.remove(&0)?);
        run()?;
        assert_eq!(bss.count_error.get()?, -i64::from(libc::ENOENT));
        Ok(())
    };
    check(&progs.count, &maps.counters)?;
    check(&progs.count_otherwise, &maps.passed)?;

    // They are none of the streams, and those are as ever.
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

pub(crate) fn without_a_map_all_else_works() -> Outcome {
    for (off, program) in [("events", "send"), ("sent", "tell"), ("option", "choose"), ("hits", "hit"), ("outer", "look"), ("idle", "")] {
        let mut open = open()?;
        open.object().set_autocreate(off, false)?;
        if !program.is_empty() {
            open.object().program(program)?.set_autoload(false);
        }
        let skel = open.load()?;
        let (maps, progs, stats) = (skel.maps()?, skel.progs()?, skel.stats());
        assert_eq!((stats.events.absent, stats.sent.absent, stats.idle.absent), (off == "events", off == "sent", off == "idle"));
        let mut senders = Vec::new();
        let refused = |result: Result<(), Error>, map: &str| match result {
            Err(error) if map == off => {
                assert_eq!(error.to_string(), format!("map `{map}`: its creation was switched off, so it is not in the kernel"));
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
        assert_eq!((maps.events.stats().absent, maps.sent.stats().absent), (off == "events", off == "sent"));
        skel.object().ring_buffer::<Event>("events")?;
        // A program that was not loaded is none that stops the others.
        skel.progs()?.mark.id()?;
    }
    Ok(())
}

/// The recipe of `Open::set_perf_for_ring`, on every kernel.
pub(crate) fn a_ring_becomes_a_perf_array() -> Outcome {
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
        assert_eq!((numbers, skel.stats().events.received, skel.stats().events.absent), (vec![1, 2, 3, 4], 4, false));
    }
    let refused = open()?.object().set_perf_for_ring("hits").unwrap_err();
    assert_eq!(refused.to_string(), "map `hits`: it is no ring buffer but of type Hash");
    Ok(())
}

pub(crate) fn types_and_sizes_of_maps_are_set() -> Outcome {
    let mut open = open()?;
    open.object().set_type("hits", MapType::LruHash)?;
    open.object().set_type("option", MapType::Hash)?;
    let skel = open.load()?;
    let maps = skel.maps()?;
    // A handle of the same kind, one of another, and one that is made for it.
    maps.hits.insert(&1, &Event { number: 5, ..Event::default() })?;
    skel.progs()?.hit.test_run(None, None)?;
    assert_eq!(maps.hits.get(&1)?.map(|event| event.number), Some(6));
    let refused = maps.option.get(0).unwrap_err();
    assert_eq!(refused.to_string(), "map `option`: the map is of type hash, not array");
    let option: HashMap<'_, u32, u32> = skel.object().typed_map("option")?;
    option.insert(&0, &9)?;
    skel.progs()?.choose.test_run(None, None)?;
    assert_eq!(skel.bss()?.seen.get()?, 9);

    // Sizes that are not those of the types must not be written to.
    let mut open = self::open()?;
    open.object().set_value_size("option", 64)?;
    open.object().set_value_size("hits", 4096)?;
    open.object().set_key_size("nets", 20)?;
    open.object().set_type("hits", MapType::PercpuHash)?;
    let skel = open.load()?;
    let maps = skel.maps()?;
    let why = "map `option`: the map has keys of 4 and values of 64 bytes, the types have 4 and 4";
    assert_eq!(maps.option.get(0).unwrap_err().to_string(), why);
    assert_eq!(maps.option.set(0, &1).unwrap_err().to_string(), why);
    assert!(maps.option.iter().all(|value| value.is_err()) && maps.option.in_place().is_err() && maps.option.sampler().is_err());
    assert!(maps.hits.get(&1).is_err() && maps.hits.entries().is_err() && maps.nets.get(&Net::default()).is_err());
    let option: Array<'_, [u32; 16]> = skel.object().typed_map("option")?;
    option.set(0, &[7; 16])?;
    skel.progs()?.choose.test_run(None, None)?;
    assert_eq!(skel.bss()?.seen.get()?, 7);
    let hits: PerCpuHashMap<'_, u32, [u8; 4096]> = skel.object().typed_map("hits")?;
    assert_eq!(hits.get(&1)?, None);
    let nets: HashMap<'_, Net6, u32> = skel.object().typed_map("nets")?;
    nets.insert(&Net6 { bits: 128, ..Net6::default() }, &1)?;

    // What libbpf makes together with its own memory.
    let refused = |result: Result<(), Error>, why: &str| assert_eq!(result.unwrap_err().to_string(), why);
    let mut open = self::open()?;
    let object = open.object();
    refused(object.set_type("given.bss", MapType::Hash), "map `given.bss`: a map of type Array cannot be made one of type Hash");
    refused(object.set_type(".bss", MapType::Arena), "map `.bss`: a map of type Array cannot be made one of type Arena");
    refused(object.set_type("hits", MapType::StructOps), "map `hits`: a map of type Hash cannot be made one of type StructOps");
    refused(object.set_type("outer", MapType::Hash), "map `outer`: a map of type HashOfMaps cannot be made one of type Hash");
    refused(object.set_key_size(".bss", 8), "map `.bss`: a map of type Array has keys of its own");
    let mut tables = congestion::open()?;
    for result in [tables.object().set_value_size("steady", 1 << 20), tables.object().set_key_size("steady", 8)] {
        assert!(matches!(result, Err(Error::Value { .. })), "{result:?}");
    }
    assert!(matches!(object.set_type("none", MapType::Hash), Err(Error::NotFound { .. })));
    Ok(())
}

pub(crate) fn sections_grow() -> Outcome {
    let mut open = open()?;
    open.rodata()?.room.set(1000)?;
    open.object().set_value_size(".data.table", 4000)?;
    let section = open.object().section(".data.table")?;
    assert_eq!((section.size(), section.variable::<u32>(3996).map(|last| last.set(77).is_ok())), (4000, Some(true)));
    assert!(section.variable::<u32>(4000).is_none());
    let skel = open.load()?;
    let section = skel.object().section::<ReadWrite>(".data.table")?;
    let at = |index: usize| section.variable::<u32>(4 * index).ok_or("it is inside");
    assert_eq!((section.size(), at(999)?.get()?), (4000, 77), "what was set before loading");
    for index in [0, 5, 998] {
        skel.bss()?.number.set(index)?;
        skel.progs()?.fill.test_run(None, None)?;
        assert_eq!(at(index as usize)?.get()?, index + 1);
    }
    assert_eq!(skel.data_table()?.table.get()?[0], 1);

    let mut open = self::open()?;
    for size in [0, 15, u32::MAX, 1 << 31] {
        let refused = open.object().set_value_size(".data.table", size).unwrap_err();
        let expected = format!("map `.data.table`: a section of 16 bytes cannot have {size}: it can grow, to 2147483647 bytes at most");
        assert_eq!(refused.to_string(), expected);
    }
    // Not to what an array ends; it is as it was where there is no memory.
    let before = open.object().section(".bss")?.size() as u32;
    open.object().set_value_size(".bss", before + 4096)?;
    let section = open.object().section(".bss")?;
    assert_eq!(section.size() as u32, before + 4096);
    section.variable::<u64>(before as usize + 4088).ok_or("it is inside")?.set(1)?;
    open.load()?;
    Ok(())
}

pub(crate) fn maps_in_maps_are_given() -> Outcome {
    let missing = given::open()?.load().unwrap_err();
    assert_eq!(errno(&missing), Some(libc::EINVAL), "{missing}");
    assert!(
        missing.to_string().contains("hint: map `outer`: it is a map of maps, and nothing says how the maps in it are made"),
        "{missing}"
    );

    let mut open = given::open()?;
    let object = open.object();
    let other = Map::create("other", &MapSpec { kind: MapType::Hash, ..INNER })?;
    object.set_inner_map("outer", other.fd())?;
    drop(other);
    // The last word counts.
    object.set_inner_map("outer", Map::create("inner", &INNER)?.fd())?;
    let refused = object.set_inner_map("hits", Map::create("inner", &INNER)?.fd()).unwrap_err();
    assert_eq!(refused.to_string(), "map `hits`: it is no map of maps but of type Hash");
    let file = fs::File::open("/proc/self/status")?;
    let refused = object.set_inner_map("outer", std::os::fd::AsFd::as_fd(&file)).unwrap_err();
    assert_eq!(refused.to_string(), "map `outer`: what is to be used in its place is no map");
    let skel = open.load()?;
    let outer = skel.maps()?.outer;
    let inner = outer.create_inner()?;
    assert_eq!((inner.kind(), inner.key_size(), inner.value_size(), inner.max_entries()), (MapType::Array, 4, 4, 2));
    let inner: Array<'_, u32> = inner.into_typed()?;
    inner.set(1, &42)?;
    outer.insert(&1u32.to_ne_bytes(), inner.as_map().fd())?;
    skel.progs()?.look.test_run(None, None)?;
    assert_eq!(skel.bss()?.seen.get()?, 42);

    // One of another object, with BTF.
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

pub(crate) fn a_pinned_map_is_opened_without_an_object() -> Outcome {
    let (pin, other) = (Pin::new("opened"), Pin::new("program-opened"));
    let skel = open()?.load()?;
    skel.object().map("hits")?.pin(&pin.0)?;
    skel.progs()?.rewrite.pin(&other.0)?;
    skel.maps()?.hits.insert(&1, &Event { number: 3, ..Event::default() })?;
    drop(skel);
    let hits: HashMap<'static, u32, Event> = Map::open(&pin.0)?.of_types(Some("unsigned int"), Some(Event::C_NAME))?.into_typed()?;
    assert_eq!(hits.get(&1)?.map(|event| event.number), Some(3));
    let refused = Map::open(&pin.0)?.of_types(None, Some(Net::C_NAME)).unwrap_err();
    assert_eq!(refused.to_string(), "map `hits`: its values are of the type `struct event`, not `struct net`");
    let refused = Map::open(&pin.0)?.into_typed::<HashMap<'_, u32, u32>>().unwrap_err();
    assert_eq!(refused.to_string(), "map `hits`: the map has keys of 4 and values of 8 bytes, the types have 4 and 4");
    assert!(Map::open(&pin.0)?.into_typed::<Array<'_, Event>>().is_err());
    // Made without BTF.
    Map::create("plain", &INNER)?.of_types(Some("int"), Some("int"))?.into_typed::<Array<'_, u32>>()?;
    let refused = Map::open(&other.0).unwrap_err();
    assert_eq!(refused.to_string(), format!("open the map that is pinned to {}: it is no map", other.0.display()));
    assert_eq!(errno(&Map::open("/sys/fs/bpf/eunomia-none").unwrap_err()), Some(libc::ENOENT));
    assert_eq!(errno(&Map::open("/proc/self/status").unwrap_err()), Some(libc::EACCES));
    assert!(Map::open("/sys/fs/bpf/a\0b").is_err());
    Ok(())
}

pub(crate) fn prefixes_are_keys() -> Outcome {
    let skel = open()?.load()?;
    let (nets, nets6) = (skel.maps()?.nets, skel.maps()?.nets6);
    for (text, value) in [("10.0.0.0/8", 8), ("10.1.0.0/16", 16), ("0.0.0.0/0", 1)] {
        nets.insert(&text.parse::<Prefix>()?.to_key()?, &value)?;
    }
    let found = |address: [u8; 4]| -> Result<Option<u32>, eunomia_runtime::Error> {
        nets.get(&Prefix::from(Ipv4Addr::from(address)).to_key().unwrap_or_default())
    };
    assert_eq!((found([10, 1, 2, 3])?, found([10, 2, 2, 3])?, found([11, 0, 0, 1])?), (Some(16), Some(8), Some(1)));
    let mut all = nets.keys().map(|key| Ok(Prefix::of_key(&key?)?.to_string())).collect::<Result<Vec<_>, super::Failed>>()?;
    all.sort_unstable();
    assert_eq!(all, ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16"]);
    nets6.insert(&"2001:db8::/32".parse::<Prefix>()?.to_key()?, &6)?;
    let inside: Ipv6Addr = "2001:db8::1".parse()?;
    assert_eq!(nets6.get(&Prefix::from(inside).to_key()?)?, Some(6));
    assert_eq!(nets6.get(&Prefix::from(Ipv6Addr::LOCALHOST).to_key()?)?, None);
    assert!(Prefix::from(Ipv4Addr::LOCALHOST).to_key::<Net6>().is_err());
    Ok(())
}

pub(crate) fn a_program_gets_its_type() -> Outcome {
    let mut open = open()?;
    let mut progs = open.progs();
    assert_eq!(progs.hook()?.prog_type(), ProgramType::Unspec);
    progs.hook()?.set_type(ProgramType::Xdp)?;
    progs.hook()?.set_attach_type(ProgramAttachType::Xdp)?;
    progs.hook()?.set_autoload(true);
    progs.hook()?.set_autoattach(false);
    // Of one whose section says another.
    progs.choose()?.set_type(ProgramType::CgroupSkb)?;
    progs.choose()?.set_attach_type(ProgramAttachType::CgroupInetIngress)?;
    let skel = open.load()?;
    let progs = skel.progs()?;
    assert_eq!(progs.hook.test(&TestInput::new().data(&[0; 64]))?.return_value, 1);
    let hook: Program<'_, kind::Xdp> = progs.hook.into_kind()?;
    assert_eq!((hook.prog_type(), hook.name().to_str()), (ProgramType::Xdp, Some("hook")));
    let wrong = skel.object().program_of::<kind::Tc>("hook").unwrap_err();
    assert_eq!(wrong.to_string(), "program `hook`: it is of type xdp, not sched_cls or sched_act");
    skel.object().program_of::<kind::Cgroup>("choose")?;
    // Without a type it is not loaded.
    let mut open = self::open()?;
    open.progs().hook()?.set_autoload(true);
    let missing = open.load().unwrap_err().to_string();
    assert!(missing.contains("missing BPF prog type"), "{missing}");
    // The document can say it, for a skeleton that is known at run time alone.
    let mut open = Skeleton::parse(&fixture("given"), "given")?.with_program("hook", "xdp").open()?;
    open.object().set_inner_map("outer", Map::create("inner", &INNER)?.fd())?;
    let mut hook = open.object().program("hook")?;
    assert_eq!(hook.prog_type(), ProgramType::Xdp);
    hook.set_autoload(true);
    hook.set_autoattach(false);
    let skel = open.load()?;
    assert_eq!(skel.object().program("hook")?.test(&TestInput::new().data(&[0; 64]))?.return_value, 1);
    Ok(())
}

pub(crate) fn large_variables_do_not_fill_a_stack() -> Outcome {
    // A thread of Rust's default size, as tests and servers have.
    let read = thread::Builder::new().stack_size(2 << 20).spawn(|| -> Result<(), Error> {
        let mut open = open()?;
        let mut wanted = open.bss()?.big.get_boxed()?;
        wanted[1 << 17] = 5;
        open.bss()?.big.set_from(&wanted)?;
        let skel = open.load()?;
        let big = skel.bss()?.big;
        assert_eq!(big.get_boxed()?[1 << 17], 5);
        wanted.fill(1);
        big.read_into(&mut wanted)?;
        assert_eq!((wanted[0], wanted[1 << 17], wanted[(1 << 18) - 1]), (0, 5, 0));
        wanted[7] = 9;
        big.set_from(&wanted)?;
        let section = skel.object().section::<ReadWrite>(".bss")?;
        assert!(section.size() >= 2 << 20 && format!("{big:?}").starts_with("[0, 0, 0, 0, 0, 0, 0, 9"));
        let large = Map::create("large", &MapSpec { value_size: 1 << 20, ..INNER })?;
        let large: Array<'_, [u8; 1 << 20]> = large.into_typed()?;
        let mut value = large.get_boxed(1)?.unwrap_or_default_box();
        value[77] = 7;
        large.set(1, &value)?;
        value[77] = 0;
        assert!(large.read_into(1, &mut value)? && value[77] == 7 && !large.read_into(2, &mut value)?);
        Ok(())
    })?;
    read.join().map_err(|_| "it panicked")??;
    Ok(())
}

/// The value, which is there.
trait Present<T> {
    fn unwrap_or_default_box(self) -> Box<T>;
}

impl<T> Present<T> for Option<Box<T>> {
    fn unwrap_or_default_box(self) -> Box<T> {
        self.expect("arrays have all their entries")
    }
}

pub(crate) fn packets_come_back() -> Outcome {
    let skel = open()?.load()?;
    let progs = skel.progs()?;
    let packet: Vec<u8> = (0..64).collect();
    let ran = progs.rewrite.test(&TestInput::new().data(&packet))?;
    assert_eq!((ran.return_value, ran.data.len(), ran.data[0], &ran.data[1..]), (3, 64, 1, &packet[1..]), "XDP_TX");
    // Each run gets what the last one left.
    let ran = progs.rewrite.test(&TestInput::new().data(&packet).repeat(10))?;
    assert_eq!((ran.data[0], ran.context.len()), (10, 0));
    assert!(ran.duration > Duration::ZERO || ran.data[0] == 10);
    let short = progs.rewrite.test(&TestInput::new().data(&packet).room(16)).unwrap_err();
    assert!(matches!(short, Error::Room { needed: 64, room: 16, .. }), "{short}");
    let endless = progs.rewrite.test(&TestInput::new().data(&packet).room(usize::MAX)).unwrap_err();
    assert!(matches!(endless, Error::Value { .. }), "{endless}");
    let expected = "program `rewrite`: the packet after its run: it needs 64 bytes, and there is room for 16";
    assert_eq!(short.to_string(), expected);
    assert!(progs.rewrite.test(&TestInput::new().data(&packet).room(0))?.data.is_empty(), "nothing is asked for");
    skel.bss()?.grow.set(-20)?;
    assert_eq!(progs.rewrite.test(&TestInput::new().data(&packet))?.data.len(), 44);
    match progs.rewrite.test(&TestInput::new().data(&[0; 13])) {
        Err(tiny) => {
            assert_eq!(errno(&tiny), Some(libc::EINVAL));
            assert!(tiny.to_string().contains("hint: the packet is shorter than the header of Ethernet, 14 bytes"), "{tiny}");
        }
        // 5.10 takes it.
        Ok(ran) => assert!(host::release().is_ok_and(|(_, version)| version < (6, 1)), "{ran:?}"),
    }

    // `struct __sk_buff`: the mark is at 8. It has 184 bytes in 5.10 and grows; all that the kernel has comes back.
    let mut context = [0; 184];
    context[8] = 41;
    let ran = progs.mark.test(&TestInput::new().data(&packet).context(&context))?;
    assert_eq!((ran.return_value, ran.context.len() >= 184, ran.context[8], ran.data), (64, true, 42, packet.clone()));
    assert_eq!(context[8], 41, "it is the caller's");
    let ran = progs.mark.test(&TestInput::new().data(&packet).context(&context[..16]))?;
    assert_eq!((ran.context.len() >= 184, ran.context[8]), (true, 42));

    // Raw tracepoints have neither.
    let ran = progs.fill.test(&TestInput::new().context(&[0; 16]).cpu(0))?;
    assert_eq!((ran.return_value, ran.data.len(), ran.context), (0, 0, vec![0; 16]));
    let refused = progs.fill.test(&TestInput::new().data(&packet)).unwrap_err();
    assert_eq!(errno(&refused), Some(libc::EINVAL), "{refused}");
    let absent = progs.hook.test(&TestInput::new()).unwrap_err();
    assert_eq!(absent.to_string(), "program `hook`: it was not loaded, so it has no descriptor");
    Ok(())
}

/// Frames that go where the program sends them.
pub(crate) fn frames_are_live() -> Outcome {
    let mut open = open()?;
    open.progs().hook()?.set_type(ProgramType::Xdp)?;
    open.progs().hook()?.set_autoload(true);
    let skel = open.load()?;
    // XDP_DROP: they go nowhere. BPF_F_TEST_XDP_LIVE_FRAMES
    let input = TestInput::new().data(&[0; 64]).flags(2).repeat(100).batch_size(16);
    let ran = skel.progs()?.hook.test(&input)?;
    assert!(ran.data.is_empty());
    Ok(())
}

const REFUSED: &str = "no map that is pinned or another object's can take its place: share a map that the programs look up";

pub(crate) fn sections_are_not_shared() -> Outcome {
    let donor = open()?.load()?;
    let large = Map::create("large", &MapSpec { value_size: 1 << 20, ..INNER })?;
    let (pin, table) = (Pin::new("section"), Pin::new("table"));
    for section in ["given.bss", "given.rodata", ".bss", ".rodata", ".data.table"] {
        let mut open = open()?;
        let expected = format!("map `{section}`: it holds the variables of a section, and {REFUSED}");
        let own = donor.object().map(if section.contains("data") { "option" } else { "hits" })?;
        for fd in [large.fd(), own.fd()] {
            assert_eq!(open.object().reuse_map(section, fd).unwrap_err().to_string(), expected);
        }
        assert_eq!(open.object().set_pin_path(section, &pin.0).unwrap_err().to_string(), expected);
        let skel = open.load()?;
        assert!(!pin.0.exists());
        skel.bss()?.number.set(1)?;
        assert_eq!(skel.progs()?.fill.test(&TestInput::new())?.return_value, 1, "the program has the variable");
    }
    let expected = format!("map `steady`: it is a table of functions (struct_ops), and {REFUSED}");
    assert_eq!(congestion::open()?.object().set_pin_path("steady", &table.0).unwrap_err().to_string(), expected);
    // One that is not made has no variables either.
    let mut open = self::open()?;
    open.object().set_autocreate(".data.table", false)?;
    open.object().program("fill")?.set_autoload(false);
    let skel = open.load()?;
    let refused = skel.data_table().map(drop).unwrap_err().to_string();
    assert!(refused.starts_with(".data.table: the section is not in the kernel: its creation was switched off"), "{refused}");
    skel.bss()?.number.set(1)?;
    Ok(())
}

/// The kernel takes what programs of struct_ops are run with for addresses, and writes there.
pub(crate) fn tables_are_not_run() -> Outcome {
    let skel = congestion::open()?.load()?;
    let (program, mut context) = (skel.object().program("ssthresh")?, [0; 8]);
    assert!(matches!(program.test(&TestInput::new().context(&context)), Err(Error::Value { .. })));
    assert!(matches!(program.test_run(Some(&mut context), None), Err(Error::Value { .. })));
    Ok(())
}

pub(crate) fn arenas_with_variables_are_not_shared() -> Outcome {
    let expected = format!("map `memory`: it holds the variables of the arena, and {REFUSED}");
    let (donor, pin) = (arena::open()?.load()?, Pin::new("arena"));
    let mut open = arena::open()?;
    assert_eq!(open.object().reuse_map("memory", donor.object().map("memory")?.fd()).unwrap_err().to_string(), expected);
    assert_eq!(open.object().set_pin_path("memory", &pin.0).unwrap_err().to_string(), expected);
    assert!(matches!(open.object().set_value_size("memory", 8), Err(Error::Value { .. })));
    open.load()?;
    Ok(())
}

/// Entries that are delivered as the types that they were declared with have those sizes.
pub(crate) fn maps_that_are_read_keep_their_sizes() -> Outcome {
    let object = Skeleton::parse(&fixture("given"), "given")?.object.ok_or("it has one")?;
    let samples = [Sample { map: "hits", every: Duration::from_millis(1), clear: false }];
    let spec = Spec { name: "given", object: &object, streams: &["hits"], samples: &samples, dropped: &[], perf_pages: 8 };
    let open = || -> Result<bpf::Open, Error> {
        let mut open = bpf::Open::new(&spec)?;
        open.set_inner_map("outer", Map::create("inner", &INNER)?.fd())?;
        Ok(open)
    };
    open()?.load()?;
    let mut changed = open()?;
    changed.set_value_size("hits", 64)?;
    changed.program("hit")?.set_autoload(false);
    let refused = changed.load().unwrap_err().to_string();
    let expected = "map `hits`: its entries are read as declared, with keys of 4 and values of 8 bytes; they have 4 and 64";
    assert_eq!(refused, expected);
    let other = Map::create("other", &MapSpec { kind: MapType::Hash, key_size: 8, ..INNER })?;
    let mut changed = open()?;
    changed.reuse_map("hits", other.fd())?;
    changed.program("hit")?.set_autoload(false);
    assert!(matches!(changed.load(), Err(Error::Value { .. })));
    let mut absent = open()?;
    absent.set_autocreate("hits", false)?;
    absent.program("hit")?.set_autoload(false);
    assert!(absent.load()?.stats()[0].absent);
    Ok(())
}

/// libbpf calls a map by the name of the one that took its place.
pub(crate) fn a_map_keeps_its_name_in_the_object() -> Outcome {
    let other = Map::create("hits", &MapSpec { kind: MapType::Array, max_entries: 1, ..INNER })?;
    let other: Array<'_, u32> = other.into_typed()?;
    other.set(0, &31)?;
    let mut open = open()?;
    open.object().reuse_map("option", other.as_map().fd())?;
    let later = open.object().set_value_size("option", 4096).unwrap_err();
    assert_eq!(errno(&later), Some(libc::EBUSY), "{later}");
    let skel = open.load()?;
    assert_eq!(skel.maps()?.option.get(0)?, Some(31));
    skel.maps()?.hits.insert(&1, &Event::default())?;
    skel.progs()?.choose.test_run(None, None)?;
    assert_eq!(skel.bss()?.seen.get()?, 31);
    // The same by a path, which is looked at when the object is loaded.
    let pin = Pin::new("renamed");
    other.as_map().pin(&pin.0)?;
    let mut open = self::open()?;
    open.object().set_pin_path("option", &pin.0)?;
    let skel = open.load()?;
    assert_eq!(skel.maps()?.option.get(0)?, Some(31));
    assert_eq!(skel.object().map("hits")?.kind(), MapType::Hash);
    // A handle is held against what took the place.
    let wide = Map::create("wide", &MapSpec { kind: MapType::Array, value_size: 64, max_entries: 1, ..INNER })?;
    let mut open = self::open()?;
    open.object().reuse_map("option", wide.fd())?;
    let skel = open.load()?;
    let refused = skel.maps()?.option.get(0).unwrap_err().to_string();
    assert!(refused.ends_with("the map has keys of 4 and values of 64 bytes, the types have 4 and 4"), "{refused}");
    Ok(())
}

/// libbpf maps an arena over whatever is at the address that the object names: memory of this process, too.
pub(crate) fn an_arena_is_not_mapped_over_other_memory() -> Outcome {
    let object = Skeleton::parse(&fixture("placed"), "placed")?.object.ok_or("it has one")?;
    let spec = Spec { name: "placed", object: &object, streams: &[], samples: &[], dropped: &[], perf_pages: 8 };
    let counter = |loaded: &bpf::Loaded| loaded.section::<ReadWrite>(".addr_space.1")?.named::<u64>("counter", 0)?.get();
    let first = bpf::Open::new(&spec)?.load()?;
    first.program("count")?.test_run(None, None)?;
    assert_eq!(counter(&first)?, 6);
    let refused = bpf::Open::new(&spec)?.load().unwrap_err().to_string();
    let why = "the 65536 bytes at 0x100000000000 that its arena is to be at cannot be had in this process: entity already exists";
    assert_eq!(refused, format!("load the BPF object `placed`: {why}"));
    assert_eq!(counter(&first)?, 6, "it is where it was");
    drop(first);
    // What cannot be loaded for another reason keeps no place.
    let mut open = bpf::Open::new(&spec)?;
    open.set_map_flags("memory", 0)?;
    assert_eq!(errno(&open.load().unwrap_err()), Some(libc::EINVAL));
    assert_eq!(counter(&bpf::Open::new(&spec)?.load()?)?, 5);
    Ok(())
}

/// libbpf writes variables to pages that the kernel is told not to make: it would end the process.
pub(crate) fn an_arena_that_faults() -> Outcome {
    const MMAPABLE: u32 = 1 << 10;
    const SEGV_ON_FAULT: u32 = 1 << 17;
    let mut open = arena::open()?;
    open.object().set_map_flags("memory", MMAPABLE | SEGV_ON_FAULT)?;
    let refused = open.load().unwrap_err().to_string();
    assert!(refused.ends_with("which would end this process; remove one of them"), "{refused}");
    Ok(())
}

/// What the object itself declares to be pinned is refused when it is opened.
pub(crate) fn an_arena_that_declares_to_be_pinned() -> Outcome {
    let object = Skeleton::parse(&fixture("pinned"), "pinned")?.object.ok_or("it has one")?;
    let spec = Spec { name: "pinned", object: &object, streams: &[], samples: &[], dropped: &[], perf_pages: 8 };
    let refused = bpf::Open::new(&spec).unwrap_err();
    assert_eq!(refused.to_string(), format!("map `memory`: it holds the variables of the arena, and {REFUSED}"));
    Ok(())
}
