//! The ways to read and to wait.

use std::{
    io,
    ops::ControlFlow,
    os::fd::AsFd as _,
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::{
    Error,
    reader::{PerfBuffer, Waiting},
};
use eunomia_tests::built::streams::{self, Export, types::Sample};

use super::{
    Outcome,
    child::{self, answer},
    pins::Pin,
    streams::{is_whole, load, run},
};

const WAIT: Duration = Duration::from_secs(5);

/// The sequence numbers of `mixture` that are delivered: those of whole and of longer records.
fn expected() -> Vec<u64> {
    (0..400).filter(|i| i % 4 == 0 || i % 4 == 3).collect()
}

pub(crate) fn runs_hold_all_records() -> Outcome {
    let skel = load()?;
    let rb = skel.maps()?.rb;
    let mut next = 0;
    for round in 0..150 {
        run(&skel.progs()?.produce, 700, round * 700, 3)?;
        let mut slices = 0;
        let count = rb.for_runs(|records| {
            slices += 1;
            for sample in records {
                assert!(is_whole(sample) && sample.seq == next);
                next += 1;
            }
        })?;
        assert_eq!(count, 700);
        assert!(slices < 100, "{slices}");
    }
    run(&skel.progs()?.mixture, 400, 0, 0)?;
    let mut seqs = Vec::new();
    rb.for_runs(|records| seqs.extend(records.iter().map(|sample| sample.seq)))?;
    assert_eq!(seqs, expected());
    let stats = rb.stats();
    assert_eq!(
        (stats.received, stats.discarded, stats.short, stats.drains),
        (105_200, 100, 100, 151)
    );
    Ok(())
}

pub(crate) fn batch_consumes_only_iterated_records() -> Outcome {
    let skel = load()?;
    let rb = skel.maps()?.rb;
    run(&skel.progs()?.mixture, 400, 0, 0)?;
    let mut seqs: Vec<u64> = rb.batch()?.iter().take(7).map(|sample| sample.seq).collect();
    assert_eq!(rb.stats().received, 7);
    let batch = rb.batch()?;
    // The events outlive the iterator, and the reader cannot be used while they live.
    let rest: Vec<&Sample> = batch.iter().collect();
    assert!(skel.poll(Duration::ZERO, |_| ()).is_err());
    seqs.extend(rest.iter().map(|sample| sample.seq));
    drop(batch);
    assert_eq!(seqs, expected());
    let stats = rb.stats();
    assert_eq!((stats.received, stats.discarded, stats.short), (200, 100, 100));
    assert_eq!(rb.batch()?.iter().count(), 0);
    Ok(())
}

pub(crate) fn maps_are_read_separately() -> Outcome {
    let skel = load()?;
    let maps = skel.maps()?;
    assert!(!skel.wait(Duration::from_millis(1))?);
    run(&skel.progs()?.produce, 3, 0, 0)?;
    run(&skel.progs()?.annotate, 1, 0, 0)?;
    run(&skel.progs()?.annotate, 1, 1, 0)?;
    run(&skel.progs()?.perf, 4, 0, 0)?;
    assert!(skel.wait(WAIT)?);
    assert_eq!(maps.notes.for_each(|note| assert_eq!(note.text.as_str(), Ok("noted")))?, 2);
    assert_eq!(maps.events.for_each(|sample| assert!(is_whole(sample)))?, 4);
    assert!(skel.wait(WAIT)?, "the ring buffer still has records");
    assert_eq!(
        maps.rb.for_each(|sample| if sample.seq == 1 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })?,
        2
    );
    assert_eq!(maps.rb.for_each(|_| ())?, 1);
    assert!(!skel.wait(Duration::from_millis(1))?);
    Ok(())
}

/// If objects share a ring buffer or a perf event array, in whatever way, one of them reads it.
pub(crate) fn map_has_one_reader() -> Outcome {
    let pin = Pin::new("one-reader");
    let one = load()?;
    one.object().map("rb")?.pin(&pin.0)?;
    let duplicate = one.object().map("rb")?.fd().try_clone_to_owned()?;
    let share = |open: &mut streams::Open, way: &str| match way {
        "descriptor" => open.object().reuse_map("rb", one.object().map("rb")?.fd()),
        "duplicate" => open.object().reuse_map("rb", duplicate.as_fd()),
        "pin" => open.object().set_pin_path("rb", &pin.0),
        _ => open.object().reuse_map("events", one.object().map("events")?.fd()),
    };
    for way in ["descriptor", "duplicate", "pin", "perf", "descriptor"] {
        let mut open = streams::open()?;
        share(&mut open, way)?;
        let refused = open.load().unwrap_err();
        let map = if way == "perf" { "events" } else { "rb" };
        assert!(matches!(refused, Error::InUse { .. }), "{way}: {refused}");
        assert_eq!(
            refused.to_string(),
            format!(
                "map `{map}`: this process already has a reader of it, and only one is possible; drop that one first, or leave the records to it \
                 (`Open::leave_records`)"
            )
        );
    }
    // The first object still reads the rings of the perf event array.
    run(&one.progs()?.perf, 5, 0, 0)?;
    assert_eq!(one.poll(WAIT, |_| ())?, 5);

    let mut open = streams::open()?;
    share(&mut open, "pin")?;
    share(&mut open, "perf")?;
    assert!(open.object().leave_records("nothing").is_err());
    open.object().leave_records("rb")?;
    open.object().leave_records("events")?;
    let two = open.load()?;
    run(&two.progs()?.produce, 3, 0, 0)?;
    run(&two.progs()?.perf, 4, 0, 0)?;
    run(&two.progs()?.annotate, 1, 0, 0)?;
    assert_eq!((two.poll(WAIT, |_| ())?, one.poll(WAIT, |_| ())?), (1, 7));
    // After the reader is dropped, another one continues at its position.
    run(&two.progs()?.produce, 2, 0, 0)?;
    drop(one);
    let mut open = streams::open()?;
    open.object().set_pin_path("rb", &pin.0)?;
    assert_eq!(open.load()?.poll(WAIT, |_| ())?, 2);
    Ok(())
}

/// Forks with perf rings open: the kernel does not map them in the child.
pub(crate) fn forks(_: &str) -> Outcome {
    let skel = load()?;
    run(&skel.progs()?.perf, 5, 0, 0)?;
    // SAFETY: this process has one thread.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // Some of this memory lies where the rings were.
        let memory = vec![vec![7_u8; 200 << 10]; 32];
        answer("poll", skel.poll(Duration::ZERO, |_| ()).unwrap_err());
        answer("drain", skel.drain(|_| ()).unwrap_err());
        drop(skel);
        let whole = memory.iter().flatten().all(|byte| *byte == 7);
        std::process::exit(if whole { 0 } else { 1 });
    }
    let mut status = 0;
    // SAFETY: the status outlives the call.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((status, skel.poll(WAIT, |_| ())?), (0, 5));
    Ok(())
}

pub(crate) fn forked_child_cannot_read_perf_rings() -> Outcome {
    let answers = child::run("forks")?;
    let expected = "map `events`: this process was forked from the one that opened its perf rings, and has no part in them: load the object \
                    after forking";
    assert_eq!((answers["poll"].as_str(), answers["drain"].as_str()), (expected, expected));
    Ok(())
}

pub(crate) fn callback_errors_lose_nothing() -> Outcome {
    let skel = load()?;
    run(&skel.progs()?.produce, 100, 0, 0)?;
    let mut seen = 0;
    let error = skel
        .poll(WAIT, |export| {
            let Export::Rb(sample) = export else { panic!("{export:?}") };
            seen += 1;
            if sample.seq % 10 == 5 {
                Err(io::Error::other(format!("no room for {}", sample.seq)))
            } else {
                Ok(())
            }
        })
        .unwrap_err();
    assert_eq!(error.to_string(), "the callback failed on 10 records; on the first: no room for 5");
    assert!(matches!(error, Error::Callback { count: 10, .. }));
    let stats = skel.stats().rb;
    assert_eq!((seen, stats.received, stats.failed), (100, 100, 10));
    assert_eq!(skel.poll(Duration::ZERO, |_| ())?, 0);
    Ok(())
}

pub(crate) fn pause_keeps_records() -> Outcome {
    let skel = load()?;
    let control = skel.control();
    control.pause();
    assert!(control.is_paused());
    run(&skel.progs()?.produce, 10, 0, 0)?;
    assert_eq!(
        (skel.poll(Duration::from_millis(20), |_| ())?, skel.maps()?.rb.for_each(|_| ())?),
        (0, 0)
    );
    let resumer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        control.resume();
        control
    });
    assert_eq!(skel.poll(Duration::from_secs(3600), |_| ())?, 10);
    let control = resumer.join().unwrap();

    // A pause that a callback requests takes effect within the group of records that is read at
    // once.
    run(&skel.progs()?.produce, 500, 0, 0)?;
    let first = skel.poll(WAIT, |_| control.pause())?;
    assert!((1..=32).contains(&first), "{first}");
    control.resume();
    assert_eq!(skel.poll(WAIT, |_| ())?, 500 - first);
    control.stop();
    control.resume();
    assert!(control.is_stopping() && !control.is_paused(), "a stop is permanent");
    assert_eq!((skel.poll(WAIT, |_| ())?, control.is_stopped()), (0, true));
    Ok(())
}

/// Samples below the watermark are also delivered to a reader that sleeps.
pub(crate) fn perf_sample_below_watermark_is_delivered() -> Outcome {
    let mut open = streams::open()?;
    let buffer = PerfBuffer { pages: 8, flush: Duration::from_millis(20), ..PerfBuffer::default() };
    open.object().set_perf_buffer(buffer);
    let skel = open.load()?;
    skel.set_waiting(Waiting::Epoll);
    let produce = skel.progs()?.perf.fd()?.try_clone_to_owned()?;
    let producer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        super::streams::raw_test_run(&produce, [1, 0, 0]);
    });
    let start = Instant::now();
    assert_eq!(skel.poll(Duration::from_secs(60), |_| ())?, 1);
    assert!(start.elapsed() < Duration::from_secs(30));
    producer.join().unwrap();
    Ok(())
}

/// A ring without pages would silently drop all samples, and the size of a huge ring overflows.
pub(crate) fn perf_ring_pages_must_be_power_of_two() -> Outcome {
    for pages in [0, 3, 1 << 20, 1 << 52, usize::MAX] {
        let mut open = streams::open()?;
        open.object().set_perf_buffer(PerfBuffer { pages, ..PerfBuffer::default() });
        let error = open.load().unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "map `events`: rings cannot have {pages} pages; expected a power of two, at most 524288"
            )
        );
    }
    Ok(())
}

/// A variable with a certain name counts drops; without one the losses are unknown.
pub(crate) fn drop_counters_of_programs_are_reported() -> Outcome {
    use eunomia_tests::included::flood;

    let skel = flood::open()?.load()?;
    assert_eq!(
        (skel.stats().larges.lost, skel.stats().smalls.lost, skel.stats().events.lost),
        (Some(0), None, Some(0))
    );
    // The ring of 4,096 bytes holds 23 records of 176 bytes.
    skel.progs()?.stream_large.test_run(Some(&mut 100u64.to_ne_bytes()), None)?;
    let read = skel.poll(WAIT, |_| ())?;
    let lost = skel.stats().larges.lost;
    assert_eq!((read, lost), (23, Some(77)));

    let skel = eunomia_runtime::Skeleton::parse(&eunomia_tests::fixture("flood"), "flood")?
        .open()?
        .load()?;
    skel.object().program("stream_large")?.test_run(Some(&mut 30u64.to_ne_bytes()), None)?;
    let lost: Vec<_> = skel
        .stats()
        .into_iter()
        .filter(|(map, _)| *map == "larges")
        .map(|(_, stats)| stats.lost)
        .collect();
    assert_eq!(lost, [Some(7)]);
    Ok(())
}
