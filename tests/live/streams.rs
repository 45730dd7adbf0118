//! Events from ring buffers: types, order, losses and wakeups.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::{
    Skeleton,
    bpf::{Program, kind::ProgramKind},
    checked::Payload,
    reader::Waiting,
};
use eunomia_tests::{
    built::{
        kinds,
        streams::{self, Export, types::Sample},
    },
    fixture, included,
};

use super::{Outcome, rounds};

/// Loads the producers; nothing is attached.
pub(crate) fn load() -> eunomia_runtime::Result<streams::Loaded> {
    streams::open()?.load()
}

/// Splits a loop into parts that a program can run: the number of rounds and the first round of
/// each.
pub(crate) fn parts(count: u64) -> impl Iterator<Item = (u64, u64)> {
    // The limit of `bpf/repeat.h`.
    const MOST: u64 = 64;
    (0..count).step_by(MOST as usize).map(move |first| ((count - first).min(MOST), first))
}

/// Runs a producer of `bpf/streams.bpf.c`.
pub(crate) fn run(
    program: &Program<'_, impl ProgramKind>,
    count: u64,
    start: u64,
    producer: u64,
) -> eunomia_runtime::Result<()> {
    parts(count).try_for_each(|(count, first)| {
        let mut args = [count, start + first, producer].map(u64::to_ne_bytes).concat();
        program.test_run(Some(&mut args), None).map(drop)
    })
}

/// Returns true if the fields that a producer computes are consistent.
pub(crate) fn is_whole(sample: &Sample) -> bool {
    sample.check == !sample.seq
        && sample.len == size_of::<Sample>() as u32
        && sample.payload.iter().all(|&byte| byte == sample.payload[0])
}

pub(crate) fn all_field_types_are_delivered() -> Outcome {
    const TEXT: &str = "u8=250 i8=-3 u16=65000 i16=-300 u32=4000000000 i32=-70000 u64=18364758544493064720 i64=-1 \
        u128=170141183460469231731687303715884105738 i128=-1237940039285380274899124224 flag=true flags=[false, true, false] \
        text=\"with blank\" lines=[\"\", line] f32=1.25 f64=-0.1 color=GREEN(2) level=LOW(-5) wide=WIDE_MAX(18446744073709551615) size=LARGE(1) point={x=-1 y=1} \
        markers=[{id=0 at={x=0 y=0}}, {id=9 at={x=0 y=-9}}] grid=[[0, 0, 0], [0, 0, 12]] \
        numbers=[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 39] \
        pointer=0xffff888000000000 self=0x0 function=0x0";
    let skel = kinds::open()?.load()?;
    // `__int128` has an alignment of 16, and a ring gives 8: half of these records are copied.
    for _ in 0..3 {
        skel.progs()?.send.test_run(None, None)?;
    }
    let mut texts = Vec::new();
    skel.poll(Duration::from_secs(5), |kinds::Export::Rb(event)| {
        assert_eq!(std::ptr::from_ref(event).addr() % 16, 0);
        texts.push(event.to_string());
    })?;
    assert_eq!(texts, [TEXT, TEXT, TEXT]);

    let skel = Skeleton::parse(&fixture("kinds"), "kinds")?.open()?.load()?;
    skel.object().program("send")?.test_run(None, None)?;
    let mut texts = Vec::new();
    skel.poll(Duration::from_secs(5), |event| texts.push(event.value.to_string()))?;
    assert_eq!(texts, [TEXT]);
    Ok(())
}

pub(crate) fn all_member_shapes_are_delivered() -> Outcome {
    use eunomia_tests::built::shapes::{self, Export, types::Mode};

    let skel = shapes::open()?.load()?;
    let data = skel.data()?;
    assert_eq!(
        (data.address.get()?.v6()[0], data.tight.get()?.stamps.get(), data.size.get()?.height),
        (127, [3, 4], 4)
    );
    assert_eq!(data.state.get()?.name(), Some("BUSY"));
    skel.progs()?.send.test_run(None, None)?;
    let mut typed = Vec::new();
    skel.poll(Duration::from_secs(5), |Export::Rb(event)| {
        assert_eq!(
            (event.flags.delta(), event.flags.urgent(), event.flags.mode(), event.flags.huge()),
            (-40, true, Mode::ON, -5)
        );
        assert_eq!(
            (event.from.v4(), event.tight.number.get(), event.ratio(), event.number()),
            (0x0102_0304, -77, 1.5, 0x3fc0_0000)
        );
        assert_eq!(
            (event.tail().collect::<Vec<_>>(), event.tail_bytes().len()),
            (vec![10, 0, 12], 6)
        );
        assert_eq!((event.kind.name(), event.nested[1].depth, event.last), (Some("SECOND"), 6, 8));
        typed.push(event.to_string());
    })?;
    assert_eq!((typed.len(), skel.bss()?.total.get()?), (1, 1));

    let mut key = shapes::types::Address::default();
    key.set_v4(1);
    let mut value = shapes::types::HostsValue::default();
    value.set_hits(0xf_ffff);
    skel.maps()?.hosts.insert(&key, &value)?;
    assert_eq!(
        skel.maps()?.hosts.get(&key)?.map(|value| (value.hits(), value.misses())),
        Some((0xf_ffff, 0))
    );

    let skel = Skeleton::parse(&fixture("shapes"), "shapes")?.open()?.load()?;
    assert_eq!(
        (skel.get("size")?, skel.get("state")?),
        ("width=3 height=4".to_owned(), "BUSY(1)".to_owned())
    );
    skel.object().program("send")?.test_run(None, None)?;
    skel.poll(Duration::from_secs(5), |event| assert_eq!(event.value.to_string(), typed[0]))?;
    Ok(())
}

pub(crate) fn ring_wraps_lose_nothing() -> Outcome {
    let skel = load()?;
    // 64 KiB hold 910 samples of 72 bytes: 700 at a time wrap the ring more than a hundred times,
    // at changing offsets.
    let mut next = 0;
    for round in 0..150 {
        run(&skel.progs()?.produce, 700, round * 700, 3)?;
        let count = skel.poll(Duration::from_secs(5), |export| {
            let Export::Rb(sample) = export else { panic!("{export:?}") };
            assert!(is_whole(sample) && sample.producer == 3);
            assert_eq!(sample.seq, next);
            next += 1;
        })?;
        assert_eq!(count, 700);
    }
    let stats = skel.stats().rb;
    assert_eq!(
        (stats.received, stats.bytes, stats.discarded, stats.short),
        (105_000, 105_000 * 64, 0, 0)
    );
    assert_eq!((skel.bss()?.sent.get()?, skel.bss()?.refused.get()?), (105_000, 0));
    Ok(())
}

pub(crate) fn records_are_read_in_place() -> Outcome {
    let skel = load()?;
    run(&skel.progs()?.produce, 100, 0, 0)?;
    let mut addresses = Vec::new();
    skel.poll(Duration::from_secs(5), |export| {
        let Export::Rb(sample) = export else { panic!("{export:?}") };
        addresses.push(std::ptr::from_ref(sample).addr());
    })?;
    // In the ring, samples are one header and one sample apart.
    assert!(addresses.windows(2).all(|pair| pair[1] - pair[0] == 8 + size_of::<Sample>()));
    assert_eq!(addresses.len(), 100);
    Ok(())
}

pub(crate) fn discarded_and_short_records_are_counted() -> Outcome {
    let skel = load()?;
    run(&skel.progs()?.mixture, 400, 0, 0)?;
    let mut seqs = Vec::new();
    let count = skel.poll(Duration::from_secs(5), |export| {
        let Export::Rb(sample) = export else { panic!("{export:?}") };
        assert!(is_whole(sample));
        seqs.push(sample.seq);
    })?;
    let expected: Vec<u64> = (0..400).filter(|i| i % 4 == 0 || i % 4 == 3).collect();
    assert_eq!(seqs, expected);
    let stats = skel.stats().rb;
    assert_eq!((count, stats.received, stats.discarded, stats.short), (200, 200, 100, 100));
    Ok(())
}

pub(crate) fn full_ring_recovers() -> Outcome {
    let skel = load()?;
    run(&skel.progs()?.produce, 2000, 0, 0)?;
    let fit = skel.poll(Duration::from_secs(5), |_| ())?;
    let (sent, refused) = (skel.bss()?.sent.get()?, skel.bss()?.refused.get()?);
    assert_eq!((fit, refused), (sent, 2000 - sent));
    assert!((800..1000).contains(&fit), "{fit}");
    run(&skel.progs()?.produce, 10, 0, 0)?;
    assert_eq!(skel.poll(Duration::from_secs(5), |_| ())?, 10);
    Ok(())
}

pub(crate) fn one_poll_reads_several_maps() -> Outcome {
    let skel = load()?;
    for round in 0..50 {
        run(&skel.progs()?.produce, 2, round, 0)?;
        run(&skel.progs()?.annotate, 1, round, 0)?;
        let (mut samples, mut notes) = (0, 0);
        skel.poll(Duration::from_secs(5), |export| match export {
            Export::Rb(_) => samples += 1,
            Export::Notes(note) => {
                assert_eq!((u64::from(note.code), note.text.as_str()), (round, Ok("noted")));
                notes += 1;
            }
            Export::Events(_) => panic!("no perf samples were sent"),
        })?;
        assert_eq!((samples, notes), (2, 1));
    }
    let stats = skel.stats();
    assert_eq!((stats.rb.received, stats.notes.received, stats.events.received), (100, 50, 0));
    Ok(())
}

pub(crate) fn unknown_types_are_delivered_as_bytes() -> Outcome {
    // The bare object declares two types and three maps. Records of several sizes go into `rb`, so
    // that its type is unknown; those of the other maps are found.
    let skel = included::untyped::open()?.load()?;
    run(&skel.progs()?.produce, 1, 7, 0)?;
    run(&skel.progs()?.annotate, 1, 7, 0)?;
    let (mut bytes, mut code) = (Vec::new(), 0);
    skel.poll(Duration::from_secs(5), |export| match export {
        included::untyped::Export::Rb(sample) => bytes = sample.to_vec(),
        included::untyped::Export::Notes(note) => code = note.code,
        included::untyped::Export::Events(_) => panic!("{export:?}"),
    })?;
    assert_eq!((&bytes[..8], code), (&7u64.to_ne_bytes()[..], 7));
    // The application names the types.
    let skel = included::named::open()?.load()?;
    run(&skel.progs()?.annotate, 1, 7, 0)?;
    skel.poll(Duration::from_secs(5), |export| {
        let included::named::Export::Notes(note) = export else { panic!("{export:?}") };
        assert_eq!((note.code, note.text.as_str()), (7, Ok("noted")));
    })?;
    assert_eq!(skel.stats().notes.received, 1);
    let checked = Skeleton::from_file(concat!(env!("OUT_DIR"), "/streams.bpf.o"))?.check()?;
    let unknown: Vec<&str> = checked
        .streams
        .iter()
        .filter(|stream| matches!(stream.payload, Payload::Bytes { .. }))
        .map(|stream| stream.map.as_str())
        .collect();
    assert_eq!(unknown, ["rb"]);
    Ok(())
}

pub(crate) fn events_may_be_scalars_and_arrays() -> Outcome {
    use eunomia_tests::built::plain::{self, Export};

    let skel = plain::open()?.load()?;
    let all = |skel: &plain::Loaded| -> eunomia_runtime::Result<()> {
        run(&skel.progs()?.produce, 1, 77, 0)?;
        run(&skel.progs()?.annotate, 1, u64::from_ne_bytes(*b"sixteen!"), 0)?;
        run(&skel.progs()?.perf, 1, u64::from_ne_bytes([9; 8]), 0)
    };
    all(&skel)?;
    let mut typed = Vec::new();
    skel.poll(Duration::from_secs(5), |export| {
        match export {
            Export::Rb(number) => assert_eq!(*number, 77),
            Export::Notes(text) => assert_eq!(&text.as_bytes()[..4], b"sixt"),
            Export::Events(bytes) => assert_eq!(bytes[..8], [9; 8]),
        }
        typed.push(export.to_string());
    })?;
    assert_eq!(typed.len(), 3);

    let path = concat!(env!("OUT_DIR"), "/plain.json");
    let skel = Skeleton::from_file(path)?.open()?.load()?;
    run(&skel.object().program("produce")?, 1, 77, 0)?;
    run(&skel.object().program("annotate")?, 1, u64::from_ne_bytes(*b"sixteen!"), 0)?;
    run(&skel.object().program("perf")?, 1, u64::from_ne_bytes([9; 8]), 0)?;
    let mut dynamic = Vec::new();
    skel.poll(Duration::from_secs(5), |event| dynamic.push(event.value.to_string()))?;
    assert_eq!(dynamic, typed);
    Ok(())
}

/// Producers send random bursts to a reader that waits practically without a timeout: one lost
/// wakeup stalls it. Each way of waiting runs for `SECONDS`; by default 2, or 1 in a virtual
/// machine.
pub(crate) fn no_wakeup_is_lost() -> Outcome {
    let seconds = std::env::var("SECONDS").map_or(Ok(rounds(2)), |seconds| seconds.parse())?;
    [
        Waiting::default(),
        Waiting::Adaptive { latency: Duration::from_millis(2) },
        Waiting::Epoll,
        Waiting::Busy,
    ]
    .into_iter()
    .try_for_each(|waiting| bursts(waiting, Duration::from_secs(seconds)))
}

fn bursts(waiting: Waiting, time: Duration) -> Outcome {
    let skel = load()?;
    skel.set_waiting(waiting);
    let sent = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let stop = skel.control();
    // The producers run the program through a second descriptor, because the reader is borrowed for
    // polling.
    let produce = skel.progs()?.produce.fd()?.try_clone_to_owned()?;
    let deadline = Instant::now() + time;
    let mut received = 0;
    thread::scope(|scope| -> Outcome {
        let producers: Vec<_> = (0..2u64)
            .map(|id| {
                let (sent, produce) = (&sent, &produce);
                scope.spawn(move || {
                    let mut state = 0x2545_f491_4f6c_dd1d_u64.wrapping_mul(id + 1);
                    while Instant::now() < deadline {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        let count = 1 + state % 5;
                        raw_test_run(produce, [count, 0, id]);
                        sent.fetch_add(count, Ordering::Relaxed);
                        if state.is_multiple_of(3) {
                            thread::sleep(Duration::from_micros(state % 200));
                        }
                    }
                })
            })
            .collect();
        // Ends the wait a second after the last record was sent; the reader must have received all
        // by then.
        scope.spawn({
            let done = &done;
            move || {
                producers.into_iter().for_each(|producer| producer.join().unwrap());
                thread::sleep(Duration::from_secs(1));
                done.store(true, Ordering::Release);
                stop.stop();
            }
        });
        let mut longest = Duration::ZERO;
        while !done.load(Ordering::Acquire) {
            let start = Instant::now();
            received += skel.poll(Duration::from_secs(3600), |_| ())?;
            if !done.load(Ordering::Acquire) {
                longest = longest.max(start.elapsed());
            }
        }
        assert!(
            longest < Duration::from_secs(1),
            "{waiting:?}: the consumer slept {longest:?} while producers sent"
        );
        Ok(())
    })?;
    let refused = skel.bss()?.refused.get()?;
    assert_eq!(received + refused, sent.load(Ordering::Relaxed));
    assert!(received > 100, "{received}");
    Ok(())
}

/// Runs a program with `BPF_PROG_TEST_RUN` by descriptor, with a count, a start and a producer.
pub(crate) fn raw_test_run(program: &impl std::os::fd::AsRawFd, args: [u64; 3]) {
    #[repr(C)]
    #[derive(Default)]
    struct TestRun {
        prog_fd: u32,
        retval: u32,
        data_size_in: u32,
        data_size_out: u32,
        data_in: u64,
        data_out: u64,
        repeat: u32,
        duration: u32,
        ctx_size_in: u32,
        ctx_size_out: u32,
        ctx_in: u64,
        ctx_out: u64,
        flags: u32,
        cpu: u32,
        batch_size: u32,
        // The kernel refuses nonzero bytes after the last field that it knows, so padding must be
        // explicit.
        zero: u32,
    }
    const BPF_PROG_TEST_RUN: libc::c_int = 10;
    let run = TestRun {
        prog_fd: program.as_raw_fd() as u32,
        ctx_size_in: size_of_val(&args) as u32,
        ctx_in: args.as_ptr().addr() as u64,
        ..TestRun::default()
    };
    // SAFETY: the attributes and the context outlive the call.
    let error = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_TEST_RUN, &raw const run, size_of::<TestRun>())
    };
    assert_eq!(error, 0, "{}", std::io::Error::last_os_error());
}

/// Records of a ring buffer and of a perf ring, for each way of reading.
pub(crate) fn variable_length_records_are_delivered() -> Outcome {
    use eunomia_runtime::columns::Columns as _;
    use eunomia_tests::built::tails::{self, Export, types::Line};

    const ALL: &str = "abcdefghijklmnopqrstuvwxyz0123456789abcd";
    let texts = [ALL, ALL, "abcde", ""];
    let skel = tails::open()?.load()?;
    let send = || skel.progs()?.send_lines.test_run(Some(&mut [0; 8]), None);
    let whole = |line: &Line| line.number == 7 && line.len == 5;

    send()?;
    let (mut lines, mut events) = (Vec::new(), Vec::new());
    skel.poll(Duration::from_secs(5), |event| match event {
        Export::Lines(line) if whole(line) => lines.push(line.text.to_string()),
        // The kernel pads records of a perf ring.
        Export::Events(line) if whole(line) => {
            events.push(line.text.to_string().chars().take(8).collect::<String>())
        }
        other => panic!("{other}"),
    })?;
    while events.len() < 2 {
        skel.poll(Duration::from_secs(5), |event| {
            if let Export::Events(line) = event {
                events.push(line.text.to_string())
            }
        })?;
    }
    assert_eq!(lines, texts);
    assert_eq!((&events[0][..8], &events[1][..8]), ("abcdefgh", "abcdefgh"));
    assert_eq!((skel.stats().lines.received, skel.stats().lines.short), (4, 1));

    let maps = skel.maps()?;
    send()?;
    let mut lines = Vec::new();
    maps.lines.for_runs(|run| lines.extend(run.iter().map(|line| line.text.to_string())))?;
    assert_eq!(lines, texts);
    send()?;
    let lines: Vec<String> = maps.lines.batch()?.iter().map(|line| line.text.to_string()).collect();
    assert_eq!(lines, texts);
    send()?;
    let mut lines = Vec::new();
    maps.lines.for_each(|line| lines.push(line.text.to_string()))?;
    assert_eq!(lines, texts);
    assert_eq!((skel.stats().lines.received, skel.stats().lines.short), (16, 4));

    skel.progs()?.send_tails.test_run(Some(&mut [0; 8]), None)?;
    let mut typed = Vec::new();
    skel.poll(Duration::from_secs(5), |event| {
        if !matches!(event, Export::Events(_)) {
            typed.push(event.to_string())
        }
    })?;
    assert_eq!(
        typed[1..],
        [
            "number=1 kind=2 text=abcdefghijklmn",
            "number=1 kind=2 text=abc",
            "number=1 kind=2 text=\"\"",
            "count=2 pairs=[{a=-1 b=2}, {a=3 b=4}]"
        ]
    );
    assert!(typed[0].starts_with("kind=3 path=ab key=[97, 98, 0, "), "{}", typed[0]);

    // The handles of the maps also deliver the bytes after the struct.
    skel.progs()?.send_tails.test_run(Some(&mut [0; 8]), None)?;
    let mut each = Vec::new();
    maps.blobs.for_each(|blob| each.push(blob.to_string()))?;
    maps.pairs.for_each(|pairs| each.push(pairs.to_string()))?;
    assert_eq!(each, typed[1..]);
    skel.progs()?.send_tails.test_run(Some(&mut [0; 8]), None)?;
    let blobs = maps.blobs.batch()?;
    // The second record ends inside the padding of its struct, where the array begins.
    let mut kept: Vec<_> = blobs.iter().collect();
    kept.extend(&blobs);
    assert_eq!(kept.iter().map(|blob| blob.tail_bytes().len()).collect::<Vec<_>>(), [14, 3, 0]);
    assert!(kept.iter().map(ToString::to_string).eq(typed[1..4].iter().cloned()));
    drop(blobs);
    let mut batch = tails::types::PairsBatch::default();
    maps.pairs.for_each(|pairs| batch.push(pairs))?;
    assert_eq!(
        (batch.pairs_a.get(0), batch.pairs_b.get(0)),
        (Some(&[-1, 3][..]), Some(&[2, 4][..]))
    );

    let skel = Skeleton::parse(&fixture("tails"), "tails")?.open()?.load()?;
    skel.object().program("send_tails")?.test_run(Some(&mut [0; 8]), None)?;
    let mut dynamic = Vec::new();
    skel.poll(Duration::from_secs(5), |event| dynamic.push(event.value.to_string()))?;
    assert_eq!(typed, dynamic);
    Ok(())
}
