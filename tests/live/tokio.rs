//! Asynchronous reading with tokio.

use std::{
    future::poll_fn,
    pin::Pin,
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::{reader::Waiting, tokio::Async};
use eunomia_tests::built::streams::Export;
use futures_core::Stream;
use tokio::runtime::Builder;

use super::{
    Outcome,
    streams::{load, raw_test_run},
};

/// Two threads send bursts while the reading future is cancelled repeatedly.
pub(crate) fn cancelled_batches_lose_nothing() -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let skel = load()?;
    skel.set_waiting(Waiting::Epoll);
    let program = skel.progs()?.produce.fd()?.try_clone_to_owned()?;
    let deadline = Instant::now() + Duration::from_secs(1);
    let producers: Vec<_> = (0..2)
        .map(|id| {
            let program = program.try_clone().unwrap();
            thread::spawn(move || {
                while Instant::now() < deadline {
                    raw_test_run(&program, [1 + id, 0, id]);
                    thread::sleep(Duration::from_micros(50));
                }
            })
        })
        .collect();
    let mut received = 0;
    let (mut cancelled, mut batches) = (0, 0);
    runtime.block_on(async {
        let mut skel = Async::new(skel)?;
        while !producers.iter().all(thread::JoinHandle::is_finished) {
            let mut count = 0;
            match tokio::time::timeout(Duration::from_millis(1), skel.next_batch(|_| count += 1))
                .await
            {
                Ok(batch) => {
                    assert_eq!(batch?, count);
                    batches += 1;
                }
                Err(_) => cancelled += 1,
            }
            received += count;
            if batches % 16 == 0 {
                // Let some reads find nothing ready.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        received += skel.drain(|_| ())?;
        assert_eq!(received, skel.bss()?.sent.get()?);
        assert!(batches > 10, "{batches} {cancelled}");
        let control = skel.control();
        control.stop();
        assert_eq!(skel.next_batch(|_| ()).await?, 0);
        Ok::<_, eunomia_runtime::Error>(())
    })?;
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    Ok(())
}

pub(crate) fn stop_ends_stream() -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let skel = load()?;
    let (program, control) = (skel.progs()?.produce.fd()?.try_clone_to_owned()?, skel.control());
    let last = program.try_clone()?;
    runtime.block_on(async {
        let mut events = Async::new(skel)?.into_stream(|export| match export {
            Export::Rb(sample) => sample.seq,
            other => panic!("{other:?}"),
        });
        let producer = thread::spawn(move || {
            for _ in 0..3 {
                thread::sleep(Duration::from_millis(20));
                raw_test_run(&program, [5, 0, 0]);
            }
        });
        let mut seqs = Vec::new();
        while let Some(seq) = poll_fn(|context| Pin::new(&mut events).poll_next(context)).await {
            seqs.push(seq?);
            if seqs.len() == 15 {
                // Records that are pending at the stop are delivered.
                raw_test_run(&last, [3, 0, 0]);
                control.stop();
            }
        }
        assert_eq!(seqs, [[0, 1, 2, 3, 4].repeat(3), vec![0, 1, 2]].concat());
        assert!(control.is_stopped());
        producer.join().unwrap();
        Ok(())
    })
}

/// Samples below the watermark of a perf ring do not make its descriptor readable.
pub(crate) fn perf_samples_below_watermark_are_delivered() -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let skel = load()?;
    let program = skel.progs()?.perf.fd()?.try_clone_to_owned()?;
    runtime.block_on(async {
        let mut skel = Async::new(skel)?;
        raw_test_run(&program, [3, 0, 0]);
        let batch = tokio::time::timeout(Duration::from_secs(10), skel.next_batch(|_| ())).await;
        assert_eq!(batch??, 3);
        Ok(())
    })
}

/// Every callback makes another event, so no batch finds the ring empty.
pub(crate) fn endless_events_let_other_tasks_run() -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let skel = load()?;
    let program = skel.progs()?.produce.fd()?.try_clone_to_owned()?;
    let control = skel.control();
    raw_test_run(&program, [1, 0, 0]);
    runtime.block_on(async {
        let mut skel = Async::new(skel)?;
        let stop = control.clone();
        let other = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            stop.stop();
        });
        let deadline = Instant::now() + Duration::from_secs(10);
        let more = |_: Export<'_>| {
            if Instant::now() > deadline {
                control.stop();
            }
            raw_test_run(&program, [1, 0, 0]);
        };
        while skel.next_batch(more).await? > 0 {}
        assert!(other.is_finished(), "no other task has run");
        Ok(())
    })
}
