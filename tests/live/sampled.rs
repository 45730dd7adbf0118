//! Maps that are sampled at intervals by `poll`.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use eunomia_runtime::{Skeleton, reader::Waiting};
use eunomia_tests::built::sampled::{self, Export, types::Prefix};

use super::{Outcome, streams::parts};

const WAIT: Duration = Duration::from_secs(10);

/// Inserts `count` keys from `start` on, each with a count of 1.
fn insert(skel: &sampled::Loaded, count: u64, start: u64) -> eunomia_runtime::Result<()> {
    parts(count).try_for_each(|(count, first)| {
        let mut args = [count, start + first].map(u64::to_ne_bytes).concat();
        skel.progs()?.insert.test_run(Some(&mut args), None).map(drop)
    })
}

pub(crate) fn entries_are_delivered_at_intervals() -> Outcome {
    for waiting in [Waiting::default(), Waiting::Epoll] {
        let skel = sampled::open()?.load()?;
        skel.set_waiting(waiting);
        let start = Instant::now();
        insert(&skel, 1000, 0)?;
        skel.maps()?.trie.insert(&Prefix { bits: 8, address: 10 }, &7)?;
        let (mut counts, mut prefixes) = (BTreeMap::new(), 0);
        while prefixes < 3 {
            skel.poll(WAIT, |export| match export {
                Export::Table(entry) => *counts.entry(*entry.key).or_insert(0) += entry.value.count,
                Export::Trie(entry) => {
                    assert_eq!((entry.key.address, entry.value), (10, &7));
                    prefixes += 1;
                }
            })?;
        }
        // Entries of `table` are removed when they are read, so each is delivered once; those of
        // `trie` are delivered repeatedly.
        assert_eq!(counts, (0..1000).map(|key| (key, 1)).collect());
        assert_eq!(skel.maps()?.table.keys().count(), 0);
        let stats = skel.stats();
        assert_eq!((stats.table.received, stats.trie.received, stats.trie.drains), (1000, 3, 3));
        assert!(start.elapsed() >= Duration::from_millis(150));
        insert(&skel, 5, 0)?;
        let mut texts = Vec::new();
        while texts.len() < 5 {
            skel.poll(WAIT, |export| {
                if matches!(export, Export::Table(_)) {
                    texts.push(export.to_string());
                }
            })?;
        }
        texts.sort();
        assert_eq!(texts[4], "key=4 value={count=1 bytes=4 last=0 cpu=0 unused=0}");
    }
    Ok(())
}

/// Entries that were inserted after the last interval are delivered by `drain`, and after a stop.
pub(crate) fn drain_and_stop_ignore_interval() -> Outcome {
    let skel = sampled::open()?.load()?;
    insert(&skel, 100, 0)?;
    let mut keys = Vec::new();
    let mut take = |export: Export<'_>| {
        if let Export::Table(entry) = export {
            keys.push(*entry.key);
        }
    };
    // The first interval may have ended or not: either way each entry is delivered once.
    skel.drain(&mut take)?;
    insert(&skel, 100, 100)?;
    skel.control().stop();
    assert_eq!(skel.poll(Duration::ZERO, &mut take)?, 100);
    assert!(skel.control().is_stopped());
    insert(&skel, 100, 200)?;
    assert_eq!(skel.poll(Duration::ZERO, &mut take)?, 0);
    skel.drain(&mut take)?;
    keys.sort_unstable();
    assert_eq!(keys, (0..300).collect::<Vec<_>>());

    // A callback that ends each poll gets the rest of the last sample, and no further sample.
    let skel = sampled::open()?.load()?;
    insert(&skel, 100, 0)?;
    skel.control().stop();
    let mut seen = 0;
    while !skel.control().is_stopped() {
        skel.poll(WAIT, |export| {
            if let Export::Table(_) = export {
                seen += 1;
                insert(&skel, 1, 1000 + seen).unwrap();
            }
            if seen % 7 == 6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
    }
    assert_eq!(seen, 100);
    Ok(())
}

/// Sampled entries are removed from the map, so after a break later polls must deliver the rest.
pub(crate) fn break_keeps_remaining_entries() -> Outcome {
    let skel = sampled::open()?.load()?;
    insert(&skel, 100, 0)?;
    let (mut keys, mut polls) = (Vec::new(), 0);
    while keys.len() < 100 {
        skel.poll(WAIT, |export| match export {
            Export::Table(entry) => {
                keys.push(*entry.key);
                if keys.len() % 7 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            Export::Trie(_) => ControlFlow::Continue(()),
        })?;
        polls += 1;
    }
    keys.sort_unstable();
    assert_eq!(keys, (0..100).collect::<Vec<_>>());
    assert!(polls >= 15, "{polls}");
    Ok(())
}

pub(crate) fn interval_wakes_event_loop() -> Outcome {
    let skel = sampled::open()?.load()?;
    insert(&skel, 3, 0)?;
    let mut received = 0;
    while received < 3 {
        let mut poll = libc::pollfd {
            fd: std::os::fd::AsRawFd::as_raw_fd(&skel.object().as_fd()),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: the pointer is to one entry, which outlives the call.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 10_000) }, 1);
        received += skel.poll(Duration::ZERO, |_| ())?;
    }
    assert_eq!(received, 3);
    Ok(())
}

pub(crate) fn dynamic_entries_have_keys() -> Outcome {
    let skel = Skeleton::from_file(concat!(env!("OUT_DIR"), "/sampled.json"))?.open()?.load()?;
    let program = skel.object().program("insert")?;
    program.test_run(Some(&mut [2u64, 40].map(u64::to_ne_bytes).concat()), None)?;
    let mut entries = Vec::new();
    while entries.len() < 2 {
        skel.poll(WAIT, |event| {
            entries.push((
                event.map.to_owned(),
                event.key.unwrap().to_string(),
                event.value.to_string(),
            ))
        })?;
    }
    entries.sort();
    let value = |key| {
        ("table".to_owned(), format!("{key}"), format!("count=1 bytes={key} last=0 cpu=0 unused=0"))
    };
    assert_eq!(entries, [value(40), value(41)]);
    Ok(())
}
