//! Records, losses and formats of a program that uses `eunomia.bpf.h`.

use std::time::Duration;

use eunomia_runtime::{Skeleton, bpf::TestInput};
use eunomia_tests::{
    built::header::{self, Export, FilesRecord, types::Kind},
    fixture,
};

use super::Outcome;

const WAIT: Duration = Duration::from_secs(5);

fn numbers(numbers: [u64; 3]) -> [u8; 24] {
    let mut bytes = [0; 24];
    for (to, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        to.copy_from_slice(&number.to_ne_bytes());
    }
    bytes
}

pub(crate) fn definitions_give_records_their_types() -> Outcome {
    let skel = header::open()?.load()?;
    let progs = skel.progs()?;
    progs.send_ticks.test_run(Some(&mut numbers([3, 40, 0])), None)?;
    progs.send_files.test_run(Some(&mut numbers([0, 8, 0])), None)?;
    progs.send_beats.test(&TestInput::new())?;
    progs.send_uncounted.test(&TestInput::new())?;
    let mut seen = Vec::new();
    skel.poll(WAIT, |export| {
        seen.push(match export {
            Export::Ticks(tick) => format!("tick {}", tick.seq),
            Export::Files(FilesRecord::Open(open)) => {
                assert_eq!((open.kind, open.seq), (Kind::KIND_OPEN, 8));
                open.to_string()
            }
            Export::Files(FilesRecord::Close(close)) => {
                assert_eq!(close.kind, Kind::KIND_CLOSE);
                format!("close {}", close.seq)
            }
            Export::Beats(tick) => format!("beat {}", tick.seq),
            Export::Uncounted(tick) => format!("uncounted {}", tick.seq),
            other => panic!("{other:?}"),
        });
    })?;
    seen.sort();
    assert_eq!(
        seen,
        [
            "beat 7",
            "close 8",
            "kind=KIND_OPEN(1) seq=8 address=127.0.0.1 result=-ENOENT took=1.5ms flags=0xbeef \
             address6=::1",
            "tick 40",
            "tick 41",
            "tick 42",
            "uncounted 0",
        ]
    );
    Ok(())
}

pub(crate) fn values_read_at_run_time_have_the_same_formats() -> Outcome {
    let skel = Skeleton::parse(&fixture("header"), "header")?.open()?.load()?;
    let program = skel.object().program("send_files")?;
    program.test(&TestInput::new().context(&numbers([0, 8, 0])))?;
    let mut seen = Vec::new();
    skel.poll(WAIT, |event| seen.push(event.value.to_string()))?;
    assert_eq!(
        seen,
        [
            "kind=KIND_OPEN(1) seq=8 address=127.0.0.1 result=-ENOENT took=1.5ms flags=0xbeef \
             address6=::1",
            "kind=KIND_CLOSE(5) seq=8",
        ]
    );
    Ok(())
}

pub(crate) fn reserve_counts_lost_records() -> Outcome {
    let skel = header::open()?.load()?;
    // A record of 4 bytes and its header take 16 bytes, and the ring keeps one of them free.
    for first in (0..5 * 64).step_by(64) {
        skel.progs()?.send_ticks.test_run(Some(&mut numbers([64, first, 0])), None)?;
    }
    let mut received = 0;
    skel.poll(WAIT, |_| received += 1)?;
    let stats = skel.stats();
    assert_eq!((received, stats.ticks.lost), (255, Some(5 * 64 - 255)));
    assert_eq!(stats.larges.lost, Some(0));
    assert_eq!(stats.uncounted.lost, None, "the program has no counter");
    Ok(())
}

pub(crate) fn zeroed_record_has_no_old_bytes() -> Outcome {
    let skel = header::open()?.load()?;
    let send = |ones| skel.progs()?.send_larges.test_run(Some(&mut numbers([ones, 0, 0])), None);
    let mut zeroed = 0;
    // More than once around the ring.
    for _ in 0..30 {
        send(1)?;
        send(0)?;
        skel.poll(WAIT, |export| {
            let Export::Larges(large) = export else { panic!("{export:?}") };
            if large.seq == 0 {
                assert!(large.bytes.iter().all(|byte| *byte == 0));
                zeroed += 1;
            }
        })?;
    }
    assert_eq!(zeroed, 30);
    Ok(())
}
