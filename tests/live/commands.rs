//! User ring buffers: records that this process sends to a program.

use std::{
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::Error;
use eunomia_tests::built::newer::{self, types::Command};

use super::Outcome;

/// The size of a record with its header. The ring holds 19 of them, with some room left.
const RECORD: usize = 8 + size_of::<Command>();
const FIT: u64 = 4096 / RECORD as u64;

fn load() -> eunomia_runtime::Result<newer::Loaded> {
    newer::open()?.load()
}

fn command(number: u64) -> Command {
    Command { number, payload: [number; 24] }
}

/// Runs the program and returns the number of records that it read.
fn drain(skel: &newer::Loaded) -> eunomia_runtime::Result<u64> {
    skel.progs()?.drain.test_run(None, None).map(|run| run.return_value.into())
}

fn is_full<T>(result: eunomia_runtime::Result<T>) -> bool {
    matches!(result, Err(Error::Full { .. }))
}

/// Fills the ring many times, so that records wrap around its end.
pub(crate) fn all_records_reach_program() -> Outcome {
    const COUNT: u64 = 10_000;
    let skel = load()?;
    let mut producer = skel.maps()?.commands.producer()?;
    let bss = skel.bss()?;
    let mut sent = 0;
    while sent < COUNT {
        let burst = (1 + sent % FIT).min(COUNT - sent);
        for number in sent..sent + burst {
            if number % 2 == 0 {
                producer.send(&command(number))?;
            } else {
                let mut reserved = producer.reserve::<Command>()?;
                assert_eq!(*reserved, command(0), "reserved memory is not zeroed");
                *reserved = command(number);
                reserved.submit();
            }
        }
        sent += burst;
        assert_eq!(drain(&skel)?, burst);
        assert_eq!((bss.last.get()?, bss.received.get()?), (command(sent - 1), sent), "in order");
    }
    assert_eq!((bss.numbers.get()?, bss.broken.get()?), ((0..COUNT).sum(), 0));
    assert_eq!(drain(&skel)?, 0);
    Ok(())
}

pub(crate) fn full_ring_refuses_records() -> Outcome {
    let skel = load()?;
    let mut producer = skel.maps()?.commands.producer()?;
    for number in 0..FIT {
        producer.send(&command(number))?;
    }
    let full = producer.send(&command(FIT)).unwrap_err();
    assert_eq!(
        full.to_string(),
        "map `commands`: the buffer is full, since no program has read its records"
    );
    assert!(is_full(producer.reserve::<Command>()));
    let start = Instant::now();
    assert!(is_full(producer.send_timeout(&command(FIT), Duration::from_millis(50))));
    assert!(is_full(producer.reserve_timeout::<Command>(Duration::from_millis(50))));
    assert!(start.elapsed() >= Duration::from_millis(100));
    // The remaining room is enough for a shorter record, to the byte.
    let left = 4096 - FIT as usize * RECORD;
    assert!(is_full(producer.send_bytes(&vec![1; left - 7])));
    producer.send_bytes(&vec![1; left - 8])?;
    assert!(is_full(producer.send(&())));
    assert_eq!((drain(&skel)?, skel.bss()?.broken.get()?), (FIT + 1, 1));
    // Records that the program does not read stay in the ring.
    for number in [1, u64::MAX, 2] {
        producer.send(&command(number))?;
    }
    assert_eq!((drain(&skel)?, drain(&skel)?, skel.bss()?.last.get()?), (2, 1, command(2)));
    Ok(())
}

/// A sender that waits for room is woken by each drain, even by one that frees too little.
pub(crate) fn sender_waits_for_room() -> Outcome {
    const COUNT: u64 = 2000;
    const LONG: Duration = Duration::from_secs(60);
    let skel = load()?;
    let mut producer = skel.maps()?.commands.producer()?;
    let sender = thread::spawn(move || {
        (0..COUNT).try_for_each(|number| {
            if number % 2 == 0 {
                return producer.send_timeout(&command(number), LONG);
            }
            let mut reserved = producer.reserve_timeout::<Command>(LONG)?;
            *reserved = command(number);
            reserved.submit();
            Ok(())
        })
    });
    let (drain, bss) = (skel.progs()?.drain, skel.bss()?);
    while bss.received.get()? < COUNT
        && !(sender.is_finished() && drain.test_run(None, None)?.return_value == 0)
    {
        drain.test_run(None, None)?;
        thread::sleep(Duration::from_micros(bss.received.get()? % 7 * 100));
    }
    sender.join().unwrap()?;
    assert_eq!(
        (bss.received.get()?, bss.numbers.get()?, bss.broken.get()?),
        (COUNT, (0..COUNT).sum(), 0)
    );
    Ok(())
}

/// The program never sees a reservation that was dropped without `submit`.
pub(crate) fn dropped_reservation_is_not_delivered() -> Outcome {
    let skel = load()?;
    let mut producer = skel.maps()?.commands.producer()?;
    for round in 0..100 {
        let mut dropped = producer.reserve::<Command>()?;
        dropped.number = 77;
        drop(dropped);
        producer.send(&command(round))?;
        let _ = producer.reserve::<Command>()?;
        assert_eq!((drain(&skel)?, skel.bss()?.last.get()?), (1, command(round)));
    }
    assert_eq!((skel.bss()?.received.get()?, skel.bss()?.broken.get()?), (100, 0));
    Ok(())
}

pub(crate) fn records_of_any_length_fit() -> Outcome {
    let skel = load()?;
    let mut producer = skel.maps()?.commands.producer()?;
    for len in 0..=4088 {
        producer.send_bytes(&vec![5; len])?;
        assert_eq!(drain(&skel)?, 1, "{len}");
    }
    // The program counts records that are too short for a command.
    assert_eq!(skel.bss()?.broken.get()?, size_of::<Command>() as u64);
    let never = producer.send_bytes(&[5; 4089]).unwrap_err();
    assert_eq!(
        never.to_string(),
        "map `commands`: a record of 4089 bytes does not fit into a ring of 4096 bytes"
    );
    let never = producer.send_timeout(&[0u64; 1000], Duration::from_secs(3600)).unwrap_err();
    assert_eq!(
        never.to_string(),
        "map `commands`: a record of 8000 bytes does not fit into a ring of 4096 bytes"
    );
    Ok(())
}

pub(crate) fn ring_has_one_producer() -> Outcome {
    let skel = load()?;
    let first = skel.maps()?.commands.producer()?;
    let second = skel.maps()?.commands.producer().unwrap_err();
    assert_eq!(
        second.to_string(),
        "map `commands`: this process already has a producer of it, and only one is possible; drop that one first"
    );
    drop(first);
    // An object that shares the ring counts too.
    let mut open = newer::open()?;
    open.object().reuse_map("commands", skel.maps()?.commands.as_map().fd())?;
    let sharing = open.load()?;
    let held = sharing.maps()?.commands.producer()?;
    assert!(matches!(skel.maps()?.commands.producer(), Err(Error::InUse { role: "producer", .. })));
    drop(held);
    let mut third = skel.maps()?.commands.producer()?;
    third.send(&command(1))?;
    drop(third);
    // A new producer continues where the last one stopped.
    skel.maps()?.commands.producer()?.send(&command(2))?;
    assert_eq!(
        (drain(&skel)?, skel.bss()?.last.get()?, skel.bss()?.broken.get()?),
        (2, command(2), 0)
    );

    let other = skel.object().user_ring_buffer("bloom")?.producer().unwrap_err();
    assert_eq!(other.to_string(), "map `bloom`: it is of type bloom_filter, not user_ringbuf");

    // Another writer changes the producer position.
    let ring = skel.maps()?.commands.as_map().fd().as_raw_fd();
    // SAFETY: the kernel chooses the address of the new mapping of the producer's page.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            ring,
            4096,
        )
    };
    assert_ne!(page, libc::MAP_FAILED);
    // SAFETY: the page is mapped and aligned, and is only accessed atomically.
    let position = unsafe { AtomicU64::from_ptr(page.cast()) };
    let mut producer = skel.maps()?.commands.producer()?;
    for torn in [0, position.load(Ordering::Relaxed) + 4, u64::MAX - 7] {
        position.store(torn, Ordering::Relaxed);
        let refused = producer.send(&command(3)).unwrap_err();
        assert!(refused.to_string().contains("another process writes to this ring"), "{refused}");
    }
    Ok(())
}
