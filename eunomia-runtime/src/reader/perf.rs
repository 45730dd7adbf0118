//! A reader of perf event arrays, which have a perf ring for each CPU.

mod ring;

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{Ordering, fence},
    time::{Duration, Instant},
};

use ring::PerfRing;
#[cfg(feature = "fuzz")]
pub(super) use ring::fuzz;

use super::{Claim, Counters, Drained, Fate, inherited::Own, timer::Timer, watch::Watch};
use crate::{
    Error, Result,
    host::{cpus, kernel_error},
};

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
    /// replace them with its own. Declared first, so that it is dropped before the map, as
    /// [`Claim`] asks.
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
    timer: Timer,
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

/// An upper bound on the pages of a ring: more than the kernel accepts (`rb_alloc`), and low enough
/// that sizes cannot overflow.
const MOST_PAGES: usize = 1 << 19;

/// The shortest flush time: an expired timer wakes the reader each time.
const MIN_FLUSH: Duration = Duration::from_micros(50);

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
            timer: Timer::new(buffer.flush.max(MIN_FLUSH)).map_err(|errno| {
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
        self.timer.acknowledge();
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
        let mut opened = ring::open(cpu, self.buffer, self.counted);
        if self.counted
            && opened.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
        {
            // The kernel does not know `PERF_FORMAT_LOST`.
            opened = ring::open(cpu, self.buffer, false);
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

    /// Removes a ring from the epoll set and from the map. The records in the ring can still be
    /// read.
    fn retire_at(&mut self, index: usize) {
        let Some(ring) = self
            .rings
            .get_mut()
            .and_then(|rings| rings.get_mut(index))
            .filter(|ring| !ring.retired)
        else {
            return;
        };
        ring.retire(self.map.as_fd());
        if let Some(watch) = &self.watch {
            watch.remove(ring.fd.as_fd());
        }
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
        self.rings.get_mut().into_iter().flatten().for_each(PerfRing::mark);
    }

    /// Lets reads go on beyond the mark.
    pub(super) fn unmark(&mut self) {
        self.rings.get_mut().into_iter().flatten().for_each(PerfRing::unmark);
    }

    /// Reports whether everything before the mark was read, or no mark is set.
    pub(super) fn is_at_mark(&self) -> bool {
        self.rings().unwrap_or_default().iter().all(PerfRing::is_at_mark)
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

#[cold]
fn inherited(name: &str) -> Error {
    let why = "this process was forked from the one that opened its perf rings, and has no part in them: load the object after forking";
    Error::Misuse { name: format!("map `{name}`"), why: why.to_owned() }
}
