//! The control handle and callbacks: stop, pause, break, panic, and waiting in another event loop.

use std::{
    ops::ControlFlow,
    os::fd::{AsFd as _, AsRawFd as _},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::reader::PerfBuffer;
use eunomia_tests::built::streams::{self, Export, Loaded, types::Sample};

use super::{
    Outcome,
    streams::{load, run},
};

pub(crate) fn stop_ends_wait() -> Outcome {
    let skel = load()?;
    let stop = skel.control();
    let start = Instant::now();
    let stopper = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        stop.stop();
    });
    assert_eq!(skel.poll(Duration::from_secs(3600), |_| ())?, 0);
    assert!(start.elapsed() < Duration::from_secs(60));
    stopper.join().unwrap();
    // A stop is permanent, and later polls return at once.
    run(&skel.progs()?.produce, 1, 0, 0)?;
    assert_eq!(skel.poll(Duration::from_secs(3600), |_| ())?, 0);
    assert!(skel.control().is_stopped());
    Ok(())
}

/// Each callback sends another record, so that the ring is never empty.
pub(crate) fn stop_ends_poll_of_busy_ring() -> Outcome {
    let skel = load()?;
    let stop = skel.control();
    let produce = skel.progs()?.produce;
    run(&produce, 500, 0, 0)?;
    let (mut count, mut sent) = (0, 500);
    while !stop.is_stopped() {
        skel.poll(Duration::from_secs(3600), |_| {
            count += 1;
            run(&produce, 1, 0, 0).unwrap();
            sent += 1;
            if count == 2100 {
                stop.stop();
                assert!(stop.is_stopping() && !stop.is_stopped());
            }
        })?;
    }
    // The records that were pending when the stop was seen are delivered, after the read in which
    // it was requested.
    assert_eq!(count, 3000);
    assert_eq!(skel.unread()?, sent - count);
    assert_eq!(skel.poll(Duration::from_secs(3600), |_| ())?, 0);
    assert_eq!(skel.drain(|_| ())?, sent - count);
    assert_eq!(skel.unread()?, 0);
    Ok(())
}

/// A loop over `poll` that is stopped between two polls delivers the pending records of all maps.
pub(crate) fn stop_delivers_pending_records() -> Outcome {
    for paused in [false, true] {
        let skel = load()?;
        let control = skel.control();
        assert_eq!(skel.poll(Duration::ZERO, |_| ())?, 0);
        if paused {
            control.pause();
        }
        run(&skel.progs()?.produce, 300, 0, 0)?;
        run(&skel.progs()?.annotate, 1, 0, 0)?;
        run(&skel.progs()?.perf, 100, 0, 0)?;
        control.stop();
        let mut counts = [0; 3];
        while !control.is_stopped() {
            skel.poll(Duration::from_millis(100), |export| match export {
                Export::Rb(_) => counts[0] += 1,
                Export::Notes(_) => counts[1] += 1,
                Export::Events(_) => counts[2] += 1,
            })?;
        }
        assert_eq!((counts, skel.unread()?), ([300, 1, 100], 0));
    }
    Ok(())
}

/// A loop that reads maps ends after a stop, however it reads them.
pub(crate) fn stop_ends_loop_over_maps() -> Outcome {
    type Round = fn(&Loaded) -> eunomia_runtime::Result<u64>;
    let with_wait: Round = |skel| {
        let (maps, mut count) = (skel.maps()?, 0);
        if skel.wait(Duration::from_millis(100))? {
            count += maps.rb.for_runs(|_| ())?
                + maps.rb.for_each(|_| ())?
                + maps.rb.batch()?.iter().count() as u64;
            count += maps.notes.for_each(|_| ())? + maps.events.for_each(|_| ())?;
        }
        Ok(count)
    };
    let one_by_one: Round = |skel| {
        skel.wait(Duration::from_millis(100))?;
        skel.maps()?
            .rb
            .for_each(|_| ControlFlow::Break(()))
            .and_then(|count| Ok(count + with_others(skel)?))
    };
    let without_wait: Round = |skel| {
        let taken = skel.maps()?.rb.batch()?.iter().take(7).count() as u64;
        Ok(taken + with_others(skel)?)
    };
    let polls_what_it_waits_for: Round = |skel| {
        if skel.wait(Duration::from_millis(100))? {
            skel.poll(Duration::ZERO, |_| ())
        } else {
            Ok(0)
        }
    };
    for (name, round) in [
        ("with wait", with_wait),
        ("one by one", one_by_one),
        ("without wait", without_wait),
        ("polls what it waits for", polls_what_it_waits_for),
    ] {
        let skel = load()?;
        let control = skel.control();
        let mut count = round(&skel)?;
        run(&skel.progs()?.produce, 300, 0, 0)?;
        run(&skel.progs()?.annotate, 1, 0, 0)?;
        run(&skel.progs()?.perf, 100, 0, 0)?;
        control.stop();
        let mut rounds = 0;
        while !control.is_stopped() {
            count += round(&skel)?;
            rounds += 1;
            assert!(rounds < 400, "{name}: the loop does not end");
        }
        assert_eq!((count, skel.unread()?), (401, 0), "{name}");
    }
    Ok(())
}

fn with_others(skel: &Loaded) -> eunomia_runtime::Result<u64> {
    Ok(skel.maps()?.notes.for_each(|_| ())? + skel.maps()?.events.for_each(|_| ())?)
}

/// A map that nobody reads does not keep the loop running.
pub(crate) fn stop_does_not_wait_for_unread_map() -> Outcome {
    type Round = fn(&Loaded) -> eunomia_runtime::Result<u64>;
    let with_wait: Round = |skel| {
        if skel.wait(Duration::from_millis(100))? {
            skel.maps()?.rb.for_each(|_| ())
        } else {
            Ok(0)
        }
    };
    let without_wait: Round = |skel| skel.maps()?.rb.for_each(|_| ());
    for round in [with_wait, without_wait] {
        let skel = load()?;
        let control = skel.control();
        run(&skel.progs()?.produce, 300, 0, 0)?;
        run(&skel.progs()?.annotate, 1, 0, 0)?;
        control.stop();
        let (mut count, mut rounds) = (0, 0);
        while !control.is_stopped() {
            count += round(&skel)?;
            rounds += 1;
            assert!(rounds < 100, "the loop does not end");
        }
        assert_eq!((count, skel.unread()?), (300, 1));
    }
    Ok(())
}

/// A break ends one poll, and later polls deliver the rest.
pub(crate) fn break_after_stop_ends_one_poll() -> Outcome {
    let skel = load()?;
    let control = skel.control();
    let produce = skel.progs()?.produce;
    run(&produce, 50, 0, 0)?;
    control.stop();
    let mut seqs = Vec::new();
    while !control.is_stopped() {
        let polled = skel.poll(Duration::from_millis(100), |export| {
            let Export::Rb(sample) = export else { panic!("{export:?}") };
            seqs.push(sample.seq);
            // Records that are sent now are not waited for. Calls that fail inside a callback
            // change nothing.
            run(&produce, 1, 1000, 0).unwrap();
            assert!(
                skel.wait(Duration::ZERO).is_err() && skel.poll(Duration::ZERO, |_| ()).is_err()
            );
            if sample.seq % 10 == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        assert!(polled <= 10);
    }
    assert_eq!(seqs, (0..50).collect::<Vec<_>>());
    Ok(())
}

pub(crate) fn stop_now_leaves_pending_records() -> Outcome {
    let skel = load()?;
    let stop = skel.control();
    run(&skel.progs()?.produce, 900, 0, 0)?;
    let mut count = 0;
    skel.poll(Duration::from_secs(3600), |_| {
        count += 1;
        if count == 100 {
            stop.stop_now();
        }
    })?;
    assert!((100..116).contains(&count), "{count}");
    assert!(stop.is_stopped());
    assert_eq!((skel.poll(Duration::from_secs(3600), |_| ())?, skel.unread()?), (0, 900 - count));
    // `drain` still delivers the rest.
    assert_eq!(skel.drain(|_| ())?, 900 - count);

    // The handle of a dropped reader reports that it is stopped.
    let skel = load()?;
    let control = skel.control();
    drop(skel);
    assert!(control.is_stopped());
    Ok(())
}

pub(crate) fn callback_break_ends_poll() -> Outcome {
    let skel = load()?;
    run(&skel.progs()?.produce, 10, 0, 0)?;
    let mut seen = 0;
    let delivered = skel.poll(Duration::from_secs(5), |_| {
        seen += 1;
        if seen == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    assert_eq!((seen, delivered), (4, 4));
    assert_eq!(skel.poll(Duration::from_secs(5), |_| ())?, 6, "a break ends one poll only");
    Ok(())
}

pub(crate) fn callback_cannot_poll_its_reader() -> Outcome {
    let skel = load()?;
    run(&skel.progs()?.produce, 3, 0, 0)?;
    let mut seen = Vec::new();
    skel.poll(Duration::from_secs(5), |_| {
        let again = skel.poll(Duration::ZERO, |_| ()).unwrap_err();
        assert_eq!(
            again.to_string(),
            "poll: the reader is in a callback, or a batch of it is still held"
        );
        seen.push((skel.stats().rb.received, skel.bss().unwrap().sent.get().unwrap()));
        skel.maps().unwrap();
    })?;
    assert_eq!(
        (seen, skel.stats().rb.received),
        (vec![(0, 3); 3], 3),
        "counted when the read ends"
    );
    Ok(())
}

/// A second reader of the ring consumes records, and the kernel overwrites them.
pub(crate) fn damaged_ring_does_not_block_others() -> Outcome {
    let skel = load()?;
    let ring = skel.maps()?.rb.as_map().fd().as_raw_fd();
    // SAFETY: the kernel chooses the address of the new mapping of the consumer's page.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            ring,
            0,
        )
    };
    assert_ne!(page, libc::MAP_FAILED);
    // SAFETY: the page is mapped and aligned, and is only accessed atomically.
    let consumer = unsafe { AtomicU64::from_ptr(page.cast()) };
    let record = 8 + size_of::<Sample>() as u64;
    for round in 1..=3 {
        run(&skel.progs()?.produce, 900, 0, 0)?;
        consumer.store(round * 900 * record, Ordering::Release);
    }
    run(&skel.progs()?.annotate, 1, 0, 0)?;
    let damaged = skel
        .poll(Duration::from_secs(5), |export| {
            assert!(matches!(export, Export::Notes(_)), "{export:?}")
        })
        .unwrap_err();
    assert!(damaged.to_string().contains("another process reads this ring too"), "{damaged}");
    assert_eq!(skel.stats().notes.received, 1);
    // The damaged ring is no longer read or waited for.
    run(&skel.progs()?.annotate, 1, 0, 0)?;
    assert_eq!(skel.poll(Duration::from_secs(5), |_| ())?, 1);
    run(&skel.progs()?.produce, 1, 0, 0)?;
    let start = Instant::now();
    assert_eq!(skel.poll(Duration::from_millis(200), |_| ())?, 0);
    assert!(start.elapsed() >= Duration::from_millis(200));
    Ok(())
}

pub(crate) fn panic_consumes_one_record() -> Outcome {
    let skel = load()?;
    run(&skel.progs()?.produce, 10, 0, 0)?;
    let mut seqs = Vec::new();
    let mut record = |export: Export<'_>, panics: bool| {
        let Export::Rb(sample) = export else { panic!("{export:?}") };
        seqs.push(sample.seq);
        assert!(!panics || sample.seq != 3, "on purpose");
    };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = catch_unwind(AssertUnwindSafe(|| {
        skel.poll(Duration::from_secs(5), |export| record(export, true))
    }));
    std::panic::set_hook(hook);
    assert!(caught.is_err());
    skel.poll(Duration::from_secs(5), |export| record(export, false))?;
    assert_eq!(seqs, (0..10).collect::<Vec<_>>());
    // The positions of the ring are consistent, so it stays usable.
    run(&skel.progs()?.produce, 900, 0, 0)?;
    assert_eq!(skel.poll(Duration::from_secs(5), |_| ())?, 900);
    Ok(())
}

pub(crate) fn signals_do_not_end_wait() -> Outcome {
    extern "C" fn ignore(_: libc::c_int) {}
    let skel = load()?;
    // SAFETY: the handler does nothing, so it is async-signal-safe.
    unsafe { libc::signal(libc::SIGUSR1, ignore as *const () as libc::sighandler_t) };
    // SAFETY: `pthread_self` has no preconditions.
    let waiter = unsafe { libc::pthread_self() };
    let sender = thread::spawn(move || {
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(10));
            // SAFETY: the target thread joins this one before it ends, so its id is valid.
            unsafe { libc::pthread_kill(waiter, libc::SIGUSR1) };
        }
    });
    let start = Instant::now();
    assert_eq!(skel.poll(Duration::from_millis(500), |_| ())?, 0);
    assert!(start.elapsed() >= Duration::from_millis(500));
    sender.join().unwrap();
    Ok(())
}

pub(crate) fn descriptor_works_in_event_loop() -> Outcome {
    let mut open = streams::open()?;
    // The flush timer makes the descriptor readable from time to time, so it is set to an hour.
    open.object()
        .set_perf_buffer(PerfBuffer { flush: Duration::from_secs(3600), ..PerfBuffer::default() });
    let skel = open.load()?;
    let fd = skel.object().as_fd().as_raw_fd();
    let readable = || {
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: the pointer is to one entry, which outlives the call.
        unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
    };
    assert!(!readable());
    run(&skel.progs()?.produce, 1, 0, 0)?;
    assert!(readable());
    assert_eq!(skel.poll(Duration::ZERO, |_| ())?, 1);
    assert!(!readable());

    // A perf sample below the watermark is delivered, and the timer does not wake the loop
    // repeatedly.
    let skel = load()?;
    run(&skel.progs()?.perf, 1, 0, 0)?;
    let mut poll =
        libc::pollfd { fd: skel.object().as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let (mut received, mut wakeups, start) = (0, 0, Instant::now());
    while start.elapsed() < Duration::from_millis(200) {
        // SAFETY: the pointer is to one entry, which outlives the call.
        wakeups += unsafe { libc::poll(&raw mut poll, 1, 200) };
        received += skel.poll(Duration::ZERO, |_| ())?;
    }
    assert_eq!(received, 1);
    assert!(wakeups < 50, "{wakeups}");

    // Changes through the control handle deliver nothing.
    skel.control().pause();
    skel.control().resume();
    assert_eq!(skel.poll(Duration::ZERO, |_| ())?, 0);
    Ok(())
}
