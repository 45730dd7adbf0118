//! Our own reader of a perf event array: one perf ring for each CPU, from `uapi/linux/perf_event.h`.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::atomic::{Ordering, fence},
    time::{Duration, Instant},
};

use libbpf_rs::libbpf_sys;
use rustix::param::page_size;

use super::{Counters, Drained, Fate, Stats, mapping::Mapping};
use crate::{Error, Result, cpus, perf_event, refusal::refusal};

/// Offsets of `data_head` and `data_tail` in `struct perf_event_mmap_page`.
const HEAD: usize = 1024;
const TAIL: usize = 1032;
const PERF_RECORD_LOST: u32 = 2;
const PERF_RECORD_SAMPLE: u32 = 9;
/// Header of a record, then the raw sample's own length.
const HEADER: usize = 8;
const RAW: usize = HEADER + 4;

/// How the rings of a perf event array are set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerfBuffer {
    /// Pages of data on each CPU, a power of two.
    pub pages: usize,
    /// Bytes in a ring after which the kernel wakes the reader; `None` is a quarter of it. A wakeup costs the producer more than a
    /// microsecond, so one for each record (1) is for few records that must come at once.
    pub watermark: Option<u32>,
    /// The longest time that records below the watermark wait for a reader that sleeps. A reader in a burst
    /// ([`Waiting::Adaptive`](super::Waiting)) looks for them by itself.
    pub flush: Duration,
}

impl Default for PerfBuffer {
    /// 64 pages, 10 milliseconds.
    fn default() -> Self {
        Self { pages: 64, watermark: None, flush: Duration::from_millis(10) }
    }
}

/// A perf event array map: a ring for each CPU that is online.
#[derive(Debug)]
pub(crate) struct PerfArray {
    name: String,
    map: OwnedFd,
    buffer: PerfBuffer,
    rings: Vec<PerfRing>,
    /// CPUs without a ring that is written to: they are offline, or were.
    missing: Vec<u32>,
    /// When the CPUs were last looked at.
    looked: Instant,
}

/// The ring of one CPU in a perf event array map.
#[derive(Debug)]
struct PerfRing {
    cpu: u32,
    fd: OwnedFd,
    memory: Mapping,
    size: u64,
    /// A record that wraps around the end of the ring is put together here.
    wrapped: Vec<u8>,
    /// How long the event has been counting when it was last looked at.
    time: u64,
    /// The CPU went offline: what is in the ring is all that comes.
    retired: bool,
}

/// How often CPUs are looked at.
const LOOK: Duration = Duration::from_secs(1);

impl PerfArray {
    /// Opens the rings of the map `name`, which has room for `entries` CPUs.
    pub(crate) fn open(name: &str, map: BorrowedFd<'_>, entries: u32, buffer: PerfBuffer) -> Result<Self> {
        let map = map.try_clone_to_owned().map_err(|error| refusal(format!("keep the map `{name}`"), error))?;
        let missing = (0..entries.min(cpus::possible()?)).collect();
        let mut array = Self { name: name.to_owned(), map, buffer, rings: Vec::new(), missing, looked: Instant::now() };
        array.open_missing()?;
        Ok(array)
    }

    /// The rings, each with its CPU.
    pub(super) fn rings(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>)> {
        self.rings.iter().map(|ring| (ring.cpu, ring.fd.as_fd()))
    }

    /// How long records may wait for a reader that sleeps.
    pub(super) fn flush(&self) -> Duration {
        self.buffer.flush
    }

    /// Looks at the CPUs once in a while: rings of those that went offline come to their end, and those that are online get one, which
    /// is handed to `add`.
    pub(super) fn follow(&mut self, add: impl Fn(u32, BorrowedFd<'_>) -> Result<()>) -> Result<()> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        for ring in self.rings.iter_mut().filter(|ring| !ring.retired) {
            if ring.stands_still() {
                ring.retired = true;
                self.missing.push(ring.cpu);
            }
        }
        let known = self.rings.len();
        let opened = self.open_missing();
        self.rings.iter().skip(known).try_for_each(|ring| add(ring.cpu, ring.fd.as_fd()))?;
        opened
    }

    /// Those that cannot be opened are tried again at the next look.
    fn open_missing(&mut self) -> Result<()> {
        let (map, name, buffer, rings) = (self.map.as_fd(), &self.name, self.buffer, &mut self.rings);
        let mut result = Ok(());
        self.missing.retain(|&cpu| match open(cpu, buffer) {
            // Possible and offline.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => true,
            Err(error) => {
                result = Err(refusal(format!("open the perf event of map `{name}` on CPU {cpu}"), error));
                true
            }
            Ok(fd) => match PerfRing::new(fd, map, cpu, buffer.pages) {
                Ok(ring) => {
                    rings.push(ring);
                    false
                }
                Err(error) => {
                    result = Err(refusal(format!("map the perf ring of map `{name}` on CPU {cpu}"), error));
                    true
                }
            },
        });
        result
    }

    /// The CPU went offline.
    pub(super) fn retire(&mut self, cpu: u32) {
        // The oldest is meant where it has another one by now.
        if let Some(ring) = self.rings.iter_mut().find(|ring| ring.cpu == cpu).filter(|ring| !ring.retired) {
            ring.retired = true;
            self.missing.push(cpu);
        }
    }

    pub(super) fn has_more(&self) -> bool {
        fence(Ordering::SeqCst);
        self.rings.iter().any(|ring| ring.retired || ring.memory.u64(HEAD).load(Ordering::Acquire) != ring.tail())
    }

    /// Hands every record that is there now to `deliver`. A ring that is damaged is dropped, to be opened anew, and keeps none of the
    /// others from being read.
    pub(super) fn drain(
        &mut self,
        stats: &Counters,
        running: &impl Fn() -> bool,
        deliver: &mut impl FnMut(&[u8]) -> Fate,
    ) -> Result<Drained> {
        let mut result = Ok(Drained::All);
        let mut index = 0;
        while let Some(ring) = self.rings.get_mut(index) {
            match ring.drain(stats, running, deliver) {
                Ok(Drained::All) if ring.retired => _ = self.rings.remove(index),
                Ok(Drained::All) => index += 1,
                Ok(drained) => return result.and(Ok(drained)),
                Err(error) => {
                    let damaged = self.rings.remove(index);
                    if !damaged.retired {
                        self.missing.push(damaged.cpu);
                    }
                    result = result.and(Err(error));
                }
            }
        }
        result
    }
}

#[cfg(feature = "fuzz")]
pub(super) mod fuzz;

fn open(cpu: u32, buffer: PerfBuffer) -> io::Result<OwnedFd> {
    let mut attr = libbpf_sys::perf_event_attr {
        type_: libbpf_sys::PERF_TYPE_SOFTWARE,
        config: u64::from(libbpf_sys::PERF_COUNT_SW_BPF_OUTPUT),
        sample_type: u64::from(libbpf_sys::PERF_SAMPLE_RAW),
        read_format: u64::from(libbpf_sys::PERF_FORMAT_TOTAL_TIME_ENABLED),
        ..Default::default()
    };
    attr.__bindgen_anon_1.sample_period = 1;
    attr.set_watermark(1);
    let quarter = u32::try_from(buffer.pages.saturating_mul(page_size()) / 4).unwrap_or(u32::MAX);
    attr.__bindgen_anon_2.wakeup_watermark = buffer.watermark.unwrap_or(quarter).max(1);
    perf_event::open(attr, -1, cpu.cast_signed())
}

impl PerfRing {
    fn new(fd: OwnedFd, map: BorrowedFd<'_>, cpu: u32, pages: usize) -> io::Result<Self> {
        let page = page_size();
        let memory = Mapping::new(fd.as_fd(), 0, page * (1 + pages), true)?;
        // SAFETY: the request takes no pointer.
        if unsafe { libc::ioctl(fd.as_raw_fd(), PERF_EVENT_IOC_ENABLE, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let raw = fd.as_raw_fd();
        // SAFETY: key and value are 4 bytes each, as the map type demands, and live through the call.
        let error = unsafe { libbpf_sys::bpf_map_update_elem(map.as_raw_fd(), (&raw const cpu).cast(), (&raw const raw).cast(), 0) };
        if error < 0 {
            return Err(io::Error::from_raw_os_error(-error));
        }
        Ok(Self { cpu, fd, memory, size: (page * pages) as u64, wrapped: Vec::new(), time: 0, retired: false })
    }

    /// Whether the event's time has stopped since the last look. The kernel takes an event off a CPU that goes offline, for good, also
    /// when the machine sleeps (`perf_event_exit_cpu`); nothing else tells.
    fn stands_still(&mut self) -> bool {
        let mut count_and_time = [0; 16];
        // What cannot be read cannot be told.
        let Ok(16) = rustix::io::read(&self.fd, &mut count_and_time) else { return false };
        let time = count_and_time.last_chunk().map_or(0, |time| u64::from_ne_bytes(*time));
        std::mem::replace(&mut self.time, time) == time
    }

    fn tail(&self) -> u64 {
        self.memory.u64(TAIL).load(Ordering::Relaxed)
    }

    fn drain(&mut self, stats: &Counters, running: &impl Fn() -> bool, deliver: &mut impl FnMut(&[u8]) -> Fate) -> Result<Drained> {
        let tail = self.tail();
        let Self { memory, size, wrapped, .. } = self;
        let head = memory.u64(HEAD).load(Ordering::Acquire);
        let mut read = Read { memory, stats, start: tail, tail, found: Stats::default() };
        while read.tail != head {
            if !running() {
                return Ok(Drained::Stopped);
            }
            let left = head.wrapping_sub(read.tail);
            let at = data_offset(read.tail, *size);
            let kind = memory.u32(at).load(Ordering::Relaxed);
            // The record's size is the upper half of the second word.
            let len = (memory.u32(at + 4).load(Ordering::Relaxed) >> 16) as usize;
            if len < HEADER || !len.is_multiple_of(8) || len as u64 > left || left > *size {
                return Err(Error::Value {
                    name: "perf ring".to_owned(),
                    why: format!("the record at {} has {len} bytes where {left} are left: the ring's memory is damaged", read.tail),
                });
            }
            let end = at + len;
            let limit = page_size() + *size as usize;
            let record = if end <= limit {
                // SAFETY: the kernel does not write to a record before the tail is published behind it, and this process never does.
                unsafe { memory.bytes(at, len) }
            } else {
                wrapped.clear();
                // SAFETY: as above.
                wrapped.extend_from_slice(unsafe { memory.bytes(at, limit - at) });
                // SAFETY: as above.
                wrapped.extend_from_slice(unsafe { memory.bytes(page_size(), end - limit) });
                wrapped.as_slice()
            };
            // Taken before the callback sees it: one that it panics on must not be met again.
            read.tail = read.tail.wrapping_add(len as u64);
            if read.record(kind, record, deliver) == Fate::Stop {
                return Ok(Drained::Stopped);
            }
        }
        Ok(Drained::All)
    }
}

/// A read under way: gives back what was read and counts it on every way out, a panic of the callback included. The ring has room for
/// what comes meanwhile, as it is emptied at once.
struct Read<'a> {
    memory: &'a Mapping,
    stats: &'a Counters,
    start: u64,
    tail: u64,
    found: Stats,
}

impl Read<'_> {
    fn record(&mut self, kind: u32, record: &[u8], deliver: &mut impl FnMut(&[u8]) -> Fate) -> Fate {
        match kind {
            PERF_RECORD_SAMPLE => {
                let size = record.get(HEADER..RAW).and_then(|word| word.try_into().ok()).map_or(0, u32::from_ne_bytes) as usize;
                let fate = match record.get(RAW..).and_then(|raw| raw.get(..size)) {
                    Some(sample) => deliver(sample),
                    None => Fate::Short,
                };
                self.found.count(fate, size as u64);
                fate
            }
            PERF_RECORD_LOST => {
                let lost = record.get(16..24).and_then(|word| word.try_into().ok()).map_or(0, u64::from_ne_bytes);
                self.found.lost = Some(self.found.lost.unwrap_or(0).saturating_add(lost));
                Fate::Delivered
            }
            _ => Fate::Delivered,
        }
    }
}

impl Drop for Read<'_> {
    fn drop(&mut self) {
        if self.tail != self.start {
            self.memory.u64(TAIL).store(self.tail, Ordering::Release);
            self.found.drains = 1;
            self.stats.update(|stats| stats.add(&self.found));
        }
    }
}

fn data_offset(position: u64, size: u64) -> usize {
    page_size() + (position & (size - 1)) as usize
}

const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
