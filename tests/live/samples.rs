//! Samplers, which read or take all entries of a map.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use eunomia_runtime::bpf::{Deltas, Program, kind::ProgramKind};
use eunomia_tests::built::{
    maps, samples,
    samples::types::{Part, Prefix, Total},
    streams,
};

use super::{Outcome, maps::cpus, streams::parts};

fn load() -> eunomia_runtime::Result<samples::Loaded> {
    samples::open()?.load()
}

/// Runs a program of `bpf/samples.bpf.c`, which returns the number of rounds that it completed.
fn run(
    program: &Program<'_, impl ProgramKind>,
    count: u64,
    start: u64,
) -> eunomia_runtime::Result<()> {
    parts(count).try_for_each(|(count, first)| {
        let mut args = [count, start + first].map(u64::to_ne_bytes).concat();
        let run = program.test_run(Some(&mut args), None)?;
        assert_eq!(u64::from(run.return_value), count);
        Ok(())
    })
}

fn sorted<T: Clone + Ord>(items: &[T]) -> Vec<T> {
    let mut items = items.to_vec();
    items.sort_unstable();
    items
}

/// Sizes around the initial capacity of a sampler, and larger ones.
pub(crate) fn sample_holds_all_entries() -> Outcome {
    let skel = load()?;
    let (table, insert) = (skel.maps()?.table, skel.progs()?.insert);
    // The number of 36-byte entries in a megabyte.
    const ROOM: u64 = (1 << 20) / 36;
    let mut grown = table.sampler()?;
    let mut there = 0;
    for count in [
        0,
        1,
        15,
        16,
        17,
        4095,
        4096,
        4097,
        ROOM - 1,
        ROOM,
        ROOM + 1,
        2 * ROOM,
        2 * ROOM + 1,
        100_000,
    ] {
        run(&insert, count - there, there)?;
        there = count;
        let mut fresh = table.sampler()?;
        for sampler in [&mut fresh, &mut grown] {
            let sample = sampler.sample()?;
            assert!(
                sample
                    .iter()
                    .all(|(key, total)| total.count == 1 && total.bytes == u64::from(*key))
            );
            assert_eq!(sorted(sample.keys()), (0..count as u32).collect::<Vec<_>>());
            assert_eq!(
                (sample.len(), sample.values().len(), sample.is_empty()),
                (count as usize, count as usize, count == 0)
            );
        }
    }
    assert_eq!(table.entries()?.len(), 100_000);
    // Sampling into memory that is large enough does not allocate.
    let at = grown.entries().keys().as_ptr();
    assert_eq!(grown.sample()?.keys().as_ptr(), at);

    // A map that is full.
    let small = skel.maps()?.small;
    for key in 0..10_000 {
        small.insert(&key, &Total::default())?;
    }
    let mut sampler = small.sampler()?;
    for _ in 0..2 {
        assert_eq!(sorted(sampler.sample()?.keys()), (0..10_000).collect::<Vec<_>>());
    }
    assert_eq!(sorted(sampler.take()?.keys()), (0..10_000).collect::<Vec<_>>());
    assert!(small.entries()?.is_empty());
    Ok(())
}

/// The kernel's hash (`jhash` in `include/linux/jhash.h`) of a 4-byte key with the seed 0 of
/// `BPF_F_ZERO_SEED`, as a bucket number.
fn bucket_of(key: u32, buckets: u32) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(4);
    let (mut a, mut b, mut c) = (start.wrapping_add(key), start, start);
    let mix = |x: &mut u32, y: u32, bits: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(bits));
    mix(&mut c, b, 14);
    mix(&mut a, c, 11);
    mix(&mut b, a, 25);
    mix(&mut c, b, 16);
    mix(&mut a, c, 4);
    mix(&mut b, a, 14);
    mix(&mut c, b, 24);
    c & (buckets - 1)
}

/// A batch holds a bucket as a whole or not at all. This bucket is so large that the room for a
/// batch must be extended twice.
pub(crate) fn crowded_bucket_is_sampled() -> Outcome {
    let skel = load()?;
    let crowded = skel.maps()?.crowded;
    let keys: Vec<u32> = (0..).filter(|key| bucket_of(*key, 64) == 5).take(40).collect();
    for key in &keys {
        crowded.insert(key, &[*key as u8; 65536])?;
    }
    let mut sampler = crowded.sampler()?;
    let sample = sampler.sample()?;
    assert_eq!(sorted(sample.keys()), keys);
    assert!(sample.iter().all(|(key, value)| value.iter().all(|byte| *byte == *key as u8)));
    let mut fresh = crowded.sampler()?;
    assert_eq!(sorted(fresh.take()?.keys()), keys);
    assert!(sampler.sample()?.is_empty());
    Ok(())
}

/// Each sample has all entries that stay, and none twice, while 10,000 others come and go and those
/// that stay are replaced.
pub(crate) fn sample_is_complete_under_concurrent_changes() -> Outcome {
    const STABLE: u32 = 50_000;
    let skel = load()?;
    let table = skel.maps()?.table;
    run(&skel.progs()?.insert, STABLE.into(), 0)?;
    let mut sampler = table.sampler()?;
    let mut rounds = 0;
    let seen = thread::scope(|scope| {
        let sampling = scope.spawn(|| {
            let mut seen = 0;
            for _ in 0..super::rounds(25) {
                let sample = sampler.sample()?;
                let keys = sorted(sample.keys());
                assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "a key came twice");
                assert!(
                    keys.iter().take(STABLE as usize).copied().eq(0..STABLE),
                    "a key is missing"
                );
                assert!(
                    sample.iter().all(|(key, total)| total.bytes == u64::from(*key)),
                    "a value of another key"
                );
                seen += keys.len() - STABLE as usize;
            }
            Ok::<_, eunomia_runtime::Error>(seen)
        });
        while !sampling.is_finished() {
            for key in 0..10_000 {
                let (key, stable) = (STABLE + key, key * 5);
                table.insert(&key, &Total { bytes: key.into(), ..Total::default() })?;
                table.insert(&stable, &Total { bytes: stable.into(), ..Total::default() })?;
            }
            for key in 0..10_000 {
                assert!(table.remove(&(STABLE + key))?);
            }
            rounds += 1;
        }
        sampling.join().unwrap()
    })?;
    assert!(seen > 0 && rounds > 0, "no changes during sampling");
    Ok(())
}

/// A sample is also complete if the map is read key by key, and the walk has to restart.
pub(crate) fn restarted_walk_is_complete() -> Outcome {
    let skel = load()?;
    let devices = skel.maps()?.devices;
    const LOOPBACK: u32 = 1;
    for key in 0..1000 {
        devices.insert(&key, &LOOPBACK)?;
    }
    let mut sampler = devices.sampler()?;
    let complete = thread::scope(|scope| {
        let sampling = scope.spawn(|| {
            let mut complete = 0;
            for _ in 0..super::rounds(100) {
                let result = sampler.sample().map(|sample| sample.len());
                let keys = sorted(sampler.entries().keys());
                assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "a key came twice");
                match result {
                    Ok(len) => {
                        assert_eq!(len, keys.len());
                        assert!(keys.iter().take(1000).copied().eq(0..1000), "a key is missing");
                        complete += 1;
                    }
                    Err(error) => {
                        assert!(error.to_string().ends_with(
                            "it changes faster than it can be walked, so entries may be missing"
                        ))
                    }
                }
            }
            complete
        });
        for key in (1000..1200).cycle() {
            if sampling.is_finished() {
                break;
            }
            devices.insert(&key, &LOOPBACK)?;
            devices.remove(&(1000 + (key + 100) % 200))?;
        }
        Ok::<_, eunomia_runtime::Error>(sampling.join().unwrap())
    })?;
    assert!(complete > 0, "no walk was complete");
    Ok(())
}

/// Each entry is taken once: no count is lost or taken twice.
pub(crate) fn take_loses_no_counts() -> Outcome {
    let rounds = super::rounds(500);
    let skel = load()?;
    let (table, count) = (skel.maps()?.table, skel.progs()?.count);
    let mut sampler = table.sampler()?;
    let done = AtomicBool::new(false);
    let (mut taken, samples) = thread::scope(|scope| {
        let taking = scope.spawn(|| {
            let (mut taken, mut samples) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                let sample = sampler.take()?;
                samples += usize::from(!sample.is_empty());
                taken += sample.values().iter().map(|total| total.count).sum::<u64>();
            }
            Ok::<_, eunomia_runtime::Error>((taken, samples))
        });
        let counted = (0..rounds).try_for_each(|_| run(&count, 5000, 0));
        done.store(true, Ordering::Relaxed);
        counted.and(taking.join().unwrap())
    })?;
    assert!(samples > 1, "no entries were taken during counting");
    taken += sampler.take()?.values().iter().map(|total| total.count).sum::<u64>();
    assert_eq!(taken, 5000 * rounds);
    assert!(sampler.sample()?.is_empty());
    Ok(())
}

/// Increments in place all appear in the differences between samples, for hash tables and arrays,
/// per-CPU ones included.
pub(crate) fn deltas_lose_no_counts() -> Outcome {
    let rounds = super::rounds(300);
    let skel = load()?;
    let (maps, progs) = (skel.maps()?, skel.progs()?);
    let part = vec![Part::default(); cpus()];
    for key in 0..1000 {
        maps.table.insert(&key, &Total::default())?;
        maps.parts.insert(&key, &part)?;
    }
    let (mut table, mut parts) = (maps.table.sampler()?, maps.parts.sampler()?);
    let (mut cells, mut cpu_cells) = (maps.cells.sampler()?, maps.cpu_cells.sampler()?);
    let (mut in_table, mut in_parts, mut in_cells, mut in_cpu_cells) =
        (Deltas::new(), Deltas::new(), Deltas::new(), Deltas::new());
    let mut sums = [0; 4];
    let mut compare = || {
        let totals = in_table.compare(table.sample()?.iter().map(|(key, total)| (*key, *total)));
        sums[0] += totals.map(|change| change.growth(|total| total.count)).sum::<u64>();
        let merged = parts
            .sample()?
            .iter()
            .map(|(key, parts)| (*key, parts.sum(|part| u64::from(part.count))));
        sums[1] +=
            in_parts.compare(merged).map(|change| change.growth(|count| *count)).sum::<u64>();
        let counts = in_cells.compare(cells.sample()?.iter().map(|(key, count)| (*key, *count)));
        sums[2] += counts.map(|change| change.growth(|count| *count)).sum::<u64>();
        let merged = cpu_cells
            .sample()?
            .iter()
            .map(|(key, counts)| (*key, counts.sum(|count| u64::from(*count))));
        sums[3] +=
            in_cpu_cells.compare(merged).map(|change| change.growth(|count| *count)).sum::<u64>();
        Ok::<_, eunomia_runtime::Error>(())
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let comparing = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                compare()?;
            }
            compare()
        });
        let added = (0..rounds).try_for_each(|round| run(&progs.add, 5000, round));
        done.store(true, Ordering::Relaxed);
        added.and(comparing.join().unwrap())
    })?;
    assert_eq!(sums, [5000 * rounds; 4]);
    Ok(())
}

pub(crate) fn per_cpu_values_are_sampled() -> Outcome {
    let skel = load()?;
    let maps = skel.maps()?;
    let part = |cpu: usize| Part { count: 10 + cpu as u32, bytes: 1, last: 7 - cpu.min(7) as u32 };
    let values: Vec<_> = (0..cpus()).map(part).collect();
    // More than the initial capacity, at 16 bytes for each CPU.
    let count = super::rounds(20_000).max(5000) as u32;
    for key in 0..count {
        maps.parts.insert(&key, &values)?;
    }
    let mut sampler = maps.parts.sampler()?;
    for taken in [false, true] {
        let sample = if taken { sampler.take()? } else { sampler.sample()? };
        assert_eq!(sorted(sample.keys()), (0..count).collect::<Vec<_>>());
        assert_eq!((sample.iter().len(), sample.len()), (count as usize, count as usize));
        for (_, parts) in &sample {
            assert!(parts.into_iter().eq(&values));
            assert_eq!(
                parts.sum(|part| u64::from(part.count)),
                values.iter().map(|part| u64::from(part.count)).sum::<u64>()
            );
            assert_eq!(parts.max(|part| part.last), Some(7));
            let merged = parts.merge(|all, one| {
                all.bytes += one.bytes;
                all.last = all.last.min(one.last);
            });
            assert_eq!(
                merged,
                Part { count: 10, bytes: cpus() as u32, last: part(cpus() - 1).last }
            );
        }
    }
    assert!(sampler.sample()?.is_empty());

    // Arrays always have all entries; taking zeroes them.
    maps.cpu_cells.set(4999, &vec![3; cpus()])?;
    let mut sampler = maps.cpu_cells.sampler()?;
    for sum in [3 * cpus() as u32, 0] {
        let sample = sampler.take()?;
        assert!(sample.keys().iter().copied().eq(0..5000));
        let sums: Vec<u32> = sample.iter().map(|(_, counts)| counts.sum(|count| *count)).collect();
        assert!(sums[..4999].iter().all(|sum| *sum == 0) && sums[4999] == sum);
    }
    Ok(())
}

pub(crate) fn take_zeroes_arrays() -> Outcome {
    let skel = load()?;
    let cells = skel.maps()?.cells;
    for key in (0..100_000).step_by(1000) {
        cells.set(key, &u64::from(key))?;
    }
    let mut sampler = cells.sampler()?;
    let expected =
        |(key, value): (&u32, &u64)| *value == if key % 1000 == 0 { u64::from(*key) } else { 0 };
    assert!(sampler.sample()?.iter().all(expected));
    let taken = sampler.take()?;
    assert!(taken.keys().iter().copied().eq(0..100_000) && taken.iter().all(expected));
    let sample = sampler.sample()?;
    assert!(sample.len() == 100_000 && sample.values().iter().all(|value| *value == 0));
    Ok(())
}

/// Maps without batch operations, maps without batched deletion, and an LRU hash.
pub(crate) fn other_map_types_are_sampled() -> Outcome {
    let skel = load()?;
    let maps = skel.maps()?;
    for address in 0..5000 {
        maps.trie.insert(&Prefix { bits: 32, address }, &(address * 2))?;
    }
    let mut trie = maps.trie.sampler()?;
    let addresses =
        |keys: &[Prefix]| sorted(&keys.iter().map(|key| key.address).collect::<Vec<_>>());
    let sample = trie.sample()?;
    assert!(sample.into_iter().all(|(key, value)| *value == key.address * 2));
    assert_eq!(addresses(sample.keys()), (0..5000).collect::<Vec<_>>());
    assert_eq!(addresses(trie.take()?.keys()), (0..5000).collect::<Vec<_>>());
    assert!(trie.sample()?.is_empty());

    run(&skel.progs()?.insert, 10, 0)?;
    for key in 0..1000 {
        maps.lru.insert(&key, &Total { count: 2, ..Total::default() })?;
    }
    let mut lru = maps.lru.sampler()?;
    assert_eq!(lru.sample()?.len(), 1000);
    assert_eq!(lru.take()?.values().iter().map(|total| total.count).sum::<u64>(), 2000);
    assert!(lru.sample()?.is_empty());

    for key in 0..1000 {
        maps.devices.insert(&key, &1)?;
    }
    let mut devices = maps.devices.sampler()?;
    assert_eq!(sorted(devices.sample()?.keys()), (0..1000).collect::<Vec<_>>());
    assert_eq!(devices.take()?.values(), [1; 1000]);
    assert!(devices.sample()?.is_empty());

    let skel = maps::open()?.load()?;
    let maps = skel.maps()?;
    maps.calls.insert(&1, skel.progs()?.tail.fd()?)?;
    let mut calls = maps.calls.as_map().sampler()?;
    let keys = calls
        .sample()?
        .keys()
        .map(|key| u32::from_ne_bytes(key.try_into().unwrap()))
        .collect::<Vec<_>>();
    assert_eq!(keys, [1], "entries that are not set have no value");
    assert_eq!(calls.take()?.iter().len(), 1);
    assert!(calls.sample()?.is_empty());
    Ok(())
}

pub(crate) fn sampler_outlives_object() -> Outcome {
    let skel = load()?;
    run(&skel.progs()?.insert, 10, 0)?;
    let mut sampler = skel.maps()?.table.sampler()?;
    let mut bytes = skel.object().map("table")?.sampler()?;
    drop(skel);
    assert_eq!(sampler.sample()?.len(), 10);
    let mut total = Total { count: 1, bytes: 7, ..Total::default() };
    assert!(sampler.entries().into_iter().any(|entry| entry == (&7, &total)));
    total.bytes = 3;
    let total = eunomia_runtime::sample::Plain::bytes(&total);
    assert!(bytes.sample()?.iter().any(|entry| entry == (&3u32.to_ne_bytes()[..], total)));

    let skel = streams::open()?.load()?;
    let refused = skel.object().map("rb")?.sampler().unwrap_err();
    assert_eq!(refused.to_string(), "map `rb`: a map of type ringbuf has no entries to read");
    Ok(())
}
