//! Typed handles of maps, one test for each kind.

use std::{fs::File, os::fd::FromRawFd as _};

use eunomia_runtime::{
    Skeleton,
    bpf::{Array, HashMap, MapOfMaps, MapType, Storage},
};
use eunomia_tests::built::{
    kinds::{
        self,
        types::{Color, MarkerT, Point},
    },
    maps::{
        self,
        types::{Cell, Prefix},
    },
    newer,
};

use super::{Outcome, errno, hooks::Group, refusals::sources};

fn point(x: i16, y: i32) -> Point {
    Point { x, y, ..Point::default() }
}

pub(crate) fn hash_map_stores_entries() -> Outcome {
    let skel = kinds::open()?.load()?;
    let maps = skel.maps()?;
    for i in 0..4 {
        maps.markers.insert(
            &point(i, -1),
            &MarkerT { id: i as u8, at: point(0, i.into()), ..MarkerT::default() },
        )?;
    }
    assert_eq!(
        maps.markers.get(&point(2, -1))?.map(|marker| (marker.id, marker.at.y)),
        Some((2, 2))
    );
    assert_eq!(maps.markers.get(&point(2, 0))?, None);
    let full = maps.markers.insert(&point(9, 9), &MarkerT::default()).unwrap_err();
    assert_eq!(errno(&full), Some(libc::E2BIG), "{full}");
    assert_eq!(
        (maps.markers.remove(&point(0, -1))?, maps.markers.remove(&point(0, -1))?),
        (true, false)
    );
    let mut keys: Vec<i16> =
        maps.markers.iter().map(|entry| entry.map(|(key, _)| key.x)).collect::<Result<_, _>>()?;
    keys.sort_unstable();
    assert_eq!(keys, [1, 2, 3]);

    maps.by_color.insert(&Color::GREEN, &5)?;
    assert_eq!(maps.by_color.get(&Color::ALSO_GREEN)?, Some(5), "the names are aliases");
    maps.sized.insert(b"sixsix", b"ok")?;
    assert_eq!(maps.sized.get(b"sixsix")?, Some(*b"ok"));
    Ok(())
}

pub(crate) fn array_map_stores_values() -> Outcome {
    let skel = kinds::open()?.load()?;
    let points = skel.maps()?.points;
    assert_eq!((points.len(), points.get(2)?), (3, Some(Point::default())));
    points.set(2, &point(1, 2))?;
    assert_eq!((points.get(2)?, points.get(3)?), (Some(point(1, 2)), None));
    assert_eq!(errno(&points.set(3, &point(1, 2)).unwrap_err()), Some(libc::E2BIG));
    Ok(())
}

pub(crate) fn array_is_accessed_in_place() -> Outcome {
    let skel = maps::open()?.load()?;
    let maps = skel.maps()?;
    let values = maps.in_place.in_place()?;
    assert_eq!((values.len(), values.at(3).is_none()), (3, true));
    let last = values.at(2).ok_or("the array has three entries")?;
    last.set(100)?;
    values.at(0).ok_or("the array has three entries")?.set(7)?;
    skel.progs()?.run.test_run(None, None)?;
    assert_eq!(
        (last.get()?, maps.in_place.get(2)?, maps.in_place.get(0)?),
        (105, Some(105), Some(7))
    );
    assert_eq!(last.update(|value| value * 2)?, 105);
    maps.in_place.set(1, &9)?;
    skel.progs()?.run.test_run(None, None)?;
    assert_eq!(values.iter().map(|value| value.get()).collect::<Result<Vec<_>, _>>()?, [7, 9, 215]);
    let plain = maps.array.in_place().unwrap_err();
    assert_eq!(
        plain.to_string(),
        "map `array`: it cannot be mapped; declare it with `__uint(map_flags, BPF_F_MMAPABLE)`"
    );
    Ok(())
}

pub(crate) fn maps_in_maps_are_typed() -> Outcome {
    let skel = maps::open()?.load()?;
    let maps = skel.maps()?;
    // The object initializes entry 1 with `first`.
    maps.first.set(0, &11)?;
    let first = maps.outer.get(&1)?.ok_or("the entry is missing")?;
    assert_eq!(
        (first.as_map().name().to_str(), first.len(), first.get(0)?),
        (Some("first"), 1, Some(11))
    );
    maps.outer.insert(&2, maps.second.as_map().fd())?;
    maps.outer.get(&2)?.ok_or("the entry is missing")?.set(0, &22)?;
    assert_eq!((maps.second.get(0)?, maps.outer.get(&3)?.is_none()), (Some(22), true));
    let mut keys = maps.outer.keys().collect::<Result<Vec<_>, _>>()?;
    keys.sort_unstable();
    assert_eq!(keys, [1, 2]);
    assert_eq!((maps.outer.remove(&1)?, maps.outer.remove(&1)?), (true, false));
    assert!(maps.outer.get(&1)?.is_none());
    assert_eq!(first.get(0)?, Some(11), "the handle keeps the map alive");
    let other = maps.outer.insert(&1, maps.hash.as_map().fd()).unwrap_err();
    assert_eq!(errno(&other), Some(libc::EINVAL), "{other}");

    // Inner maps that are created here, for the program.
    assert!(maps.tables.get(&0)?.is_none());
    let table = maps.tables.create_inner()?;
    table.insert(&2, &cell(100))?;
    maps.tables.insert(&0, table.as_map().fd())?;
    maps.tables.insert(&1, maps.tables.create_inner()?.as_map().fd())?;
    skel.progs()?.run.test_run(None, None)?;
    assert_eq!((table.get(&2)?, table.as_map().max_entries()), (Some(cell(107)), 8));
    assert_eq!(table.as_map().name(), "tables.inner");
    assert_eq!(maps.tables.get(&0)?.ok_or("the entry is missing")?.entries()?, [(2, cell(107))]);
    assert_eq!(maps.tables.get(&1)?.ok_or("the entry is missing")?.entries()?, []);
    assert_eq!(maps.tables.keys().collect::<Result<Vec<_>, _>>()?, [0, 1]);

    let untyped: MapOfMaps<'_, u32> = skel.object().map("tables")?.into_typed()?;
    assert_eq!(untyped.get(&0)?.ok_or("the entry is missing")?.kind(), table.as_map().kind());
    let wrong: MapOfMaps<'_, u32, HashMap<'_, u32, u64>> =
        skel.object().map("outer")?.into_typed()?;
    let wrong = wrong.get(&2).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "map `second`: it is of type array, not hash or lru_hash or lpm_trie or devmap or devmap_hash or cpumap"
    );
    Ok(())
}

pub(crate) fn wrong_types_are_refused() -> Outcome {
    let skel = kinds::open()?.load()?;
    let map = |name| skel.object().map(name);
    let size = map("markers")?.into_typed::<HashMap<u32, u64>>().unwrap_err();
    assert_eq!(
        size.to_string(),
        "map `markers`: its key and value sizes are 8 and 12 bytes, expected 4 and 8"
    );
    let kind = map("markers")?.into_typed::<Array<u64>>().unwrap_err();
    assert_eq!(kind.to_string(), "map `markers`: it is of type hash, not array");
    Ok(())
}

fn cell(id: u32) -> Cell {
    Cell { id, ..Cell::default() }
}

pub(crate) fn cpus() -> usize {
    let list = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap();
    1 + list.trim().rsplit(['-', ',']).next().unwrap().parse::<usize>().unwrap()
}

pub(crate) fn entries_are_read_in_batches() -> Outcome {
    let skel = maps::open()?.load()?;
    let maps = skel.maps()?;
    for key in 0..1000 {
        assert!(maps.hash.insert_new(&key, &cell(key * 2))?);
    }
    assert!(!maps.hash.insert_new(&7, &cell(0))?);
    let sorted = |mut entries: Vec<(u32, Cell)>| {
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries
    };
    let expected: Vec<_> = (0..1000).map(|key| (key, cell(key * 2))).collect();
    assert_eq!(sorted(maps.hash.entries()?), expected);
    let mut walked = Vec::new();
    for entry in &maps.hash {
        walked.push(entry?);
    }
    assert_eq!(sorted(walked), expected);
    // Entries may be removed during the iteration.
    for key in maps.hash.keys() {
        maps.hash.remove(&key?)?;
    }
    assert_eq!(maps.hash.entries()?, []);
    Ok(())
}

pub(crate) fn per_cpu_maps_hold_value_per_cpu() -> Outcome {
    let skel = maps::open()?.load()?;
    let maps = skel.maps()?;
    let values: Vec<_> = (0..cpus() as u32).map(cell).collect();
    maps.per_cpu.insert(&5, &values)?;
    assert_eq!((maps.per_cpu.get(&5)?, maps.per_cpu.get(&6)?), (Some(values.clone().into()), None));
    assert_eq!(maps.per_cpu.iter().collect::<Result<Vec<_>, _>>()?, [(5, values.clone().into())]);
    let wrong = maps.per_cpu.insert(&5, &values[1..]).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        format!(
            "map `per_cpu`: expected {} values, one for each possible CPU, not {}",
            cpus(),
            cpus() - 1
        )
    );

    maps.per_cpu_array.set(1, &values)?;
    assert_eq!(
        (maps.per_cpu_array.get(1)?, maps.per_cpu_array.get(2)?),
        (Some(values.into()), None)
    );
    for _ in 0..10 {
        skel.progs()?.run.test_run(None, None)?;
    }
    let counts = maps.per_cpu_array.get(0)?.unwrap();
    assert_eq!((counts.len(), counts.sum(|cell| cell.id)), (cpus(), 10));
    Ok(())
}

pub(crate) fn queue_and_stack_pop_in_order() -> Outcome {
    let skel = maps::open()?.load()?;
    let maps = skel.maps()?;
    for (map, order) in [(&maps.queue, [1, 2]), (&maps.stack, [2, 1])] {
        assert_eq!(map.pop()?, None);
        map.push(&cell(1))?;
        map.push(&cell(2))?;
        assert_eq!(errno(&map.push(&cell(3)).unwrap_err()), Some(libc::E2BIG));
        assert_eq!(map.peek()?, Some(cell(order[0])));
        assert_eq!(
            (map.pop()?, map.pop()?, map.peek()?),
            (Some(cell(order[0])), Some(cell(order[1])), None)
        );
    }
    Ok(())
}

pub(crate) fn bloom_filter_reports_members() -> Outcome {
    let skel = newer::open()?.load()?;
    let bloom = skel.maps()?.bloom;
    assert!(!bloom.may_contain(&77)?);
    bloom.insert(&77)?;
    assert!(bloom.may_contain(&77)?);
    Ok(())
}

pub(crate) fn trie_finds_longest_prefix() -> Outcome {
    let skel = maps::open()?.load()?;
    let trie = skel.maps()?.trie;
    trie.insert(&Prefix { bits: 8, address: [10, 0, 0, 0] }, &1)?;
    trie.insert(&Prefix { bits: 16, address: [10, 1, 0, 0] }, &2)?;
    let longest = |address| trie.get(&Prefix { bits: 32, address });
    assert_eq!(
        (longest([10, 1, 2, 3])?, longest([10, 2, 2, 3])?, longest([11, 0, 0, 1])?),
        (Some(2), Some(1), None)
    );
    assert_eq!(trie.entries()?.len(), 2);
    Ok(())
}

pub(crate) fn program_array_entry_enables_tail_call() -> Outcome {
    let skel = maps::open()?.load()?;
    let (maps, progs) = (skel.maps()?, skel.progs()?);
    progs.run.test_run(None, None)?;
    assert_eq!(skel.bss()?.called.get()?, 0);
    maps.calls.insert(&1, progs.tail.fd()?)?;
    progs.run.test_run(None, None)?;
    assert_eq!(skel.bss()?.called.get()?, 1, "the tail call did not run");
    assert!(maps.calls.remove(&1)?);
    progs.run.test_run(None, None)?;
    assert_eq!(skel.bss()?.called.get()?, 1);
    assert_eq!((maps.stacks.get(3)?, maps.stacks.ids().count()), (None, 0));
    Ok(())
}

pub(crate) fn task_storage_is_keyed_by_pidfd() -> Outcome {
    let skel = newer::open()?.load()?;
    let tasks = skel.maps()?.tasks;
    // SAFETY: the call takes no pointers.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, std::process::id(), 0) };
    assert!(pidfd >= 0);
    // SAFETY: the descriptor is new and not owned elsewhere.
    let pidfd = unsafe { std::os::fd::OwnedFd::from_raw_fd(pidfd as i32) };
    let cell = newer::types::Cell { id: 4, ..Default::default() };
    assert_eq!(tasks.get(&pidfd)?, None);
    tasks.insert(&pidfd, &cell)?;
    assert_eq!(
        (tasks.get(&pidfd)?, tasks.remove(&pidfd)?, tasks.remove(&pidfd)?),
        (Some(cell), true, false)
    );
    Ok(())
}

/// The values of a cgroup storage are found by a descriptor of the cgroup.
pub(crate) fn cgroup_storage_is_keyed_by_descriptor() -> Outcome {
    let source = sources::read(include_str!("agreed.c")).remove(0);
    let loaded = Skeleton::from_object(source.name, sources::compile(&source), source.name)?
        .open()?
        .load()?;
    let map = loaded.object().map("m")?;
    assert_eq!(map.kind(), MapType::CGrpStorage);
    let cells = map.into_typed::<Storage<u64>>()?;
    let own = Group::new("storage")?;
    let folder = File::open(&own.0)?;
    assert_eq!(cells.get(&folder)?, None);
    cells.insert(&folder, &7)?;
    assert_eq!((cells.get(&folder)?, cells.remove(&folder)?), (Some(7), true));
    Ok(())
}
