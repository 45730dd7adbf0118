//! Our own reader of a perf event array: one perf ring for each CPU, from `uapi/linux/perf_event.h`.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::atomic::{Ordering, fence},
    time::{Duration, Instant},
};

use libbpf_rs::libbpf_sys;
use rustix::{
    param::page_size,
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime},
};

use super::{Claim, Counters, Drained, Fate, Stats, control::timespec, inherited::Own, mapping::Mapping, watch::Watch};
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
    /// Pages of data on each CPU, a power of two. Objects with another number are not loaded.
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
    /// The rings are in the map, where another reader would put its own in their places.
    _claim: Claim,
    name: String,
    map: OwnedFd,
    buffer: PerfBuffer,
    /// A child of this process has none: the kernel gives it no copy of their memory (`VM_DONTCOPY` of `perf_mmap`).
    rings: Own<Vec<PerfRing>>,
    /// CPUs without a ring that is written to: they are offline, or were.
    missing: Vec<u32>,
    /// When the CPUs were last looked at.
    looked: Instant,
    /// Readable when records below the watermark have waited long enough.
    timer: OwnedFd,
    /// Where the rings are waited for, as soon as there is a reader.
    watch: Option<Watch>,
    /// Whether the kernel has a count of what found no room (`PERF_FORMAT_LOST`, Linux 6.0 and late releases of older series).
    counted: bool,
    /// What found no room in rings that are gone.
    lost: u64,
    /// Whether a ring was opened after the others: nobody counts what programs sent before.
    late: bool,
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
    /// What has found no room in it, as the kernel counts; `None` where it does not, and its records tell.
    lost: Option<u64>,
    /// Where the last read ends, after a stop was asked for.
    limit: Option<u64>,
    /// The CPU went offline: what is in the ring is all that comes, and it is neither in the map nor waited for.
    retired: bool,
}

/// More than the kernel takes (`rb_alloc`), and few enough for sizes to be computed.
const MOST_PAGES: usize = 1 << 19;

/// How often CPUs are looked at.
const LOOK: Duration = Duration::from_secs(1);

impl PerfArray {
    /// Opens the rings of the map `name`, which has room for `entries` CPUs.
    ///
    /// # Errors
    /// [`Error::Value`] if the rings cannot have that many pages, [`Error::InUse`] if the process has another reader of it.
    pub(crate) fn open(name: &str, map: BorrowedFd<'_>, entries: u32, buffer: PerfBuffer) -> Result<Self> {
        // The kernel takes a ring without pages, and counts nothing of what it drops there.
        if !buffer.pages.is_power_of_two() || buffer.pages > MOST_PAGES {
            let why = format!("its rings cannot have {} pages: a power of two, {MOST_PAGES} at most", buffer.pages);
            return Err(Error::Value { name: format!("map `{name}`"), why });
        }
        let claim = Claim::reader(name, map)?;
        let map = map.try_clone_to_owned().map_err(|error| refusal(format!("keep the map `{name}`"), error))?;
        let mut array = Self {
            _claim: claim,
            name: name.to_owned(),
            map,
            buffer,
            rings: Own::new(Vec::new()).map_err(|errno| refusal(format!("map memory for the map `{name}`"), errno.into()))?,
            missing: (0..entries.min(cpus::possible()?)).collect(),
            looked: Instant::now(),
            timer: timer(buffer.flush).map_err(|errno| refusal(format!("create a timer for the map `{name}`"), errno.into()))?,
            watch: None,
            counted: true,
            lost: 0,
            late: false,
        };
        array.open_missing()?;
        Ok(array)
    }

    /// Lets a reader wait for it.
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

    /// The timer may be readable.
    pub(super) fn acknowledge_timer(&self) {
        // Nothing to read is no harm.
        let _ = rustix::io::read(&self.timer, &mut [0; 8]);
    }

    /// Looks at the CPUs once in a while: rings of those that went offline come to their end, and those that are online get one.
    pub(super) fn follow(&mut self) -> Result<()> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        for index in (0..self.rings()?.len()).rev() {
            if self.rings_mut()?.get_mut(index).is_some_and(|ring| !ring.retired && ring.stands_still()) {
                self.retire_at(index);
                self.close_if_empty(index);
            }
        }
        self.open_missing()
    }

    /// Those that cannot be opened are tried again at the next look.
    fn open_missing(&mut self) -> Result<()> {
        let mut result = Ok(());
        for cpu in std::mem::take(&mut self.missing) {
            match self.open_ring(cpu) {
                Ok(Some(ring)) => {
                    if let Some(watch) = &self.watch {
                        self.late = true;
                        // One that cannot be waited for is read when the timer says so.
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

    /// Opens the ring of a CPU and puts it into the map; none where the CPU is possible and offline.
    fn open_ring(&mut self, cpu: u32) -> Result<Option<PerfRing>> {
        let name = &self.name;
        let mut opened = open(cpu, self.buffer, self.counted);
        if self.counted && opened.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL)) {
            // The kernel does not know the count.
            opened = open(cpu, self.buffer, false);
            self.counted = opened.is_err();
        }
        match opened {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(refusal(format!("open the perf event of map `{name}` on CPU {cpu}"), error)),
            Ok(fd) => PerfRing::new(fd, self.map.as_fd(), cpu, self.buffer.pages, self.counted)
                .map(Some)
                .map_err(|error| refusal(format!("map the perf ring of map `{name}` on CPU {cpu}"), error)),
        }
    }

    /// The CPU went offline.
    pub(super) fn retire(&mut self, cpu: u32) {
        if let Some(index) = self.rings().unwrap_or_default().iter().position(|ring| ring.cpu == cpu && !ring.retired) {
            self.retire_at(index);
            self.close_if_empty(index);
        }
    }

    /// Takes a ring out of the wait and out of the map, which has its file open: only then does closing the descriptor end the event, and
    /// a file without memory would be readable for ever (`perf_poll` says EPOLLHUP). What is in the ring can still be read.
    fn retire_at(&mut self, index: usize) {
        let Some(ring) = self.rings.get_mut().and_then(|rings| rings.get_mut(index)).filter(|ring| !ring.retired) else { return };
        ring.retired = true;
        ring.look();
        if let Some(watch) = &self.watch {
            watch.remove(ring.fd.as_fd());
        }
        // SAFETY: the key is 4 bytes, as the map type demands, and lives through the call.
        let _ = unsafe { libbpf_sys::bpf_map_delete_elem(self.map.as_raw_fd(), (&raw const ring.cpu).cast()) };
        self.missing.push(ring.cpu);
    }

    fn close_if_empty(&mut self, index: usize) {
        if self.rings().is_ok_and(|rings| rings.get(index).is_some_and(PerfRing::is_empty)) {
            self.close(index);
        }
    }

    /// Closes a ring that was retired. Its count is kept.
    fn close(&mut self, index: usize) {
        let Some(rings) = self.rings.get_mut() else { return };
        self.lost = self.lost.saturating_add(rings.remove(index).lost.unwrap_or(0));
    }

    pub(super) fn has_more(&self) -> bool {
        fence(Ordering::SeqCst);
        // A read says what is wrong.
        self.rings().map_or(true, |rings| rings.iter().any(|ring| !ring.is_empty()))
    }

    /// What comes from now on is not read, until [`Self::unmark`].
    pub(super) fn mark(&mut self) {
        self.rings.get_mut().into_iter().flatten().for_each(|ring| ring.limit = Some(ring.head()));
    }

    pub(super) fn unmark(&mut self) {
        self.rings.get_mut().into_iter().flatten().for_each(|ring| ring.limit = None);
    }

    /// Whether everything before the mark was read.
    pub(super) fn is_at_mark(&self) -> bool {
        self.rings().unwrap_or_default().iter().all(|ring| ring.limit.is_none_or(|limit| limit == ring.tail()))
    }

    /// How many samples are there that were not read.
    pub(super) fn unread(&self) -> Result<u64> {
        self.rings()?.iter().map(PerfRing::unread).sum()
    }

    /// Asks the kernel what found no room, where it has a count: it tells all of it, also what no record tells yet.
    pub(super) fn count_lost(&mut self, stats: &Counters) {
        let Some(rings) = self.rings.get_mut() else { return };
        rings.iter_mut().filter(|ring| !ring.retired).for_each(PerfRing::look);
        let lost = rings.iter().filter_map(|ring| ring.lost).fold(self.lost, u64::saturating_add);
        let at_least = !self.counted || self.late;
        stats.update(|stats| {
            stats.lost_at_least = at_least;
            stats.lost = if self.counted { Some(lost) } else { stats.lost.or(Some(0)) };
        });
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

/// Fires once in each `time`, which is not zero.
fn timer(time: Duration) -> rustix::io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    let time = timespec(time.max(Duration::from_micros(50)));
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: time, it_value: time })?;
    Ok(timer)
}

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
    fn new(fd: OwnedFd, map: BorrowedFd<'_>, cpu: u32, pages: usize, counted: bool) -> io::Result<Self> {
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
        Ok(Self::of(cpu, fd, memory, pages, counted))
    }

    fn of(cpu: u32, fd: OwnedFd, memory: Mapping, pages: usize, counted: bool) -> Self {
        let (size, lost) = ((page_size() * pages) as u64, counted.then_some(0));
        Self { cpu, fd, memory, size, wrapped: Vec::new(), time: 0, lost, limit: None, retired: false }
    }

    /// Whether the event's time has stopped since the last look. The kernel takes an event off a CPU that goes offline, for good, also
    /// when the machine sleeps (`perf_event_exit_cpu`); nothing else tells.
    fn stands_still(&mut self) -> bool {
        let before = self.time;
        // What cannot be read cannot be told.
        self.read().is_some_and(|[time, lost]| {
            self.time = time;
            self.lost = self.lost.map(|_| lost);
            time == before
        })
    }

    /// Asks the kernel for its count of what found no room.
    fn look(&mut self) {
        if self.lost.is_some()
            && let Some([_, lost]) = self.read()
        {
            self.lost = Some(lost);
        }
    }

    /// How long the event has been counting, and what it has lost if the kernel counts that.
    fn read(&self) -> Option<[u64; 2]> {
        let mut bytes = [0; 24];
        let len = rustix::io::read(&self.fd, &mut bytes).ok()?;
        let (words, _) = bytes.as_chunks();
        let word = |at: usize| words.get(at).map_or(0, |word| u64::from_ne_bytes(*word));
        // The event's own count is first.
        let expected = if self.lost.is_some() { 24 } else { 16 };
        (len == expected).then(|| [word(1), word(2)])
    }

    fn head(&self) -> u64 {
        self.memory.u64(HEAD).load(Ordering::Acquire)
    }

    fn is_empty(&self) -> bool {
        self.head() == self.tail()
    }

    /// How many samples are there that were not read.
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

    fn drain(&mut self, stats: &Counters, running: &impl Fn() -> bool, deliver: &mut impl FnMut(&[u8]) -> Fate) -> Result<Drained> {
        let (tail, head) = (self.tail(), self.limit.unwrap_or_else(|| self.head()));
        let Self { memory, size, wrapped, lost, .. } = self;
        let mut read = Read { memory, stats, start: tail, tail, counted: lost.is_some(), found: Stats::default() };
        while read.tail != head {
            if !running() {
                return Ok(Drained::Stopped);
            }
            let (kind, len) = record(memory, *size, read.tail, head)?;
            let at = data_offset(read.tail, *size);
            let end = at + len;
            let limit = page_size() + *size as usize;
            let record = if end <= limit {
                // SAFETY: the kernel does not write to a record before the tail is published behind it, which `Read` does after this
                // reference is gone, and this process never does. The event is this reader's own, so nobody else reads its ring.
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
    /// Whether the kernel has a count of its own: what the records tell is part of that.
    counted: bool,
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
            PERF_RECORD_LOST if !self.counted => {
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

/// The kind and the length of the record at `tail`.
#[inline]
fn record(memory: &Mapping, size: u64, tail: u64, head: u64) -> Result<(u32, usize)> {
    let left = head.wrapping_sub(tail);
    let at = data_offset(tail, size);
    let kind = memory.u32(at).load(Ordering::Relaxed);
    // The record's size is the upper half of the second word.
    let len = (memory.u32(at + 4).load(Ordering::Relaxed) >> 16) as usize;
    if len < HEADER || !len.is_multiple_of(8) || len as u64 > left || left > size {
        return Err(damaged(tail, len, left));
    }
    Ok((kind, len))
}

#[cold]
fn damaged(tail: u64, len: usize, left: u64) -> Error {
    Error::Value {
        name: "perf ring".to_owned(),
        why: format!("the record at {tail} has {len} bytes where {left} are left: the ring's memory is damaged"),
    }
}

#[cold]
fn inherited(name: &str) -> Error {
    let why = "this process was forked from the one that opened its perf rings, and has no part in them: load the object after forking";
    Error::Value { name: format!("map `{name}`"), why: why.to_owned() }
}

fn data_offset(position: u64, size: u64) -> usize {
    page_size() + (position & (size - 1)) as usize
}

const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
