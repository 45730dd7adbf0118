//! Definitions of maps that user space changes before loading.

use std::{fs, time::Duration};

use eunomia_runtime::{
    Error,
    bpf::{Array, HashMap, Map, MapSpec, MapType, PerCpuHashMap, ReadWrite},
};
use eunomia_tests::built::{
    congestion,
    given::{
        self,
        types::{Event, Net, Net6},
    },
    maps,
};

use super::{
    Outcome, errno,
    given::{INNER, open},
};

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
