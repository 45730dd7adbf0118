//! Callbacks that end a read early, for each way of reading: the next read delivers the records
//! that they did not get.

use std::{
    cell::Cell,
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind, panic_any, set_hook, take_hook},
    time::Duration,
};

use eunomia_runtime::{Error, reader::Stats};
use eunomia_tests::included::faults::{Export, Loaded};

use super::{Outcome, faults::load};

/// Longer than the sampling interval of the table.
const WAIT: Duration = Duration::from_millis(20);
const SENT: u64 = 100;

/// The callback, which gets the sequence numbers of records that are delivered together.
type Callback<'a> = &'a mut dyn FnMut(&[u64]) -> io::Result<ControlFlow<()>>;

/// A way to read one map. Records of other maps are ignored.
struct Way {
    name: &'static str,
    read: fn(&Loaded, Callback<'_>) -> eunomia_runtime::Result<u64>,
    stats: fn(&Loaded) -> Stats,
}

const WAYS: [Way; 6] = [
    Way {
        name: "rb.for_each",
        read: |skel, f| skel.maps()?.rb.for_each(|beat| f(&[beat.seq])),
        stats: |skel| skel.stats().rb,
    },
    Way {
        name: "rb.for_runs",
        read: |skel, f| {
            skel.maps()?
                .rb
                .for_runs(|beats| f(&beats.iter().map(|beat| beat.seq).collect::<Vec<_>>()))
        },
        stats: |skel| skel.stats().rb,
    },
    Way { name: "rb.batch", read: batch, stats: |skel| skel.stats().rb },
    Way {
        name: "events.for_each",
        read: |skel, f| skel.maps()?.events.for_each(|beat| f(&[beat.seq])),
        stats: |skel| skel.stats().events,
    },
    Way {
        name: "poll of the ring buffer",
        read: |skel, f| {
            skel.poll(WAIT, |export| {
                if let Export::Rb(beat) = export {
                    f(&[beat.seq])
                } else {
                    Ok(ControlFlow::Continue(()))
                }
            })
        },
        stats: |skel| skel.stats().rb,
    },
    Way {
        name: "poll of the table",
        read: |skel, f| {
            skel.poll(WAIT, |export| match export {
                Export::Table(entry) => f(&[*entry.key]),
                _ => Ok(ControlFlow::Continue(())),
            })
        },
        stats: |skel| skel.stats().table,
    },
];

/// Reads a batch. Code that iterates can stop by itself.
fn batch(skel: &Loaded, f: Callback<'_>) -> eunomia_runtime::Result<u64> {
    let (maps, mut taken) = (skel.maps()?, 0);
    for beat in &maps.rb.batch()? {
        taken += 1;
        if f(&[beat.seq]).is_ok_and(|flow| flow.is_break()) {
            break;
        }
    }
    Ok(taken)
}

/// Reads until all records have arrived, calling `fault` now and then. Asserts that each record
/// arrives once, those of streams in order.
fn interrupted(
    way: &Way,
    mut fault: impl FnMut(&Loaded) -> io::Result<ControlFlow<()>>,
) -> Result<Stats, Box<dyn std::error::Error>> {
    let skel = load()?;
    skel.progs()?.work.test_run(Some(&mut [SENT, 0, 0].map(u64::to_ne_bytes).concat()), None)?;
    let (mut seen, faults) = (Vec::new(), Cell::new(0));
    for _ in 0..200 {
        let mut callback = |seqs: &[u64]| {
            seen.extend_from_slice(seqs);
            // After every seventh record.
            if seen.len() / 7 > faults.get() {
                faults.set(seen.len() / 7);
                return fault(&skel);
            }
            Ok(ControlFlow::Continue(()))
        };
        let read = catch_unwind(AssertUnwindSafe(|| (way.read)(&skel, &mut callback)));
        skel.control().resume();
        if let Ok(read) = read {
            read?;
        }
        if seen.len() as u64 >= SENT {
            break;
        }
    }
    if way.name.ends_with("table") {
        seen.sort_unstable();
    }
    assert!(seen.iter().copied().eq(0..SENT), "{}: {seen:?}", way.name);
    assert!(faults.get() >= 5, "{}: {faults:?}", way.name);
    (way.read)(&skel, &mut |_| panic!("{}: a record came twice", way.name))?;
    Ok((way.stats)(&skel))
}

pub(crate) fn break_keeps_remaining_records() -> Outcome {
    for way in &WAYS {
        let stats = interrupted(way, |_| Ok(ControlFlow::Break(())))?;
        assert_eq!((stats.received, stats.failed), (SENT, 0), "{}", way.name);
    }
    Ok(())
}

/// A pause takes effect a few records later.
pub(crate) fn pause_in_callback_keeps_remaining_records() -> Outcome {
    for way in &WAYS {
        let stats = interrupted(way, |skel| {
            skel.control().pause();
            Ok(ControlFlow::Continue(()))
        })?;
        assert_eq!((stats.received, stats.failed), (SENT, 0), "{}", way.name);
    }
    Ok(())
}

/// The reader stays usable after a panic, and records whose callback panicked are counted and not
/// delivered again.
pub(crate) fn panic_keeps_remaining_records() -> Outcome {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let results: Vec<_> =
        WAYS.iter().map(|way| interrupted(way, |_| panic_any("on purpose"))).collect();
    set_hook(hook);
    for (way, stats) in WAYS.iter().zip(results) {
        let stats = stats?;
        // Code that iterates over a batch is no callback.
        assert_eq!(
            (stats.received, stats.failed > 0),
            (SENT, way.name != "rb.batch"),
            "{}",
            way.name
        );
    }
    Ok(())
}

/// An error does not end the read: all records are delivered before the first error is returned.
pub(crate) fn error_does_not_stop_delivery() -> Outcome {
    for way in WAYS.iter().filter(|way| way.name != "rb.batch") {
        let skel = load()?;
        skel.progs()?
            .work
            .test_run(Some(&mut [SENT, 0, 0].map(u64::to_ne_bytes).concat()), None)?;
        let (mut seen, mut failed) = (0, 0);
        let mut callback = |seqs: &[u64]| {
            seen += seqs.len() as u64;
            if seqs.iter().all(|seq| seq % 10 != 5) {
                return Ok(ControlFlow::Continue(()));
            }
            failed += 1;
            Err(io::Error::other("no room"))
        };
        // A poll may end before the first sample is due.
        let error = (0..10).find_map(|_| (way.read)(&skel, &mut callback).err());
        let Some(Error::Callback { count, source }) = error else {
            return Err(format!("{}: {error:?}", way.name).into());
        };
        assert_eq!(
            (seen, count, source.to_string().as_str()),
            (SENT, failed, "no room"),
            "{}",
            way.name
        );
        let stats = (way.stats)(&skel);
        assert_eq!((stats.received, stats.failed), (SENT, failed), "{}", way.name);
    }
    Ok(())
}
