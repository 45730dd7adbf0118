//! Our own reader of a BPF ring buffer, from `kernel/bpf/ringbuf.c`.
//!
//! The map's file maps the consumer position (one page, ours to write), the producer position (one page) and the data, twice in a row
//! so that no record is ever split. A record is a header of 8 bytes and its sample, rounded up to 8. The header's first word is the
//! length with two flags: busy (reserved, not committed) and discarded.

use std::{
    cell::Cell,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{Ordering, fence},
};

use rustix::param::page_size;

use super::{
    Claim, Counters, Drained, Fate, Record, Stats,
    mapping::{Mapping, Spot, Walk},
};
use crate::{Error, Result, refusal::refusal, sample::Plain};

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const HEADER: usize = 8;
/// `BPF_F_RB_OVERWRITE`: the producer overwrites records that are being read.
const OVERWRITE: u32 = 1 << 19;
/// Records after which the position is published.
const BATCH: u32 = 64;
/// Records between two looks at the control handle.
const GROUP: u32 = 16;

/// A ring buffer map, mapped.
#[derive(Debug)]
pub(crate) struct Ring {
    /// That nobody else in this process reads the ring; `None` in tests.
    _claim: Option<Claim>,
    fd: OwnedFd,
    consumer: Mapping,
    /// The page with the producer position, then the data twice.
    producer: Mapping,
    /// Where the data starts there.
    data: usize,
    size: u64,
    /// Where the next record starts; ahead of the published position inside a batch.
    position: Cell<u64>,
    /// The last record.
    like: Cell<Head>,
    /// Where the last read ends, after a stop was asked for.
    limit: Cell<Option<u64>>,
}

impl Ring {
    /// Maps the ring of the map `name`, which has `size` bytes of data (a power of two of pages).
    ///
    /// # Errors
    /// [`Error::InUse`] if the process has another reader of it.
    pub(crate) fn new(name: &str, map: BorrowedFd<'_>, size: u32, flags: u32) -> Result<Self> {
        let claim = Claim::reader(name, map)?;
        Self::of(name, map, size, flags, Some(claim))
    }

    fn of(name: &str, map: BorrowedFd<'_>, size: u32, flags: u32, claim: Option<Claim>) -> Result<Self> {
        let tried = || format!("map the ring buffer `{name}`");
        if flags & OVERWRITE != 0 {
            let why = "BPF_F_RB_OVERWRITE lets the kernel overwrite records while they are read; clear the flag in the C source".to_owned();
            return Err(Error::Value { name: tried(), why });
        }
        let page = page_size();
        let data = size as usize;
        if !data.is_power_of_two() || data < page {
            return Err(Error::Value { name: tried(), why: format!("{data} bytes are not a power of two of {page}-byte pages") });
        }
        let fd = map.try_clone_to_owned().map_err(|error| refusal(tried(), error))?;
        let consumer = Mapping::new(map, 0, page, true).map_err(|errno| refusal(tried(), errno.into()))?;
        let producer = Mapping::new(map, page as u64, page + 2 * data, false).map_err(|errno| refusal(tried(), errno.into()))?;
        let position = consumer.u64(0).load(Ordering::Acquire);
        Ok(Self {
            _claim: claim,
            fd,
            consumer,
            producer,
            data: page,
            size: u64::from(size),
            position: Cell::new(position),
            like: Cell::new(Head::new(0)),
            limit: Cell::new(None),
        })
    }

    /// Whether there is a record behind the last one read, committed or not.
    ///
    /// The fence pairs with the full barrier of the kernel's commit: where we see no record here, the producer that commits the next
    /// one sees our position and wakes us (`ringbuf_commit` notifies where the consumer has caught up).
    pub(super) fn has_more(&self) -> bool {
        fence(Ordering::SeqCst);
        self.producer_position() != self.position()
    }

    /// Whether the next record is there to be read, or the ring's memory contradicts itself.
    pub(super) fn is_ready(&self) -> bool {
        let position = self.position();
        match self.end().and_then(|end| self.walk(position, end)).and_then(|mut walk| next(&mut walk, position)) {
            Ok(Next::Record(..)) | Err(_) => true,
            Ok(Next::Busy | Next::End) => false,
        }
    }

    #[inline]
    fn producer_position(&self) -> u64 {
        self.producer.u64(0).load(Ordering::Acquire)
    }

    /// What comes from now on is not read, until [`Self::unmark`].
    pub(super) fn mark(&self) {
        self.limit.set(Some(self.producer_position()));
    }

    pub(super) fn unmark(&self) {
        self.limit.set(None);
    }

    /// Whether everything before the mark was read.
    pub(super) fn is_at_mark(&self) -> bool {
        self.limit.get().is_none_or(|limit| limit == self.position())
    }

    /// How many records are there that were not read, those that are not committed included.
    pub(super) fn unread(&self) -> Result<u64> {
        let mut walk = self.walk(self.position(), self.checked(self.producer_position())?)?;
        let mut count = 0;
        while let Some(word) = walk.word() {
            let header = word.load(Ordering::Acquire);
            count += u64::from(header & DISCARDED == 0);
            let len = header & !(BUSY | DISCARDED);
            walk.take(Head::new(len).stride).ok_or_else(|| corrupt(self.position(), len.into()))?;
        }
        Ok(count)
    }

    /// Where the records that are there now end, or those before the mark. Looked at once a read, so that each record that the read finds
    /// starts at a multiple of 8.
    #[inline]
    pub(super) fn end(&self) -> Result<u64> {
        self.checked(self.limit.get().unwrap_or_else(|| self.producer_position()))
    }

    #[inline]
    fn checked(&self, end: u64) -> Result<u64> {
        if (end | self.position()).is_multiple_of(8) { Ok(end) } else { Err(misaligned(self.position(), end)) }
    }

    /// Where the next record starts.
    pub(super) fn position(&self) -> u64 {
        self.position.get()
    }

    /// Everything before `position` was read.
    #[inline]
    pub(super) fn publish_to(&self, position: u64) {
        self.position.set(position);
        self.publish(position);
    }

    /// Gives everything before the position back to the producer.
    #[inline]
    fn publish(&self, position: u64) {
        self.consumer.u64(0).store(position, Ordering::Release);
    }

    /// The records from `position` up to `end`.
    #[inline]
    pub(super) fn walk(&self, position: u64, end: u64) -> Result<Walk<'_>> {
        let left = end.wrapping_sub(position);
        if left > self.size {
            return Err(corrupt(position, left));
        }
        Ok(self.producer.walk(self.data + (position & (self.size - 1)) as usize, left as usize))
    }

    /// Hands every record that is there now to `deliver`; a producer that never pauses cannot keep it from returning.
    ///
    /// A ring mostly holds records of one length. Once some in a row had the same, the next ones are taken to be like them, and one
    /// comparison of the header says whether they are: the address of a record does not wait for the header before it to be read.
    #[inline]
    pub(super) fn drain(&self, stats: &Counters, running: &impl Fn() -> bool, mut deliver: impl FnMut(&[u8]) -> Fate) -> Result<Drained> {
        let end = self.end()?;
        let mut read = Read::new(self, stats);
        let mut walk = self.walk(read.position, end)?;
        // The last read may have ended among many of one length.
        let mut alike = STEADY;
        loop {
            if alike >= STEADY {
                if let Some(stopped) = read.alike(end, running, &mut deliver)? {
                    return Ok(stopped);
                }
                // The next record is busy, discarded, or of another length.
                walk = self.walk(read.position, end)?;
                alike = 0;
            }
            if !running() {
                return Ok(Drained::Stopped);
            }
            read.give_back();
            let position = read.position;
            let (spot, head) = match next(&mut walk, position)? {
                Next::Record(spot, head) => (spot, head),
                Next::Busy => return Ok(Drained::Busy),
                Next::End => return Ok(Drained::All),
            };
            read.advance(1, head.stride);
            if head.discarded {
                read.found.discarded += 1;
                continue;
            }
            alike = if read.like.len == head.len { alike + 1 } else { 0 };
            read.like = head;
            // SAFETY: nobody writes to a committed record before the consumer position is published behind it, which `give_back` does
            // after this reference is gone; user space has no writable mapping of the data. Nobody else in this process publishes it: the
            // claim keeps other readers of this crate away. That no other process and no other library reads the same ring is an
            // assumption, as it is in the kernel's own protocol, which has one consumer.
            let fate = deliver(unsafe { spot.behind(head.len as usize) });
            read.found.count(fate, head.len.into());
            if fate == Fate::Stop {
                return Ok(Drained::Stopped);
            }
        }
    }

    /// As [`Self::drain`], in slices of records that are of `E`'s size; a longer record stands in a slice of its own.
    #[inline]
    pub(super) fn runs<E: Plain>(
        &self,
        stats: &Counters,
        running: &impl Fn() -> bool,
        mut deliver: impl FnMut(&[Record<E>]) -> Fate,
    ) -> Result<Drained> {
        const { assert!(align_of::<E>() <= 8, "records are aligned to 8 bytes: read this type one by one") };
        let like = Head::new(size_of::<E>() as u32);
        let end = self.end()?;
        let mut read = Read::new(self, stats);
        loop {
            if !running() {
                return Ok(Drained::Stopped);
            }
            read.give_back();
            let mut walk = self.walk(read.position, end)?;
            let pieces = walk.clone().pieces(like.stride);
            let (mut count, mut len) = (count(pieces, like, GROUP), like.len);
            let mut start = walk.clone();
            let mut copy = None;
            if count > 0 {
                read.advance(count, count as usize * like.stride);
            } else {
                let position = read.position;
                let (spot, head) = match next(&mut walk, position)? {
                    Next::Record(spot, head) => (spot, head),
                    Next::Busy => return Ok(Drained::Busy),
                    Next::End => return Ok(Drained::All),
                };
                read.advance(1, head.stride);
                if head.discarded {
                    read.found.discarded += 1;
                    continue;
                }
                if head.len < len {
                    // SAFETY: it is committed, and nobody writes to it before its position is published, as in `drain`.
                    let Some(event) = E::read_begun(unsafe { spot.behind(head.len as usize) }) else {
                        read.found.short += 1;
                        continue;
                    };
                    copy = Some(Record { header: [head.len, 0], event });
                }
                (count, len) = (1, head.len);
            }
            let run = match &copy {
                Some(copy) => std::slice::from_ref(copy),
                None => {
                    let Some(all) = start.take(count as usize * like.stride) else { continue };
                    // SAFETY: these records are committed and as long as `E` at least, and nobody writes to them before their position
                    // is published, as in `drain`. Headers are numbers, and any bytes are an `E`.
                    unsafe { all.slice::<Record<E>>() }
                }
            };
            let fate = deliver(run);
            read.found.received += u64::from(count);
            read.found.bytes += u64::from(count) * u64::from(len);
            read.found.failed += u64::from(fate == Fate::Failed);
            if fate == Fate::Stop {
                return Ok(Drained::Stopped);
            }
        }
    }
}

/// Records of one length after which the next is expected to have it, too.
const STEADY: u32 = 16;

/// What a header says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// Bytes of the sample.
    pub(super) len: u32,
    pub(super) discarded: bool,
    /// Bytes of the record, its header and padding included.
    pub(super) stride: usize,
}

impl Head {
    #[inline]
    fn new(len: u32) -> Self {
        // `next_multiple_of` divides; this stands between the header of one record and the address of the next.
        Self { len, discarded: false, stride: (len as usize + HEADER + 7) & !7 }
    }
}

/// The next record of a walk.
pub(super) enum Next<'a> {
    Record(Spot<'a>, Head),
    /// It is reserved and not yet committed.
    Busy,
    End,
}

/// Takes the next record, which starts at `position`.
#[inline]
pub(super) fn next<'a>(walk: &mut Walk<'a>, position: u64) -> Result<Next<'a>> {
    let Some(word) = walk.word() else { return Ok(Next::End) };
    // Pairs with the release of the kernel's commit: the sample is complete once busy is gone.
    let header = word.load(Ordering::Acquire);
    let head = match header & (BUSY | DISCARDED) {
        0 => Head::new(header),
        DISCARDED => Head { discarded: true, ..Head::new(header & !DISCARDED) },
        _ => return Ok(Next::Busy),
    };
    match walk.take(head.stride) {
        Some(spot) => Ok(Next::Record(spot, head)),
        None => Err(corrupt(position, head.len.into())),
    }
}

/// How many of the pieces, up to `most`, are committed records like this one.
#[inline]
fn count<'a>(pieces: impl Iterator<Item = Spot<'a>>, like: Head, most: u32) -> u32 {
    // Ordered as in `next`; a header that equals a length is neither busy nor discarded.
    pieces.take(most as usize).take_while(|spot| spot.word().load(Ordering::Acquire) == like.len).count() as u32
}

/// A read under way: gives back what was read and counts it on every way out, a panic of the callback included.
struct Read<'a> {
    ring: &'a Ring,
    stats: &'a Counters,
    /// Behind the records that were taken. The callback's record is among them: one that it panics on must not be met again.
    position: u64,
    /// Records that the producer does not know of.
    unpublished: u32,
    like: Head,
    found: Stats,
}

impl<'a> Read<'a> {
    #[inline]
    fn new(ring: &'a Ring, stats: &'a Counters) -> Self {
        Self { ring, stats, position: ring.position.get(), unpublished: 0, like: ring.like.get(), found: Stats::default() }
    }

    /// Reads records for as long as they are like the last ones.
    #[inline]
    fn alike(&mut self, end: u64, running: &impl Fn() -> bool, deliver: &mut impl FnMut(&[u8]) -> Fate) -> Result<Option<Drained>> {
        let like = self.like;
        loop {
            self.give_back();
            let pieces = self.ring.walk(self.position, end)?.pieces(like.stride);
            // One pass over the headers and one over the samples: without the ordered loads of the first, the callback's own numbers
            // can stay in registers.
            let count = count(pieces.clone(), like, GROUP);
            if count == 0 {
                return Ok(None);
            }
            if !running() {
                return Ok(Some(Drained::Stopped));
            }
            for spot in pieces.take(count as usize) {
                self.advance(1, like.stride);
                // SAFETY: as in `drain`.
                let fate = deliver(unsafe { spot.behind(like.len as usize) });
                self.found.count(fate, like.len.into());
                if fate == Fate::Stop {
                    return Ok(Some(Drained::Stopped));
                }
            }
        }
    }

    #[inline]
    fn advance(&mut self, records: u32, bytes: usize) {
        self.unpublished += records;
        self.position = self.position.wrapping_add(bytes as u64);
    }

    /// Gives back what was read, where it is enough; no reference to it is left.
    #[inline]
    fn give_back(&mut self) {
        if self.unpublished >= BATCH {
            self.unpublished = 0;
            self.ring.publish(self.position);
        }
    }
}

impl Drop for Read<'_> {
    // Inlined, so that what a read counts can stay in registers.
    #[inline]
    fn drop(&mut self) {
        self.ring.like.set(self.like);
        if self.position != self.ring.position.get() {
            self.ring.publish_to(self.position);
            self.found.drains = 1;
            self.stats.update(|stats| stats.add(&self.found));
        }
    }
}

#[cfg(any(test, feature = "fuzz"))]
pub(super) mod fake;
#[cfg(feature = "fuzz")]
pub(super) mod fuzz;
#[cfg(test)]
mod tests;

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cold]
fn corrupt(position: u64, len: u64) -> Error {
    Error::Value {
        name: "ring buffer".to_owned(),
        why: format!(
            "at position {position} there would be {len} bytes, more than are left: another process reads this ring too, or its memory is damaged"
        ),
    }
}

#[cold]
fn misaligned(position: u64, end: u64) -> Error {
    Error::Value {
        name: "ring buffer".to_owned(),
        why: format!("records between {position} and {end} would not start at multiples of 8: its memory is damaged"),
    }
}
