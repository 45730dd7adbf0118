use std::{
    ops::ControlFlow,
    os::fd::{AsFd as _, AsRawFd as _},
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::{Duration, Instant},
};

use eunomia_tests::built::streams::Export;

use super::{
    Outcome,
    streams::{load, run},
};

pub(crate) fn stop_ends_a_wait() -> Outcome {
    let mut skel = load()?;
    let stop = skel.stop_handle();
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
    assert!(skel.stop_handle().is_stopped());
    Ok(())
}

pub(crate) fn stop_ends_a_ring_that_never_runs_dry() -> Outcome {
    let mut skel = load()?;
    let stop = skel.stop_handle();
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
        // Looked for once a batch of 64.
        assert!(polls <= 3 || count <= 100 + 64, "{count}");
    }
    assert_eq!(polls, 4);
    Ok(())
}

pub(crate) fn a_callback_may_stop() -> Outcome {
    let mut skel = load()?;
    run(&skel.progs()?.produce, 10, 0, 0)?;
    let mut seen = 0;
    let delivered = skel.poll(Duration::from_secs(5), |_| {
        seen += 1;
        if seen == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    assert_eq!((seen, delivered), (4, 4));
    assert!(skel.stop_handle().is_stopped());
    Ok(())
}

pub(crate) fn a_panic_consumes_one_record() -> Outcome {
    let mut skel = load()?;
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
    let mut skel = load()?;
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
    let mut skel = load()?;
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
