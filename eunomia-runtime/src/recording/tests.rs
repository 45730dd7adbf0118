//! Tests of recordings in memory.

use std::{
    io::{self, Cursor, Write},
    ops::ControlFlow,
};

use super::{Recorder, Replay, Replayed, Stream};
use crate::{Error, Result, error::RecordingError, sample::Verdict};

const LAYOUT: &str = "struct 16\n 0 u64 seq\n 8 u32 pid\n#0";
const STREAMS: &[Stream<'static>] =
    &[Stream::new("rb", "struct event", 16, LAYOUT), Stream::new("raw", "bytes", 0, "bytes")];

/// Records records of lengths that need every padding, on both streams.
fn recording(timed: bool) -> Vec<u8> {
    let mut recorder = Recorder::new(Vec::new(), "test", STREAMS).unwrap();
    if timed {
        recorder = recorder.timed();
    }
    for len in 0..40u8 {
        let (map, record) = (usize::from(len < 16), vec![len; len.into()]);
        assert!(matches!(recorder.record(map, &record), Verdict::Delivered));
    }
    recorder.finish().unwrap()
}

/// Returns the stream, the first byte and the length of each record.
fn replay(bytes: &[u8]) -> (Vec<(usize, u8, usize)>, Result<Replayed>) {
    let mut seen = Vec::new();
    let replayed = Replay::new(bytes).and_then(|replay| {
        replay.deliver(STREAMS, |map, record| {
            assert!(record.is_empty() || record.as_ptr().addr().is_multiple_of(16));
            assert!(record.iter().all(|byte| *byte == record[0]));
            seen.push((map, record.first().copied().unwrap_or_default(), record.len()));
            Verdict::Delivered
        })
    });
    (seen, replayed)
}

fn expected(count: u8) -> Vec<(usize, u8, usize)> {
    (0..count).map(|len| (usize::from(len < 16), len, len.into())).collect()
}

#[test]
fn recorded_records_are_replayed() {
    for timed in [false, true] {
        let bytes = recording(timed);
        assert!(bytes.len().is_multiple_of(8));
        let (seen, replayed) = replay(&bytes);
        assert_eq!(
            (seen, replayed.unwrap()),
            (expected(40), Replayed { records: 40, short: 0, left_over: 0 })
        );
    }
    let timed = recording(true);
    let mut replay = Replay::new(&timed[..]).unwrap();
    assert_eq!((replay.name(), replay.streams()), ("test", STREAMS));
    let mut last = None;
    while let Some(entry) = replay.read().unwrap() {
        assert!(entry.time.is_some() && entry.time >= last);
        last = entry.time;
    }
    assert!(
        Replay::new(&recording(false)[..])
            .unwrap()
            .read()
            .unwrap()
            .is_some_and(|entry| entry.time.is_none())
    );
}

#[test]
fn tail_that_was_cut_off_is_counted() {
    for timed in [false, true] {
        let bytes = recording(timed);
        let mut replay_whole = Replay::new(&bytes[..]).unwrap();
        // The offset at which each record ends.
        let head = if timed { 16 } else { 8 };
        let mut ends = vec![
            bytes.len()
                - expected(40)
                    .iter()
                    .map(|(_, _, len)| head + len.next_multiple_of(8))
                    .sum::<usize>(),
        ];
        while let Some(entry) = replay_whole.read().unwrap() {
            ends.push(ends.last().unwrap() + head + entry.bytes.len().next_multiple_of(8));
        }
        assert_eq!(ends.last(), Some(&bytes.len()));
        for cut in ends[0]..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            let (seen, replayed) = replay(&bytes[..cut]);
            let expected_end =
                Replayed { records: whole as u64, short: 0, left_over: (cut - ends[whole]) as u64 };
            assert_eq!(
                (seen, replayed.unwrap()),
                (expected(whole as u8), expected_end),
                "cut at {cut}"
            );
        }
        for cut in 0..ends[0] {
            let refused = replay(&bytes[..cut]).1.unwrap_err().to_string();
            let known =
                ["not an eunomia recording", "the recording is damaged at byte 16: the header has"];
            assert!(known.iter().any(|known| refused.starts_with(known)), "{refused}");
        }
    }
}

#[test]
fn short_records_are_neither_written_nor_delivered() {
    let mut recorder = Recorder::new(Vec::new(), "test", STREAMS).unwrap();
    assert!(matches!(recorder.record(0, &[1; 15]), Verdict::Short));
    assert!(matches!(recorder.record(0, &[1; 16]), Verdict::Delivered));
    assert!(matches!(recorder.record(2, &[1; 16]), Verdict::Failed(_)), "no such stream");
    let bytes = recorder.finish().unwrap();
    assert_eq!(replay(&bytes).0, [(0, 1, 16)]);
    // A recording from elsewhere may hold short records.
    let replayed =
        Replay::new(&bytes[..]).unwrap().deliver(STREAMS, |_, _| Verdict::Short).unwrap();
    assert_eq!(replayed, Replayed { records: 0, short: 1, left_over: 0 });
}

#[test]
fn callbacks_end_replay_and_fail_as_in_a_poll() {
    let bytes = recording(false);
    let replay = |outcome: &dyn Fn(u64) -> Result<ControlFlow<()>, &'static str>| {
        let mut count = 0;
        let replayed = Replay::new(&bytes[..]).unwrap().deliver(STREAMS, |_, _| {
            count += 1;
            Verdict::of(Ok(outcome(count)))
        });
        (count, replayed)
    };
    let (count, replayed) = replay(&|count| {
        Ok(if count == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    assert_eq!((count, replayed.unwrap()), (7, Replayed { records: 7, short: 0, left_over: 0 }));
    let (count, replayed) = replay(&|count| {
        if count % 10 == 3 { Err("on purpose") } else { Ok(ControlFlow::Continue(())) }
    });
    assert_eq!(
        (count, replayed.unwrap_err().to_string()),
        (40, "the callback failed on 4 records; on the first: on purpose".to_owned())
    );
}

/// A disk that is full after this many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let written = bytes.len().min(self.0);
        self.0 -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn full_disk_is_reported_for_each_record() {
    const HEADER: &str = "cannot write the recording: no storage space";
    assert_eq!(Recorder::new(Full(100), "test", STREAMS).unwrap_err().to_string(), HEADER);
    let mut recorder = Recorder::new(Full(220), "test", STREAMS).unwrap();
    let verdicts = [0; 5].map(|map| matches!(recorder.record(map, &[0; 16]), Verdict::Delivered));
    assert_eq!(verdicts, [true, true, true, false, false]);
    // A second receiver still got the record.
    let both = recorder.record(0, &[0; 16]).and(Verdict::Delivered);
    assert!(matches!(both, Verdict::Failed(cause) if cause.to_string() == HEADER));
    assert!(matches!(recorder.record(0, &[0; 16]).and(Verdict::Stop), Verdict::Stop));
    assert_eq!(recorder.finish().map(drop).unwrap_err().to_string(), HEADER);
}

#[test]
fn streams_with_another_layout_are_refused() {
    let bytes = recording(false);
    let refused = |streams: &[Stream<'_>]| {
        Replay::new(&bytes[..])
            .unwrap()
            .deliver(streams, |_, _| panic!("delivered"))
            .unwrap_err()
            .to_string()
    };
    let raw = &STREAMS[1];
    let here = |layout| [Stream::new("rb", "struct changed", 16, layout), raw.clone()];
    let kernel_error = |there: &str, here: &str| {
        format!(
            "the records of `rb` have another layout in the recording: recorded `struct event`, 16 bytes, has `{there}`, \
             current `struct changed`, 16 bytes, has `{here}`; replay it with the skeleton that it was recorded with"
        )
    };
    assert_eq!(
        refused(&here("struct 16\n 0 u64 seq\n 8 i32 pid\n#0")),
        kernel_error("8 u32 pid", "8 i32 pid")
    );
    assert_eq!(
        refused(&here("struct 16\n 0 u64 seq\n 8 u32 pid\n 12 u32 cpu\n#0")),
        kernel_error("nothing", "12 u32 cpu")
    );
    assert_eq!(
        refused(&here("struct 24\n 0 u64 seq\n 8 u32 pid\n#0")),
        kernel_error("struct 16", "struct 24")
    );
    assert!(refused(&STREAMS[..1]).starts_with("no map that delivers records `raw`; known: rb"));
    // The order of the streams does not matter, nor do further streams.
    let more = [raw.clone(), Stream::new("more", "u64", 8, "u64"), STREAMS[0].clone()];
    let mut maps = Vec::new();
    let deliver = |map, _: &[u8]| {
        maps.push(map);
        Verdict::Delivered
    };
    Replay::new(&bytes[..]).unwrap().deliver(&more, deliver).unwrap();
    assert_eq!((maps[0], maps[39]), (0, 2));
}

#[test]
fn unknown_starts_are_refused() {
    let with = |at: usize, byte: u8| {
        let mut bytes = recording(false);
        bytes[at] = byte;
        replay(&bytes).1.unwrap_err().to_string()
    };
    assert_eq!(with(0, b'E'), "not an eunomia recording");
    assert_eq!(with(8, 2), "the recording has format version 2, expected 1; update eunomia");
    let machine = |order, pointer| {
        format!(
            "the recording comes from a machine with {order} numbers and {pointer}-byte pointers, which is not supported"
        )
    };
    assert_eq!(
        (with(10, 2), with(11, 4)),
        (machine("non-little-endian", 8), machine("little-endian", 4))
    );
    assert_eq!(
        with(12, 1),
        "the recording is damaged at byte 12: the header length 1 is not valid"
    );
    // One length of 4 GiB, and one a little greater than the rest of the file.
    assert!(
        with(15, 255).starts_with(
            "the recording is damaged at byte 12: the header length 4278190200 is not valid"
        ),
        "{}",
        with(15, 255)
    );
    assert!(
        with(14, 1).starts_with(
            "the recording is damaged at byte 16: the header has 65656 bytes, but only "
        ),
        "{}",
        with(14, 1)
    );
}

/// Lengths that are wrong take no memory, and end the replay after the last good record.
#[test]
fn wrong_lengths_are_refused() {
    let whole = recording(false);
    let end = whole.len();
    let with = |number: u32, len: u32| {
        let mut bytes = whole.clone();
        bytes.extend([number, len].map(u32::to_le_bytes).as_flattened());
        bytes.extend([0; 100]);
        let (seen, replayed) = replay(&bytes);
        assert_eq!(seen, expected(40));
        replayed
    };
    assert_eq!(
        with(2, 8).unwrap_err().to_string(),
        format!(
            "the recording is damaged at byte {end}: stream 2 is out of range, the recording has 2"
        )
    );
    let long = format!(
        "the recording is damaged at byte {end}: the record length 1073741824 is greater than 1073741823"
    );
    assert_eq!(with(1, 1 << 30).unwrap_err().to_string(), long);
    assert_eq!(
        with(0x8000_0001, (1 << 30) - 1).unwrap(),
        Replayed { records: 40, short: 0, left_over: 108 }
    );
    let mut bytes = whole.clone();
    bytes.extend([1, (1 << 30) - 1].map(u32::to_le_bytes).as_flattened());
    let mut replay = Replay::new(&bytes[..]).unwrap();
    while replay.read().unwrap().is_some() {}
    assert_eq!(replay.left_over(), 8);
    assert!(replay.buffer.capacity() <= 1 << 17, "{} words", replay.buffer.capacity());
    assert!(replay.read().unwrap().is_none(), "the end stays the end");
}

/// No bytes cause a panic, a hang or more memory than they take.
#[test]
fn random_damage_is_reported() {
    let whole = [recording(false), recording(true)];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    let mut outcomes = [0; 3];
    for round in 0..20_000 {
        let mut bytes = whole[round % 2].clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            bytes[at] = if random(2) == 0 { random(256) as u8 } else { bytes[at] ^ 1 << random(8) };
        }
        bytes.truncate(bytes.len() - random(2) * random(200));
        let mut records = 0;
        let replayed = Replay::new(Cursor::new(&bytes)).and_then(|replay| {
            replay.deliver(STREAMS, |map, record| {
                assert!(map < 2 && record.len() < bytes.len());
                records += 1;
                Verdict::Delivered
            })
        });
        match replayed {
            Ok(replayed) => {
                assert_eq!(replayed.records, records);
                outcomes[usize::from(replayed.left_over > 0)] += 1;
            }
            Err(Error::Recording(_) | Error::NotFound { .. }) => outcomes[2] += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(outcomes.iter().all(|count| *count > 1000), "{outcomes:?}");
    // Random bytes alone are never a recording.
    for len in 0..2000 {
        let bytes: Vec<u8> = (0..len).map(|_| random(256) as u8).collect();
        assert!(
            matches!(Replay::new(&bytes[..]), Err(Error::Recording(recording_error)) if matches!(*recording_error, RecordingError::Foreign))
        );
    }
}
