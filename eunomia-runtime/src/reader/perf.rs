//! A reader of perf event arrays, which have a perf ring for each CPU, after
//! `uapi/linux/perf_event.h`.
//!
//! The memory of a ring is a page with its positions (`struct perf_event_mmap_page`) and the data.
//! The kernel advances `data_head` after it wrote a record. The reader advances `data_tail` after
//! it read records; from then on the kernel may overwrite them. A record that reaches the end of
//! the data goes on at its start.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::atomic::{Ordering, fence},
    time::{Duration, Instant},
};

use libbpf_rs::libbpf_sys;
use rustix::{
    param::page_size,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create,
        timerfd_settime,
    },
};

use super::{
    Claim, Counters, Drained, Fate, Stats, control::timespec, inherited::Own, mapping::Mapping,
    watch::Watch,
};
use crate::{
    Error, Result,
    host::{cpus, kernel_error, perf_event},
};

/// Offsets of `data_head` and `data_tail` in `struct perf_event_mmap_page`.
const HEAD: usize = 1024;
const TAIL: usize = 1032;
const PERF_RECORD_LOST: u32 = 2;
const PERF_RECORD_SAMPLE: u32 = 9;
/// Length of a record's header, and of the header with the raw sample's own length.
const HEADER: usize = 8;
const RAW: usize = HEADER + 4;

/// The setup of the rings of a perf event array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerfBuffer {
    /// Number of data pages for each CPU, a power of two. An object with any other number fails to
    /// load.
    pub pages: usize,
    /// Number of bytes in a ring after which the kernel wakes the reader; `None` is a quarter of
    /// the ring. A wakeup costs the producer more than a microsecond, so a wakeup for each record
    /// (1) suits few records that must arrive at once.
    pub watermark: Option<u32>,
    /// The longest time that records below the watermark wait for a reader that sleeps. A reader in
    /// a burst ([`Waiting::Adaptive`](super::Waiting)) finds them without it.
    pub flush: Duration,
}

impl Default for PerfBuffer {
    /// Returns 64 pages, a watermark of a quarter of the ring, and a flush every 10 milliseconds.
    fn default() -> Self {
        Self { pages: 64, watermark: None, flush: Duration::from_millis(10) }
    }
}

/// A perf event array map, with a ring for each online CPU.
#[derive(Debug)]
pub(crate) struct PerfArray {
    /// Excludes other readers in this process: the map holds the rings, and another reader would
    /// replace them with its own.
    _claim: Claim,
    name: String,
    map: OwnedFd,
    buffer: PerfBuffer,
    /// The rings. A child of this process has none: the kernel does not copy their memory
    /// (`VM_DONTCOPY` of `perf_mmap`).
    rings: Own<Vec<PerfRing>>,
    /// CPUs without an active ring: they are offline or were, or opening the ring failed.
    missing: Vec<u32>,
    /// The time of the last check of the CPUs.
    checked: Instant,
    /// Readable when records below the watermark have waited for the flush time.
    timer: OwnedFd,
    /// The reader's epoll set, as soon as there is a reader.
    watch: Option<Watch>,
    /// True if the kernel counts the records that found no room (`PERF_FORMAT_LOST`, Linux 6.0 and
    /// late releases of older series).
    counted: bool,
    /// Number of records that found no room in rings that are closed.
    lost: u64,
    /// True if a ring was opened after the others, or the map has no room for that of every CPU:
    /// nobody counts what programs sent on a CPU without a ring.
    late: bool,
}

/// The ring of one CPU in a perf event array map.
#[derive(Debug)]
struct PerfRing {
    cpu: u32,
    fd: OwnedFd,
    memory: Mapping,
    size: u64,
    /// Buffer for a record that wraps around the end of the ring.
    wrapped: Vec<u8>,
    /// Time for which the event had been enabled at the last check.
    time: u64,
    /// Number of records that found no room, as the kernel counts them; `None` if it does not, and
    /// records of the ring report them.
    lost: Option<u64>,
    /// Position at which reads end, after a stop was requested.
    limit: Option<u64>,
    /// True after the CPU went offline or the ring was damaged. No more records come, and the ring
    /// is neither in the map nor in the epoll set.
    retired: bool,
}

/// An upper bound on the pages of a ring: more than the kernel accepts (`rb_alloc`), and low enough
/// that sizes cannot overflow.
const MOST_PAGES: usize = 1 << 19;

/// The interval between checks of the CPUs.
const CPU_CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl PerfArray {
    /// Opens the rings of the map `name`, which has room for CPUs below `entries`.
    ///
    /// # Errors
    /// - [`Error::Value`] if the rings cannot have that many pages.
    /// - [`Error::InUse`] if this process has another reader of the map.
    /// - [`Error::Kernel`] if the kernel refuses a ring.
    pub(crate) fn open(
        name: &str,
        map: BorrowedFd<'_>,
        entries: u32,
        buffer: PerfBuffer,
    ) -> Result<Self> {
        // The kernel accepts a ring without pages, and does not count what it drops there.
        if !buffer.pages.is_power_of_two() || buffer.pages > MOST_PAGES {
            let why = format!(
                "rings cannot have {} pages; expected a power of two, at most {MOST_PAGES}",
                buffer.pages
            );
            return Err(Error::Value { name: format!("map `{name}`"), why });
        }
        let claim = Claim::reader(name, map)?;
        let map = map.try_clone_to_owned().map_err(|error| {
            kernel_error(format!("duplicate the descriptor of the map `{name}`"), error)
        })?;
        let cpus = cpus::ids()?;
        let (cpus, without): (Vec<_>, Vec<_>) = cpus.into_iter().partition(|cpu| *cpu < entries);
        let mut array = Self {
            _claim: claim,
            name: name.to_owned(),
            map,
            buffer,
            rings: Own::new(Vec::new()).map_err(|errno| {
                kernel_error(format!("map memory for the map `{name}`"), errno.into())
            })?,
            missing: cpus,
            checked: Instant::now(),
            timer: timer(buffer.flush).map_err(|errno| {
                kernel_error(format!("create a timer for the map `{name}`"), errno.into())
            })?,
            watch: None,
            counted: true,
            lost: 0,
            late: !without.is_empty(),
        };
        array.open_missing()?;
        Ok(array)
    }

    /// Adds the timer and the rings to the epoll set of a reader.
    pub(super) fn watch(&mut self, watch: Watch) -> Result<()> {
        watch.add_timer(self.timer.as_fd())?;
        self.rings()?.iter().try_for_each(|ring| watch.add(ring.fd.as_fd(), ring.cpu))?;
        self.watch = Some(watch);
        Ok(())
    }

    fn rings(&self) -> Result<&[PerfRing]> {
        self.rings.get().map(Vec::as_slice).ok_or_else(|| inherited(&self.name))
    }

    fn rings_mut(&mut self) -> Result<&mut Vec<PerfRing>> {
        self.rings.get_mut().ok_or_else(|| inherited(&self.name))
    }

    /// Clears the timer, if it has expired.
    pub(super) fn acknowledge_timer(&self) {
        // A read of a timer that has not expired fails, which is harmless.
        let _ = rustix::io::read(&self.timer, &mut [0; 8]);
    }

    /// Checks the CPUs, if [`CPU_CHECK_INTERVAL`] has passed since the last check: retires rings
    /// of CPUs that went offline, and opens rings for those that came online.
    pub(super) fn follow(&mut self) -> Result<()> {
        if self.checked.elapsed() < CPU_CHECK_INTERVAL {
            return Ok(());
        }
        self.checked = Instant::now();
        for index in (0..self.rings()?.len()).rev() {
            if self
                .rings_mut()?
                .get_mut(index)
                .is_some_and(|ring| !ring.retired && ring.has_stopped())
            {
                self.retire_at(index);
                self.close_if_empty(index);
            }
        }
        self.open_missing()
    }

    /// Opens a ring for each CPU that has none. A CPU whose ring cannot be opened is tried again at
    /// the next check.
    fn open_missing(&mut self) -> Result<()> {
        let mut result = Ok(());
        for cpu in std::mem::take(&mut self.missing) {
            match self.open_ring(cpu) {
                Ok(Some(ring)) => {
                    if let Some(watch) = &self.watch {
                        self.late = true;
                        // A ring that cannot be in the epoll set is read when the timer expires.
                        result = result.and(watch.add(ring.fd.as_fd(), cpu));
                    }
                    self.rings_mut()?.push(ring);
                }
                Ok(None) => self.missing.push(cpu),
                Err(error) => {
                    self.missing.push(cpu);
                    result = Err(error);
                }
            }
        }
        result
    }

    /// Opens the ring of a CPU and puts it into the map. Returns `None` if the CPU is possible but
    /// offline.
    fn open_ring(&mut self, cpu: u32) -> Result<Option<PerfRing>> {
        let name = &self.name;
        let mut opened = open(cpu, self.buffer, self.counted);
        if self.counted
            && opened.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
        {
            // The kernel does not know `PERF_FORMAT_LOST`.
            opened = open(cpu, self.buffer, false);
            self.counted = opened.is_err();
        }
        match opened {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(kernel_error(
                format!("open the perf event of the map `{name}` on CPU {cpu}"),
                error,
            )),
            Ok(fd) => PerfRing::new(fd, self.map.as_fd(), cpu, self.buffer.pages, self.counted)
                .map(Some)
                .map_err(|error| {
                    kernel_error(
                        format!("map the perf ring of the map `{name}` on CPU {cpu}"),
                        error,
                    )
                }),
        }
    }

    /// Retires the ring of a CPU that went offline.
    pub(super) fn retire(&mut self, cpu: u32) {
        if let Some(index) = self
            .rings()
            .unwrap_or_default()
            .iter()
            .position(|ring| ring.cpu == cpu && !ring.retired)
        {
            self.retire_at(index);
            self.close_if_empty(index);
        }
    }

    /// Removes a ring from the epoll set and from the map. The map keeps the event's file open, so
    /// without this, closing the descriptor would not end the event; and a file whose memory is
    /// unmapped would be readable for ever (`perf_poll` returns EPOLLHUP). The records in the ring
    /// can still be read.
    fn retire_at(&mut self, index: usize) {
        let Some(ring) = self
            .rings
            .get_mut()
            .and_then(|rings| rings.get_mut(index))
            .filter(|ring| !ring.retired)
        else {
            return;
        };
        ring.retired = true;
        ring.update_lost();
        if let Some(watch) = &self.watch {
            watch.remove(ring.fd.as_fd());
        }
        // SAFETY: the key is 4 bytes, as the map type requires, and lives through the call.
        let _ = unsafe {
            libbpf_sys::bpf_map_delete_elem(self.map.as_raw_fd(), (&raw const ring.cpu).cast())
        };
        self.missing.push(ring.cpu);
    }

    /// Closes a retired ring if no record is left in it.
    fn close_if_empty(&mut self, index: usize) {
        if self.rings().is_ok_and(|rings| rings.get(index).is_some_and(PerfRing::is_empty)) {
            self.close(index);
        }
    }

    /// Closes a retired ring, and keeps its count of lost records.
    fn close(&mut self, index: usize) {
        let Some(rings) = self.rings.get_mut() else { return };
        self.lost = self.lost.saturating_add(rings.remove(index).lost.unwrap_or(0));
    }

    /// Reports whether a ring has unread records.
    pub(super) fn has_more(&self) -> bool {
        fence(Ordering::SeqCst);
        // A read says what is wrong.
        self.rings().map_or(true, |rings| rings.iter().any(|ring| !ring.is_empty()))
    }

    /// Ends later reads at the records that are there now, until [`Self::unmark`].
    pub(super) fn mark(&mut self) {
        self.rings.get_mut().into_iter().flatten().for_each(|ring| ring.limit = Some(ring.head()));
    }

    /// Lets reads go on beyond the mark.
    pub(super) fn unmark(&mut self) {
        self.rings.get_mut().into_iter().flatten().for_each(|ring| ring.limit = None);
    }

    /// Reports whether everything before the mark was read, or no mark is set.
    pub(super) fn is_at_mark(&self) -> bool {
        self.rings()
            .unwrap_or_default()
            .iter()
            .all(|ring| ring.limit.is_none_or(|limit| limit == ring.tail()))
    }

    /// Returns the number of unread samples.
    pub(super) fn unread(&self) -> Result<u64> {
        self.rings()?.iter().map(PerfRing::unread).sum()
    }

    /// Updates the count of lost records from the kernel's count, if it has one. That count is
    /// complete; records report losses only later, or never.
    pub(super) fn count_lost(&mut self, stats: &Counters) {
        let Some(rings) = self.rings.get_mut() else { return };
        rings.iter_mut().filter(|ring| !ring.retired).for_each(PerfRing::update_lost);
        let lost = rings.iter().filter_map(|ring| ring.lost).fold(self.lost, u64::saturating_add);
        let at_least = !self.counted || self.late;
        stats.update(|stats| {
            stats.lost_at_least = at_least;
            stats.lost = if self.counted { Some(lost) } else { stats.lost.or(Some(0)) };
        });
    }

    /// Delivers every record that is there now. A damaged ring is closed, to be opened again at a
    /// later check, and does not keep the others from being read.
    pub(super) fn drain(
        &mut self,
        stats: &Counters,
        running: &impl Fn() -> bool,
        deliver: &mut impl FnMut(&[u8]) -> Fate,
    ) -> Result<Drained> {
        let mut result = Ok(Drained::All);
        let mut index = 0;
        while let Some(ring) = self.rings_mut()?.get_mut(index) {
            match ring.drain(stats, running, deliver) {
                Ok(Drained::All) if ring.retired && ring.is_empty() => self.close(index),
                Ok(Drained::All) => index += 1,
                Ok(drained) => return result.and(Ok(drained)),
                Err(error) => {
                    self.retire_at(index);
                    self.close(index);
                    result = result.and(Err(error));
                }
            }
        }
        result
    }
}

#[cfg(feature = "fuzz")]
pub(super) mod fuzz;
#[cfg(test)]
mod tests;

/// Creates a timer that expires every `time`, but at most every 50 microseconds.
fn timer(time: Duration) -> rustix::io::Result<OwnedFd> {
    let timer =
        timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    let time = timespec(time.max(Duration::from_micros(50)));
    timerfd_settime(
        &timer,
        TimerfdTimerFlags::empty(),
        &Itimerspec { it_interval: time, it_value: time },
    )?;
    Ok(timer)
}

/// Opens the event of a CPU to which programs write; with `counted`, the kernel counts what finds
/// no room.
fn open(cpu: u32, buffer: PerfBuffer, counted: bool) -> io::Result<OwnedFd> {
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
    fn new(
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

    /// Reports whether the time of the event has stopped since the last check. The kernel removes
    /// the events of a CPU that goes offline for good, also when the machine sleeps
    /// (`perf_event_exit_cpu`). Nothing else reports that.
    fn has_stopped(&mut self) -> bool {
        let before = self.time;
        // An event that cannot be read is assumed to go on.
        self.read().is_some_and(|[time, lost]| {
            self.time = time;
            self.lost = self.lost.map(|_| lost);
            time == before
        })
    }

    /// Updates the count of records that found no room, if the kernel has one.
    fn update_lost(&mut self) {
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

    fn is_empty(&self) -> bool {
        self.head() == self.tail()
    }

    /// Returns the number of unread samples.
    fn unread(&self) -> Result<u64> {
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
    fn drain(
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

#[cold]
fn inherited(name: &str) -> Error {
    let why = "this process was forked from the one that opened its perf rings, and has no part in them: load the object after forking";
    Error::Misuse { name: format!("map `{name}`"), why: why.to_owned() }
}

/// Returns the offset of a position in the ring's memory.
fn data_offset(position: u64, size: u64) -> usize {
    page_size() + (position & (size - 1)) as usize
}

const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
