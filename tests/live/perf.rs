use std::{thread, time::Duration};

use eunomia_tests::built::streams::{Export, types::Sample};

use super::{
    Outcome,
    streams::{is_whole, load, run},
};

pub(crate) fn samples_are_aligned_and_complete() -> Outcome {
    let skel = load()?;
    // Many rounds, so that records wrap around the end of their ring.
    let mut received = 0;
    for round in 0..60 {
        run(&skel.progs()?.perf, 500, round * 500, 0)?;
        received += skel.poll(Duration::from_secs(5), |export| {
            let Export::Events(sample) = export else { panic!("{export:?}") };
            assert!(std::ptr::from_ref(sample).is_aligned());
            assert!(is_whole(sample), "{sample:?}");
        })?;
    }
    let stats = skel.stats().events;
    assert_eq!((received, stats.received, stats.lost), (30_000, 30_000, Some(0)));
    Ok(())
}

/// Runs `f` on a thread that stays on its CPU.
fn on_one_cpu(f: impl FnOnce() -> Outcome + Send) -> Outcome {
    let result = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: always sound.
            let cpu = usize::try_from(unsafe { libc::sched_getcpu() })?;
            let mut cpus = [0u64; 16];
            cpus[cpu / 64] = 1 << (cpu % 64);
            // SAFETY: the set lives through the call, which reads as many bytes as it has.
            assert_eq!(unsafe { libc::sched_setaffinity(0, size_of_val(&cpus), cpus.as_ptr().cast()) }, 0);
            f()
        });
        thread.join()
    });
    result.map_err(|_| "the thread panicked")?
}

/// The kernel says how many were lost with the next sample of the same CPU that finds room.
pub(crate) fn lost_samples_are_counted() -> Outcome {
    on_one_cpu(lose_samples)
}

fn lose_samples() -> Outcome {
    let skel = load()?;
    // 64 pages hold fewer than 4,000 records of this size; the rest of these is lost, and the kernel says so when there is room again.
    let record = size_of::<Sample>() + 16;
    let sent = 4 * (64 * 4096 / record) as u64;
    let mut left = sent;
    while left > 0 {
        let count = left.min(2000);
        run(&skel.progs()?.perf, count, 0, 0)?;
        left -= count;
    }
    let mut received = skel.poll(Duration::from_secs(5), |_| ())?;
    run(&skel.progs()?.perf, 1, 0, 0)?;
    received += skel.poll(Duration::from_secs(5), |_| ())?;
    let stats = skel.stats().events;
    let refused = skel.bss()?.refused.get()?;
    assert!(refused > 0 && refused < sent);
    assert_eq!((stats.received, stats.lost), (received, Some(refused)));
    assert_eq!(received + refused, sent + 1);
    Ok(())
}
