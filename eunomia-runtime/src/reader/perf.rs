//! Our own reader of a perf event array: one perf ring for each CPU, from `uapi/linux/perf_event.h`.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::atomic::{Ordering, fence},
};

use libbpf_rs::libbpf_sys;
use rustix::param::page_size;

use super::{Counters, Drained, Verdict, mapping::Mapping};
use crate::{Error, Result, cpus, perf_event, refusal::refusal};

/// Offsets of `data_head` and `data_tail` in `struct perf_event_mmap_page`.
const HEAD: usize = 1024;
const TAIL: usize = 1032;
const PERF_RECORD_LOST: u32 = 2;
const PERF_RECORD_SAMPLE: u32 = 9;
/// Header of a record, then the raw sample's own length.
const HEADER: usize = 8;
const RAW: usize = HEADER + 4;

/// The ring of one CPU in a perf event array map.
#[derive(Debug)]
pub(crate) struct PerfRing {
    fd: OwnedFd,
    memory: Mapping,
    size: u64,
    /// A record that wraps around the end of the ring is put together here.
    wrapped: Vec<u8>,
}

fn open(cpu: u32) -> io::Result<OwnedFd> {
    let mut attr = libbpf_sys::perf_event_attr {
        type_: libbpf_sys::PERF_TYPE_SOFTWARE,
        config: u64::from(libbpf_sys::PERF_COUNT_SW_BPF_OUTPUT),
        sample_type: u64::from(libbpf_sys::PERF_SAMPLE_RAW),
        ..Default::default()
    };
    attr.__bindgen_anon_1.sample_period = 1;
    attr.__bindgen_anon_2.wakeup_events = 1;
    perf_event::open(attr, -1, cpu.cast_signed())
}

impl PerfRing {
    /// Opens the rings of the map `name`, which has room for `entries` CPUs, with `pages` (a power of two) of data each. CPUs that come
    /// online later have none, and what programs send there is refused to them.
    pub(crate) fn open_all(name: &str, map: BorrowedFd<'_>, entries: u32, pages: usize) -> Result<Vec<Self>> {
        let mut rings = Vec::new();
        for cpu in 0..entries.min(cpus::possible()?) {
            match open(cpu) {
                // CPUs that are possible but offline have no event.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
                Err(error) => return Err(refusal(format!("open the perf event of map `{name}` on CPU {cpu}"), error)),
                Ok(fd) => rings.push(
                    Self::new(fd, map, cpu, pages)
                        .map_err(|error| refusal(format!("map the perf ring of map `{name}` on CPU {cpu}"), error))?,
                ),
            }
        }
        Ok(rings)
    }

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
        Ok(Self { fd, memory, size: (page * pages) as u64, wrapped: Vec::new() })
    }

    pub(super) fn has_more(&self) -> bool {
        fence(Ordering::SeqCst);
        self.memory.u64(HEAD).load(Ordering::Acquire) != self.memory.u64(TAIL).load(Ordering::Relaxed)
    }

    /// Hands every record that is there now to `deliver`.
    pub(super) fn drain(
        &mut self,
        stats: &Counters,
        stopped: &impl Fn() -> bool,
        deliver: &mut impl FnMut(&[u8]) -> Verdict,
    ) -> Result<Drained> {
        let Self { memory, size, wrapped, .. } = self;
        let head = memory.u64(HEAD).load(Ordering::Acquire);
        let mut tail = memory.u64(TAIL).load(Ordering::Relaxed);
        while tail != head {
            if stopped() {
                return Ok(Drained::Stopped);
            }
            let left = head.wrapping_sub(tail);
            let at = data_offset(tail, *size);
            let kind = memory.u32(at).load(Ordering::Relaxed);
            // The record's size is the upper half of the second word.
            let len = (memory.u32(at + 4).load(Ordering::Relaxed) >> 16) as usize;
            if len < HEADER || len as u64 > left || left > *size {
                return Err(Error::Value {
                    name: "perf ring".to_owned(),
                    why: format!("the record at {tail} has {len} bytes where {left} are left: the ring's memory is damaged"),
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
            let publish = Publish { memory, tail: tail.wrapping_add(len as u64) };
            let verdict = record_verdict(kind, record, stats, deliver);
            tail = publish.tail;
            drop(publish);
            if verdict == Verdict::Stop {
                return Ok(Drained::Stopped);
            }
        }
        Ok(Drained::All)
    }
}

/// Publishes the tail behind one record, also where the callback panics.
struct Publish<'a> {
    memory: &'a Mapping,
    tail: u64,
}

impl Drop for Publish<'_> {
    fn drop(&mut self) {
        self.memory.u64(TAIL).store(self.tail, Ordering::Release);
    }
}

fn record_verdict(kind: u32, record: &[u8], stats: &Counters, deliver: &mut impl FnMut(&[u8]) -> Verdict) -> Verdict {
    match kind {
        PERF_RECORD_SAMPLE => {
            let size = record.get(HEADER..RAW).and_then(|word| word.try_into().ok()).map_or(0, u32::from_ne_bytes) as usize;
            let Some(sample) = record.get(RAW..).and_then(|raw| raw.get(..size)) else {
                stats.update(|stats| stats.count(Verdict::Short, 0));
                return Verdict::Short;
            };
            let verdict = deliver(sample);
            stats.update(|stats| stats.count(verdict, size as u64));
            verdict
        }
        PERF_RECORD_LOST => {
            let lost = record.get(16..24).and_then(|word| word.try_into().ok()).map_or(0, u64::from_ne_bytes);
            stats.update(|stats| stats.lost = Some(stats.lost.unwrap_or(0).saturating_add(lost)));
            Verdict::Delivered
        }
        _ => Verdict::Delivered,
    }
}

fn data_offset(position: u64, size: u64) -> usize {
    page_size() + (position & (size - 1)) as usize
}

const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;

impl AsFd for PerfRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
