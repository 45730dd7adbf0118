//! The perf ring of one CPU, after `uapi/linux/perf_event.h`.
//!
//! The memory of a ring is a page with its positions (`struct perf_event_mmap_page`) and the data.
//! The kernel advances `data_head` after it wrote a record. The reader advances `data_tail` after
//! it read records; from then on the kernel may overwrite them. A record that reaches the end of
//! the data goes on at its start.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::atomic::Ordering,
};

use libbpf_rs::libbpf_sys;
use rustix::param::page_size;

use super::{
    super::{Counters, Drained, Fate, Stats, mapping::Mapping},
    PerfBuffer,
};
use crate::{Error, Result, host::perf_event};

/// Offsets of `data_head` and `data_tail` in `struct perf_event_mmap_page`.
const HEAD: usize = 1024;
const TAIL: usize = 1032;
const PERF_RECORD_LOST: u32 = 2;
const PERF_RECORD_SAMPLE: u32 = 9;
/// Length of a record's header, and of the header with the raw sample's own length.
const HEADER: usize = 8;
const RAW: usize = HEADER + 4;

const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;

/// The ring of one CPU in a perf event array map.
#[derive(Debug)]
pub(super) struct PerfRing {
    pub(super) cpu: u32,
    pub(super) fd: OwnedFd,
    memory: Mapping,
    size: u64,
    /// Buffer for a record that wraps around the end of the ring.
    wrapped: Vec<u8>,
    /// Time for which the event had been enabled at the last check.
    time: u64,
    /// Number of records that found no room, as the kernel counts them; `None` if it does not, and
    /// records of the ring report them.
    pub(super) lost: Option<u64>,
    /// Position at which reads end, after a stop was requested.
    limit: Option<u64>,
    /// True after the CPU went offline or the ring was damaged. No more records come, and the ring
    /// is neither in the map nor in the epoll set.
    pub(super) retired: bool,
}

/// Opens the event of a CPU to which programs write; with `counted`, the kernel counts what finds
/// no room.
pub(super) fn open(cpu: u32, buffer: PerfBuffer, counted: bool) -> io::Result<OwnedFd> {
    let lost = if counted { libbpf_sys::PERF_FORMAT_LOST } else { 0 };
    let mut attr = libbpf_sys::perf_event_attr {
        type_: libbpf_sys::PERF_TYPE_SOFTWARE,
        config: u64::from(libbpf_sys::PERF_COUNT_SW_BPF_OUTPUT),
        sample_type: u64::from(libbpf_sys::PERF_SAMPLE_RAW),
        read_format: u64::from(libbpf_sys::PERF_FORMAT_TOTAL_TIME_ENABLED | lost),
        ..Default::default()
    };
    attr.__bindgen_anon_1.sample_period = 1;
    attr.set_watermark(1);
    let quarter = u32::try_from(buffer.pages.saturating_mul(page_size()) / 4).unwrap_or(u32::MAX);
    attr.__bindgen_anon_2.wakeup_watermark = buffer.watermark.unwrap_or(quarter).max(1);
    perf_event::open(attr, -1, cpu.cast_signed())
}

impl PerfRing {
    /// Maps the ring of an open event, enables the event and puts it into the map.
    pub(super) fn new(
        fd: OwnedFd,
        map: BorrowedFd<'_>,
        cpu: u32,
        pages: usize,
        counted: bool,
    ) -> io::Result<Self> {
        let page = page_size();
        let memory = Mapping::new(fd.as_fd(), 0, page * (1 + pages), true)?;
        // SAFETY: the request takes no pointer.
        if unsafe { libc::ioctl(fd.as_raw_fd(), PERF_EVENT_IOC_ENABLE, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let raw = fd.as_raw_fd();
        // SAFETY: the key and the value are 4 bytes each, as the map type requires, and live
        // through the call.
        let error = unsafe {
            libbpf_sys::bpf_map_update_elem(
                map.as_raw_fd(),
                (&raw const cpu).cast(),
                (&raw const raw).cast(),
                0,
            )
        };
        if error < 0 {
            return Err(io::Error::from_raw_os_error(-error));
        }
        Ok(Self::with_memory(cpu, fd, memory, pages, counted))
    }

    fn with_memory(cpu: u32, fd: OwnedFd, memory: Mapping, pages: usize, counted: bool) -> Self {
        let (size, lost) = ((page_size() * pages) as u64, counted.then_some(0));
        Self {
            cpu,
            fd,
            memory,
            size,
            wrapped: Vec::new(),
            time: 0,
            lost,
            limit: None,
            retired: false,
        }
    }

    /// Removes the ring from the map. The map keeps the event's file open, so without this, closing
    /// the descriptor would not end the event; and a file whose memory is unmapped would be
    /// readable for ever (`perf_poll` returns EPOLLHUP).
    pub(super) fn retire(&mut self, map: BorrowedFd<'_>) {
        self.retired = true;
        self.update_lost();
        // SAFETY: the key is 4 bytes, as the map type requires, and lives through the call.
        let _ = unsafe {
            libbpf_sys::bpf_map_delete_elem(map.as_raw_fd(), (&raw const self.cpu).cast())
        };
    }

    /// Reports whether the time of the event has stopped since the last check. The kernel removes
    /// the events of a CPU that goes offline for good, also when the machine sleeps
    /// (`perf_event_exit_cpu`). Nothing else reports that.
    pub(super) fn has_stopped(&mut self) -> bool {
        let before = self.time;
        // An event that cannot be read is assumed to go on.
        self.read().is_some_and(|[time, lost]| {
            self.time = time;
            self.lost = self.lost.map(|_| lost);
            time == before
        })
    }

    /// Updates the count of records that found no room, if the kernel has one.
    pub(super) fn update_lost(&mut self) {
        if self.lost.is_some()
            && let Some([_, lost]) = self.read()
        {
            self.lost = Some(lost);
        }
    }

    /// Reads the time for which the event has been enabled, and the number of lost records if the
    /// kernel counts them. Returns `None` if the event cannot be read.
    fn read(&self) -> Option<[u64; 2]> {
        let mut bytes = [0; 24];
        let len = rustix::io::read(&self.fd, &mut bytes).ok()?;
        let (words, _) = bytes.as_chunks();
        let word = |at: usize| words.get(at).map_or(0, |word| u64::from_ne_bytes(*word));
        // The value of the event comes first.
        let expected = if self.lost.is_some() { 24 } else { 16 };
        (len == expected).then(|| [word(1), word(2)])
    }

    fn head(&self) -> u64 {
        self.memory.u64(HEAD).load(Ordering::Acquire)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head() == self.tail()
    }

    /// Ends later reads at the records that are there now, until [`Self::unmark`].
    pub(super) fn mark(&mut self) {
        self.limit = Some(self.head());
    }

    /// Lets reads go on beyond the mark.
    pub(super) fn unmark(&mut self) {
        self.limit = None;
    }

    /// Reports whether everything before the mark was read, or no mark is set.
    pub(super) fn is_at_mark(&self) -> bool {
        self.limit.is_none_or(|limit| limit == self.tail())
    }

    /// Returns the number of unread samples.
    pub(super) fn unread(&self) -> Result<u64> {
        let (mut at, head, mut count) = (self.tail(), self.head(), 0);
        while at != head {
            let (kind, len) = record(&self.memory, self.size, at, head)?;
            count += u64::from(kind == PERF_RECORD_SAMPLE);
            at = at.wrapping_add(len as u64);
        }
        Ok(count)
    }

    fn tail(&self) -> u64 {
        self.memory.u64(TAIL).load(Ordering::Relaxed)
    }

    /// Delivers every record that is there now, or before the mark.
    pub(super) fn drain(
        &mut self,
        stats: &Counters,
        running: &impl Fn() -> bool,
        deliver: &mut impl FnMut(&[u8]) -> Fate,
    ) -> Result<Drained> {
        let (tail, head) = (self.tail(), self.limit.unwrap_or_else(|| self.head()));
        let Self { memory, size, wrapped, lost, .. } = self;
        let mut read = Read {
            memory,
            stats,
            start: tail,
            tail,
            counted: lost.is_some(),
            found: Stats::default(),
        };
        while read.tail != head {
            if !running() {
                return Ok(Drained::Stopped);
            }
            let (kind, len) = record(memory, *size, read.tail, head)?;
            let at = data_offset(read.tail, *size);
            let end = at + len;
            let limit = page_size() + *size as usize;
            let record = if end <= limit {
                // SAFETY: the kernel does not write to a record until a tail after it is published,
                // and this process never writes to it. The drop of `read` publishes the tail after
                // this reference is gone. The event belongs to this reader, so nobody else reads
                // its ring.
                unsafe { memory.bytes(at, len) }
            } else {
                wrapped.clear();
                // SAFETY: as above.
                wrapped.extend_from_slice(unsafe { memory.bytes(at, limit - at) });
                // SAFETY: as above.
                wrapped.extend_from_slice(unsafe { memory.bytes(page_size(), end - limit) });
                wrapped.as_slice()
            };
            // Taken before the callback sees it: if the callback panics, it must not get the record
            // again.
            read.tail = read.tail.wrapping_add(len as u64);
            if read.record(kind, record, deliver) == Fate::Stop {
                return Ok(Drained::Stopped);
            }
        }
        Ok(Drained::All)
    }
}

/// A read in progress. On every way out, also if the callback panics, it publishes the tail and
/// updates the statistics. It publishes only then: each read empties the ring, which leaves room
/// for the records that come during the next.
struct Read<'a> {
    memory: &'a Mapping,
    stats: &'a Counters,
    start: u64,
    tail: u64,
    /// True if the kernel counts lost records. That count includes what the records report.
    counted: bool,
    found: Stats,
}

impl Read<'_> {
    /// Delivers a sample, or counts a report of losses.
    fn record(
        &mut self,
        kind: u32,
        record: &[u8],
        deliver: &mut impl FnMut(&[u8]) -> Fate,
    ) -> Fate {
        match kind {
            PERF_RECORD_SAMPLE => {
                let size = record
                    .get(HEADER..RAW)
                    .and_then(|word| word.try_into().ok())
                    .map_or(0, u32::from_ne_bytes) as usize;
                let sample = record.get(RAW..).and_then(|raw| raw.get(..size));
                self.found.counted(1, size as u64, || sample.map_or(Fate::Short, deliver))
            }
            PERF_RECORD_LOST if !self.counted => {
                let lost = record
                    .get(16..24)
                    .and_then(|word| word.try_into().ok())
                    .map_or(0, u64::from_ne_bytes);
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

/// Returns the type and the length of the record at `tail`.
#[inline]
fn record(memory: &Mapping, size: u64, tail: u64, head: u64) -> Result<(u32, usize)> {
    let left = head.wrapping_sub(tail);
    let at = data_offset(tail, size);
    let kind = memory.u32(at).load(Ordering::Relaxed);
    // `size` is the upper half of the second word, after `misc`.
    let len = (memory.u32(at + 4).load(Ordering::Relaxed) >> 16) as usize;
    if len < HEADER || !len.is_multiple_of(8) || len as u64 > left || left > size {
        return Err(damaged(tail, len, left));
    }
    Ok((kind, len))
}

#[cold]
fn damaged(tail: u64, len: usize, left: u64) -> Error {
    Error::Damaged {
        name: "perf ring".to_owned(),
        why: format!(
            "the record at position {tail} has {len} bytes, but {left} are left: the ring's memory is damaged"
        ),
    }
}

/// Returns the offset of a position in the ring's memory.
fn data_offset(position: u64, size: u64) -> usize {
    page_size() + (position & (size - 1)) as usize
}

#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
