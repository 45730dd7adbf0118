//! Recordings of events, replayed typed and dynamic.

use std::{
    fs::{self, File},
    io::BufWriter,
    time::Duration,
};

use eunomia_runtime::{
    Skeleton,
    recording::{Replay, Replayed},
};
use eunomia_tests::{
    built::streams::{self, Export},
    fixture,
};

use super::{
    Outcome,
    streams::{load, run},
};

const WAIT: Duration = Duration::from_secs(5);

/// Sends whole, discarded, short and long records, notes, and samples through a perf ring.
fn send(skel: &streams::Loaded) -> eunomia_runtime::Result<()> {
    let progs = skel.progs()?;
    run(&progs.mixture, 40, 0, 1)?;
    run(&progs.annotate, 1, 7, 0)?;
    run(&progs.produce, 10, 100, 2)?;
    run(&progs.perf, 5, 200, 3)
}

pub(crate) fn recording_holds_delivered_events() -> Outcome {
    let path = std::env::temp_dir().join(format!("eunomia-{}.rec", std::process::id()));
    let skel = load()?;
    let mut recorder = streams::recorder(BufWriter::new(File::create(&path)?))?.timed();
    let mut seen = Vec::new();
    let mut count = 0;
    for _ in 0..3 {
        send(&skel)?;
        // 20 records of the mixture, a note, 10 samples, and 5 samples through the perf ring.
        let whole = count + 36;
        while count < whole {
            count += skel.object().poll(WAIT, |map, record| {
                recorder
                    .record(map, record)
                    .and(Export::deliver(map, record, |event| seen.push(event.to_string())))
            })?;
        }
    }
    recorder.finish()?;
    let stats = skel.stats();
    assert_eq!(
        (count, stats.rb.short, stats.rb.discarded),
        (108, 30, 30),
        "short records were counted, and not recorded"
    );
    drop(skel);

    let mut typed = Vec::new();
    let replayed = streams::replay(File::open(&path)?, |event| typed.push(event.to_string()))?;
    assert_eq!((replayed, &typed), (Replayed { records: 108, short: 0, left_over: 0 }, &seen));
    let mut dynamic = Vec::new();
    Skeleton::parse(&fixture("streams"), "streams")?
        .replay(File::open(&path)?, |event| dynamic.push(event.value.to_string()))?;
    assert_eq!(dynamic, seen);
    // Records are aligned for reading in place, and their times do not decrease.
    let bytes = fs::read(&path)?;
    let mut replay = Replay::new(&bytes[..])?;
    let mut last = Duration::ZERO;
    while let Some(entry) = replay.read()? {
        assert!(
            entry.bytes.as_ptr().addr().is_multiple_of(16)
                && entry.time.is_some_and(|time| time >= last)
        );
        last = entry.time.unwrap_or_default();
    }
    fs::remove_file(&path)?;
    Ok(())
}

pub(crate) fn dynamic_recording_is_replayed_typed() -> Outcome {
    let skel = Skeleton::parse(&fixture("streams"), "streams")?.open()?.load()?;
    let mut recorder = skel.checked().recorder(Vec::new())?;
    run(&skel.object().program("mixture")?, 40, 0, 1)?;
    run(&skel.object().program("annotate")?, 1, 7, 0)?;
    let mut seen = Vec::new();
    let count = skel.object().poll(WAIT, |map, record| {
        recorder
            .record(map, record)
            .and(skel.checked().deliver(map, record, |event| seen.push(event.value.to_string())))
    })?;
    let recording = recorder.finish()?;
    let mut typed = Vec::new();
    let replayed = streams::replay(&recording[..], |event| typed.push(event.to_string()))?;
    assert_eq!((count, replayed.records, typed), (21, 21, seen));
    Ok(())
}
