use std::{
    ops::ControlFlow,
    os::fd::{AsFd as _, AsRawFd as _},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use eunomia_tests::built::streams::{Export, types::Sample};

use super::{
    Outcome,
    streams::{load, run},
};

pub(crate) fn stop_ends_a_wait() -> Outcome {
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
    // For good, and at once.
    run(&skel.progs()?.produce, 1, 0, 0)?;
    assert_eq!(skel.poll(Duration::from_secs(3600), |_| ())?, 0);
    assert!(skel.control().is_stopped());
    Ok(())
}

pub(crate) fn stop_ends_a_ring_that_never_runs_dry() -> Outcome {
    let skel = load()?;
    let stop = skel.control();
    let mut polls = 0;
    while !stop.is_stopped() {
        run(&skel.progs()?.produce, 900, 0, 0)?;
        let mut count = 0;
        let delivered = skel.poll(Duration::from_secs(3600), |_| {
            count += 1;
            if polls == 3 && count == 100 {
                stop.stop();
            }
        })?;
        polls += 1;
        assert_eq!(delivered, count);
        if polls > 3 {
            assert!((100..116).contains(&count), "{count}");
            // The rest is there for those who want it.
            assert_eq!(skel.drain(|_| ())?, 900 - count);
        }
    }
    assert_eq!(polls, 4);
    Ok(())
}

pub(crate) fn a_callback_may_end_its_poll() -> Outcome {
    let skel = load()?;
    run(&skel.progs()?.produce, 10, 0, 0)?;
    let mut seen = 0;
    let delivered = skel.poll(Duration::from_secs(5), |_| {
        seen += 1;
        if seen == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    assert_eq!((seen, delivered), (4, 4));
    assert_eq!(skel.poll(Duration::from_secs(5), |_| ())?, 6, "it was the end of one poll, not of polling");
    Ok(())
}

pub(crate) fn a_callback_may_ask_but_not_poll() -> Outcome {
    let skel = load()?;
    run(&skel.progs()?.produce, 3, 0, 0)?;
    let mut seen = Vec::new();
    skel.poll(Duration::from_secs(5), |_| {
        let again = skel.poll(Duration::ZERO, |_| ()).unwrap_err();
        assert_eq!(again.to_string(), "poll: it was called from a callback of the same reader");
        seen.push((skel.stats().rb.received, skel.bss().unwrap().sent.get().unwrap()));
        skel.maps().unwrap();
    })?;
    assert_eq!((seen, skel.stats().rb.received), (vec![(0, 3); 3], 3), "counted when the read ends");
    Ok(())
}

/// Another reader of the same ring takes records away and lets the kernel write over them.
pub(crate) fn a_damaged_ring_keeps_nobody_from_being_read() -> Outcome {
    let skel = load()?;
    let ring = skel.maps()?.rb.as_map().fd().as_raw_fd();
    // SAFETY: a new mapping of the consumer's page, at an address that the kernel chooses.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, ring, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    // SAFETY: the page is mapped, aligned, and only accessed by atomics.
    let consumer = unsafe { AtomicU64::from_ptr(page.cast()) };
    let record = 8 + size_of::<Sample>() as u64;
    for round in 1..=3 {
        run(&skel.progs()?.produce, 900, 0, 0)?;
        consumer.store(round * 900 * record, Ordering::Release);
    }
    run(&skel.progs()?.annotate, 1, 0, 0)?;
    let damaged = skel.poll(Duration::from_secs(5), |export| assert!(matches!(export, Export::Notes(_)), "{export:?}")).unwrap_err();
    assert!(damaged.to_string().contains("another process reads this ring too"), "{damaged}");
    assert_eq!(skel.stats().notes.received, 1);
    // The ring is left alone from now on, also by the wait.
    run(&skel.progs()?.annotate, 1, 0, 0)?;
    assert_eq!(skel.poll(Duration::from_secs(5), |_| ())?, 1);
    run(&skel.progs()?.produce, 1, 0, 0)?;
    let start = Instant::now();
    assert_eq!(skel.poll(Duration::from_millis(200), |_| ())?, 0);
    assert!(start.elapsed() >= Duration::from_millis(200));
    Ok(())
}

pub(crate) fn a_panic_consumes_one_record() -> Outcome {
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
    let caught = catch_unwind(AssertUnwindSafe(|| skel.poll(Duration::from_secs(5), |export| record(export, true))));
    std::panic::set_hook(hook);
    assert!(caught.is_err());
    skel.poll(Duration::from_secs(5), |export| record(export, false))?;
    assert_eq!(seqs, (0..10).collect::<Vec<_>>());
    // The positions fit, so the ring goes on.
    run(&skel.progs()?.produce, 900, 0, 0)?;
    assert_eq!(skel.poll(Duration::from_secs(5), |_| ())?, 900);
    Ok(())
}

pub(crate) fn signals_do_not_end_a_wait() -> Outcome {
    extern "C" fn ignore(_: libc::c_int) {}
    let skel = load()?;
    // SAFETY: the handler does nothing, so it may interrupt anything.
    unsafe { libc::signal(libc::SIGUSR1, ignore as *const () as libc::sighandler_t) };
    // SAFETY: always sound.
    let waiter = unsafe { libc::pthread_self() };
    let sender = thread::spawn(move || {
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(10));
            // SAFETY: the thread waits for this one before it ends.
            unsafe { libc::pthread_kill(waiter, libc::SIGUSR1) };
        }
    });
    let start = Instant::now();
    assert_eq!(skel.poll(Duration::from_millis(500), |_| ())?, 0);
    assert!(start.elapsed() >= Duration::from_millis(500));
    sender.join().unwrap();
    Ok(())
}

pub(crate) fn an_event_loop_of_ones_own() -> Outcome {
    let skel = load()?;
    let fd = skel.object().as_fd().as_raw_fd();
    let readable = || {
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, which lives through the call.
        unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
    };
    assert!(!readable());
    run(&skel.progs()?.produce, 1, 0, 0)?;
    assert!(readable());
    assert_eq!(skel.poll(Duration::ZERO, |_| ())?, 1);
    assert!(!readable());
    Ok(())
}
