//! Several objects in one wait.

use std::{
    cell::{Cell, RefCell},
    ops::ControlFlow,
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::{
    Error, Skeleton,
    reader::{Set, Waiting},
    tokio::Async,
};
use eunomia_tests::{
    built::{kinds, streams::Export},
    fixture,
};

use super::{
    Outcome,
    faults::shared,
    perf::thread_time,
    streams::{load, raw_test_run, run},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Typed events of two modules, and dynamic values of a third object.
pub(crate) fn set_delivers_events_of_each_object() -> Outcome {
    for waiting in [Waiting::default(), Waiting::Epoll, Waiting::Busy] {
        let (one, two) = (load()?, kinds::open()?.load()?);
        let three = Skeleton::parse(&fixture("kinds"), "kinds")?.open()?.load()?;
        let (samples, notes, typed, texts) =
            (Cell::new(0), Cell::new(0), Cell::new(0), RefCell::new(Vec::new()));
        let mut set = Set::new()?;
        set.set_waiting(waiting);
        set.add(&one, |export| match export {
            Export::Rb(_) | Export::Events(_) => samples.set(samples.get() + 1),
            Export::Notes(_) => notes.set(notes.get() + 1),
        })?
        .add(&two, |kinds::Export::Rb(event)| {
            assert_eq!(event.u8, 250);
            typed.set(typed.get() + 1);
        })?
        .add(&three, |event| texts.borrow_mut().push(event.value.to_string()))?;
        // Any object that gets events ends the wait.
        let programs = [
            shared(&one.progs()?.perf)?,
            shared(&two.progs()?.send)?,
            shared(&one.progs()?.produce)?,
        ];
        for program in programs {
            let sender = thread::spawn(move || {
                thread::sleep(Duration::from_millis(30));
                raw_test_run(&program, [1, 0, 0]);
            });
            assert_eq!(set.poll(HOUR)?, 1);
            sender.join().unwrap();
        }
        assert_eq!(set.poll(Duration::from_millis(20))?, 0);
        run(&one.progs()?.annotate, 1, 0, 0)?;
        run(&one.progs()?.produce, 500, 0, 0)?;
        three.object().program("send")?.test_run(None, None)?;
        // The records that are pending when the set is stopped are delivered.
        let control = set.control();
        control.stop();
        let mut count = 0;
        while !control.is_stopped() {
            count += set.poll(HOUR)?;
        }
        assert_eq!(count, 502);
        drop(set);
        assert!(one.control().is_stopped() && two.control().is_stopped());
        assert_eq!((samples.get(), notes.get(), typed.get(), texts.borrow().len()), (502, 1, 1, 1));
        let stats = one.stats();
        assert_eq!(
            (stats.rb.received, stats.events.received, two.stats().rb.received),
            (501, 1, 1)
        );
        assert_eq!(three.stats()[0].1.received, 1);
    }
    Ok(())
}

pub(crate) fn control_handle_governs_set() -> Outcome {
    let (one, two) = (load()?, load()?);
    let counts = [Cell::new(0), Cell::new(0)];
    let mut set = Set::new()?;
    let control = set.control();
    set.add(&one, |_| counts[0].set(counts[0].get() + 1))?;
    let (stop, second) = (control.clone(), &counts[1]);
    set.add(&two, move |_| {
        second.set(second.get() + 1);
        if second.get() == 10 {
            stop.stop_now();
        }
    })?;
    control.pause();
    run(&one.progs()?.produce, 10, 0, 0)?;
    assert_eq!(set.poll(Duration::from_millis(20))?, 0);
    let resumer = thread::spawn({
        let control = control.clone();
        move || {
            thread::sleep(Duration::from_millis(50));
            control.resume();
        }
    });
    assert_eq!(set.poll(HOUR)?, 10);
    resumer.join().unwrap();
    // `stop_now` ends a poll at once, between two records of one object.
    run(&two.progs()?.produce, 100, 0, 0)?;
    assert_eq!(set.poll(HOUR)?, 10);
    assert_eq!((control.is_stopped(), set.poll(HOUR)?, two.unread()?), (true, 0, 90));
    assert!(one.control().is_stopped());
    assert_eq!(set.drain()?, 90);

    // A stop from another thread ends a wait in which nothing arrives.
    let skel = load()?;
    let mut set = Set::new()?;
    set.add(skel, |_| ())?;
    let control = set.control();
    let stopper = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        control.stop();
    });
    assert_eq!(set.poll(HOUR)?, 0);
    assert!(set.control().is_stopped());
    stopper.join().unwrap();
    Ok(())
}

/// A callback that fails or breaks, and an object that is stopped through its own handle.
pub(crate) fn failing_object_does_not_block_others() -> Outcome {
    let (one, two) = (load()?, load()?);
    let counts = [Cell::new(0), Cell::new(0)];
    let count = |at: usize| counts[at].replace(counts[at].get() + 1);
    let mut set = Set::new()?;
    set.add(&one, |_| match count(0) {
        3 => Ok(ControlFlow::Break(())),
        5 => Err("the sixth"),
        _ => Ok(ControlFlow::Continue(())),
    })?
    .add(&two, |_| _ = count(1))?;
    let both = |records: u64| -> Outcome {
        run(&one.progs()?.produce, records, 0, 0)?;
        Ok(run(&two.progs()?.produce, records, 0, 0)?)
    };
    both(8)?;
    assert_eq!((set.poll(HOUR)?, counts[0].get(), counts[1].get()), (12, 4, 8));
    both(1)?;
    let failed = set.poll(HOUR).unwrap_err();
    assert!(matches!(&failed, Error::Callback { count: 1, .. }), "{failed}");
    assert_eq!((counts[0].get(), counts[1].get()), (9, 9));

    one.control().stop();
    both(2)?;
    assert_eq!(set.poll(HOUR)?, 4);
    assert!(one.control().is_stopped() && !set.control().is_stopped());
    // The stopped object is no longer waited for, and the other one is.
    both(1)?;
    assert_eq!(set.poll(HOUR)?, 1);
    let (start, used) = (Instant::now(), thread_time());
    assert_eq!(set.poll(Duration::from_millis(400))?, 0);
    assert!(thread_time() - used < start.elapsed() / 2, "it spins");
    two.control().stop();
    assert_eq!(
        (set.poll(HOUR)?, set.control().is_stopped()),
        (0, true),
        "the set stops with its last object"
    );
    Ok(())
}

pub(crate) fn set_works_in_tokio() -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (one, two) = (load()?, load()?);
    let counts = [Cell::new(0), Cell::new(0)];
    let ended: Outcome = runtime.block_on(async {
        let mut set = Set::new()?;
        set.add(&one, |_| counts[0].set(counts[0].get() + 1))?
            .add(&two, |_| counts[1].set(counts[1].get() + 1))?;
        let mut set = Async::from_set(set)?;
        for program in [
            shared(&two.progs()?.produce)?,
            shared(&one.progs()?.perf)?,
            shared(&one.progs()?.produce)?,
        ] {
            let sender = thread::spawn(move || {
                thread::sleep(Duration::from_millis(30));
                raw_test_run(&program, [2, 0, 0]);
            });
            let (mut count, start) = (0, Instant::now());
            while count < 2 && start.elapsed() < Duration::from_secs(10) {
                // Futures that are dropped repeatedly lose nothing.
                if let Ok(batch) = tokio::time::timeout(Duration::from_millis(7), set.next()).await
                {
                    count += batch?;
                }
            }
            assert_eq!(count, 2);
            sender.join().unwrap();
        }
        run(&one.progs()?.produce, 5, 0, 0)?;
        set.control().stop();
        let mut count = 0;
        loop {
            match set.next().await? {
                0 => break,
                more => count += more,
            }
        }
        assert_eq!(count, 5);
        Ok(())
    });
    ended?;
    assert_eq!((counts[0].get(), counts[1].get()), (9, 2));
    Ok(())
}
