//! Records of several types in one map, told apart by a tag.

use std::time::Duration;

use eunomia_runtime::{
    Skeleton,
    bpf::{Program, kind},
};
use eunomia_tests::{
    built::tagged::{self, BallsRecord, Export, FilesRecord, types::Kind},
    fixture,
};

use super::{Outcome, streams::parts};

const WAIT: Duration = Duration::from_secs(5);

/// Runs a producer of `bpf/tagged.bpf.c`.
fn run(
    program: &Program<'_, impl kind::ProgramKind>,
    count: u64,
    seed: u64,
) -> eunomia_runtime::Result<()> {
    parts(count).try_for_each(|(count, first)| {
        let mut args = [count, seed + first, first].map(u64::to_ne_bytes).concat();
        program.test_run(Some(&mut args), None).map(drop)
    })
}

pub(crate) fn tag_selects_record_type() -> Outcome {
    let skel = tagged::open()?.load()?;
    let mut arrived = [0; 6];
    let mut next;
    let mut opens = Vec::new();
    // Enough rounds for records to wrap around the end of the ring several times.
    for round in 1..=20 {
        next = 0;
        run(&skel.progs()?.send_files, 7000, round)?;
        skel.poll(WAIT, |export| {
            let Export::Files(record) = export else { panic!("{export:?}") };
            let (kind, pid, seq) = match record {
                FilesRecord::OpenEvent(open) => {
                    assert_eq!(
                        (open.kind, open.path.as_str()),
                        (Kind::KIND_OPEN, Ok("/etc/passwd"))
                    );
                    opens.push(std::ptr::from_ref(open).addr());
                    (0, open.pid, open.seq)
                }
                FilesRecord::DataEvent(data) => {
                    assert_eq!(
                        (data.offset, data.size, data.tail_bytes().get(..4)),
                        (u64::from(data.pid), 4, Some([7; 4].as_slice()))
                    );
                    assert!(matches!(data.kind, Kind::KIND_READ | Kind::KIND_WRITE));
                    (if data.kind == Kind::KIND_READ { 1 } else { 2 }, data.pid, data.seq)
                }
                FilesRecord::Unknown_2(close) => {
                    assert_eq!(close.kind, Kind::KIND_CLOSE.0);
                    (3, close.pid, close.seq)
                }
                // Too short to contain the tag.
                FilesRecord::Unknown(bytes) if bytes.len() == 3 => {
                    arrived[5] += 1;
                    return;
                }
                FilesRecord::Unknown(bytes) => {
                    assert_eq!((bytes.len(), &bytes[..4]), (16, [77, 0, 0, 0].as_slice()));
                    let (pid, seq) =
                        (bytes[4..8].try_into().unwrap(), bytes[8..].try_into().unwrap());
                    (4, u32::from_ne_bytes(pid), u64::from_ne_bytes(seq))
                }
            };
            assert_eq!(seq, !u64::from(pid));
            assert!(pid >= next, "in order");
            next = pid + 1;
            arrived[kind] += 1;
        })?;
    }
    let sent = skel.bss()?.sent.get()?;
    assert_eq!(arrived, sent[..6], "{sent:?}");
    assert!(sent.iter().all(|&sent| sent > 1000), "{sent:?}");
    let stats = skel.stats().files;
    // Records are read in place: copies would all be at one address on the stack.
    opens.sort_unstable();
    opens.dedup();
    assert!(opens.len() > 1000);
    // A short record of a known type is not delivered as another type.
    assert_eq!((stats.received, stats.short, stats.discarded), (arrived.iter().sum(), sent[6], 0));
    Ok(())
}

pub(crate) fn tag_selects_perf_sample_type() -> Outcome {
    let skel = tagged::open()?.load()?;
    let (mut pings, mut pongs) = (0, 0);
    let mut next = 0;
    for round in 1..=20 {
        run(&skel.progs()?.send_balls, 900, round)?;
        skel.poll(WAIT, |export| {
            let Export::Balls(record) = export else { panic!("{export:?}") };
            let (header, seq) = match record {
                BallsRecord::Ping(ping) => {
                    pings += 1;
                    (ping.header, ping.seq)
                }
                // Perf samples are at addresses of 4 modulo 8, and this type has an 8-byte field.
                BallsRecord::Pong(pong) => {
                    assert!(std::ptr::from_ref(pong).is_aligned());
                    assert_eq!(pong.sum, !u64::from(pong.seq));
                    pongs += 1;
                    (pong.header, pong.seq)
                }
                BallsRecord::Unknown(bytes) => panic!("{bytes:?}"),
            };
            assert_eq!(
                (header.version, header.kind, seq),
                (1, if seq % 3 == 0 { 1 } else { -1 }, next % 900)
            );
            next += 1;
        })?;
    }
    assert_eq!((pings, pongs), (12_000, 6000));
    Ok(())
}

pub(crate) fn tag_selects_dynamic_type() -> Outcome {
    let types = [("KIND_OPEN", "struct open_event"), ("KIND_CLOSE", "struct unknown")];
    let skel = Skeleton::parse(&fixture("tagged"), "tagged")?
        .with_tagged_event("files", "kind", types)
        .open()?
        .load()?;
    let typed = tagged::open()?.load()?;
    run(&skel.object().program("send_files")?, 700, 9)?;
    run(&typed.progs()?.send_files, 700, 9)?;
    let mut texts = Vec::new();
    let mut bytes = 0;
    skel.poll(WAIT, |event| match event.value.c_type().as_str() {
        "struct open_event" | "struct unknown" => texts.push(event.value.to_string()),
        "bytes" => bytes += 1,
        other => panic!("{other}"),
    })?;
    // The producers are deterministic, so both objects send the same records.
    let mut expected = Vec::new();
    let mut others = 0;
    typed.poll(WAIT, |export| match export {
        Export::Files(FilesRecord::OpenEvent(_) | FilesRecord::Unknown_2(_)) => {
            expected.push(export.to_string())
        }
        _ => others += 1,
    })?;
    assert!(texts == expected && texts.len() > 150, "{texts:?}");
    assert_eq!(bytes, others);
    assert_eq!(skel.stats()[0].1.short, typed.stats().files.short);
    Ok(())
}
