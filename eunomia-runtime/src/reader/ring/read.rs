//! Reads of a ring: records one by one, or in slices of one type.

use std::slice;

use super::{
    super::{Counters, Drained, Fate, Record, Stats, mapping::Walk},
    DISCARDED, HEADER, Head, Next, Ring, count, next,
};
use crate::{Result, sample::Plain};

/// Number of records after which the position is published.
pub(super) const BATCH: u32 = 64;
/// Number of records between two checks of the control handle.
pub(super) const GROUP: u32 = 16;

/// Number of records of one length in a row after which the next is expected to have it too.
const STEADY: u32 = 16;

impl Ring {
    /// Delivers every record that is there now. The end is fixed when the drain starts, so a
    /// producer that never pauses cannot keep it from returning.
    ///
    /// A ring mostly holds records of one length. After [`STEADY`] records of the same length, the
    /// next ones are expected to have it too, and one comparison of the header confirms it. The
    /// address of a record then does not depend on the header before it.
    #[inline]
    pub(in super::super) fn drain(
        &self,
        stats: &Counters,
        running: &impl Fn() -> bool,
        mut deliver: impl FnMut(&[u8]) -> Fate,
    ) -> Result<Drained> {
        let end = self.end()?;
        let mut read = Read::new(self, stats);
        let mut walk = self.walk(read.position, end)?;
        // The last read may have ended in a series of records of one length.
        let mut alike = STEADY;
        loop {
            if alike >= STEADY {
                if let Some(stopped) = read.drain_alike(end, running, &mut deliver)? {
                    return Ok(stopped);
                }
                // The next record is busy, discarded or of another length, or there are no more.
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
            // SAFETY: nobody writes to a committed record until a consumer position after it is
            // published. `give_back` and the drop of `read` publish it after this reference is
            // gone. User space has no writable mapping of the data. Nobody else in this process
            // publishes a position: the claim excludes other readers of this crate. That no other
            // process and no other library reads the same ring is an assumption, which the kernel's
            // protocol makes too: it has one consumer.
            let record = unsafe { spot.payload(head.len as usize) };
            let fate = read.found.counted(1, head.len.into(), || deliver(record));
            if fate == Fate::Stop {
                return Ok(Drained::Stopped);
            }
        }
    }

    /// Drains as [`Self::drain`], in slices of records that have the size of `E`. A longer record
    /// is delivered in a slice of its own, and so is a copy of a shorter one that `E` can be read
    /// from.
    #[inline]
    pub(in super::super) fn runs<E: Plain>(
        &self,
        stats: &Counters,
        running: &impl Fn() -> bool,
        mut deliver: impl FnMut(&[Record<E>]) -> Fate,
    ) -> Result<Drained> {
        const {
            assert!(
                align_of::<E>() <= 8,
                "records are aligned to 8 bytes: read this type one by one"
            );
            // The header of a record of such a length would look like one with flags.
            assert!(size_of::<E>() < DISCARDED as usize, "no record is as long as this type");
        };
        let like = Head::new(size_of::<E>() as u32);
        let end = self.end()?;
        let mut read = Read::new(self, stats);
        let mut copy = Vec::new();
        loop {
            if !running() {
                return Ok(Drained::Stopped);
            }
            read.give_back();
            let mut walk = self.walk(read.position, end)?;
            let pieces = walk.clone().pieces(like.stride);
            let mut start = walk.clone();
            let (count, len, is_copied) = match count(pieces, like, GROUP) {
                0 => match read.take_other::<E>(&mut walk, &mut copy)? {
                    Other::Whole(len) => (1, len, false),
                    Other::Begun(len) => (1, len, true),
                    Other::Passed => continue,
                    Other::None(drained) => return Ok(drained),
                },
                count => {
                    read.advance(count, count as usize * like.stride);
                    (count, like.len, false)
                }
            };
            let run = match is_copied {
                true => records(&copy),
                false => {
                    let Some(all) = start.take(count as usize * like.stride) else { continue };
                    // SAFETY: these records are committed and at least as long as `E`, and nobody
                    // writes to them until their position is published, as in `drain`. Headers are
                    // integers, and any bytes are a valid `E`. `Record<E>` is aligned to 8, as `E`
                    // is aligned to 8 at most (asserted above).
                    unsafe { all.slice::<Record<E>>() }
                }
            };
            let fate = read.found.counted(count.into(), len.into(), || deliver(run));
            if fate == Fate::Stop {
                return Ok(Drained::Stopped);
            }
        }
    }
}

/// The next record of a read in slices, if it has another length than the type.
enum Other {
    /// A longer record of this length.
    Whole(u32),
    /// A shorter one of this length, which was copied.
    Begun(u32),
    /// A record that is not delivered.
    Passed,
    /// There is no record to take.
    None(Drained),
}

/// Returns the records of which words are the bytes, as many whole ones as they hold.
fn records<E: Plain>(words: &[u64]) -> &[Record<E>] {
    const { assert!(align_of::<Record<E>>() == align_of::<u64>()) };
    let count = size_of_val(words) / size_of::<Record<E>>();
    // SAFETY: the words have the bytes of `count` records, are aligned for them and borrowed for as
    // long as the result is. Headers are integers, and any bytes are a valid `E`.
    unsafe { slice::from_raw_parts(words.as_ptr().cast(), count) }
}

/// A read in progress. On every way out, also if the callback panics, it publishes the position and
/// updates the statistics.
struct Read<'a> {
    ring: &'a Ring,
    stats: &'a Counters,
    /// Position after the records that were taken. The record that the callback has now is one of
    /// them: if it panics, it must not get the record again.
    position: u64,
    /// Number of records that were taken since the position was last published.
    unpublished: u32,
    /// Header of the last record.
    like: Head,
    found: Stats,
}

impl<'a> Read<'a> {
    #[inline]
    fn new(ring: &'a Ring, stats: &'a Counters) -> Self {
        Self {
            ring,
            stats,
            position: ring.position.get(),
            unpublished: 0,
            like: ring.like.get(),
            found: Stats::default(),
        }
    }

    /// Delivers records as long as they have the length of the last one. Returns `None` at the
    /// first that differs, and the reason if the whole read must end.
    #[inline]
    fn drain_alike(
        &mut self,
        end: u64,
        running: &impl Fn() -> bool,
        deliver: &mut impl FnMut(&[u8]) -> Fate,
    ) -> Result<Option<Drained>> {
        let like = self.like;
        loop {
            self.give_back();
            let pieces = self.ring.walk(self.position, end)?.pieces(like.stride);
            // One pass over the headers, then one over the samples: without the ordered loads of
            // the first, the callback's own numbers can stay in registers.
            let count = count(pieces.clone(), like, GROUP);
            if count == 0 {
                return Ok(None);
            }
            if !running() {
                return Ok(Some(Drained::Stopped));
            }
            for spot in pieces.take(count as usize) {
                self.advance(1, like.stride);
                // SAFETY: as in `drain`; `count` has found the record committed.
                let record = unsafe { spot.payload(like.len as usize) };
                let fate = self.found.counted(1, like.len.into(), || deliver(record));
                if fate == Fate::Stop {
                    return Ok(Some(Drained::Stopped));
                }
            }
        }
    }

    /// Takes the next record of `walk`, which is discarded or has another length than `E`. The bytes
    /// of one that is shorter go to `copy`, with zeroes for the missing rest: values of `E` may be
    /// too large for the stack.
    #[inline]
    fn take_other<E: Plain>(&mut self, walk: &mut Walk<'_>, copy: &mut Vec<u64>) -> Result<Other> {
        let (spot, head) = match next(walk, self.position)? {
            Next::Record(spot, head) => (spot, head),
            Next::Busy => return Ok(Other::None(Drained::Busy)),
            Next::End => return Ok(Other::None(Drained::All)),
        };
        self.advance(1, head.stride);
        if head.discarded {
            self.found.discarded += 1;
            return Ok(Other::Passed);
        }
        let len = head.len as usize;
        if len >= size_of::<E>() {
            return Ok(Other::Whole(head.len));
        }
        if len < E::LEAST {
            self.found.short += 1;
            return Ok(Other::Passed);
        }
        copy.clear();
        copy.resize(size_of::<Record<E>>() / size_of::<u64>(), 0);
        if let Some((header, event)) = u64::slice_bytes_mut(copy).split_first_chunk_mut::<HEADER>()
        {
            *header = u64::from(head.len).to_le_bytes();
            // SAFETY: the record is committed, and nobody writes to it until its position is
            // published, as in `Ring::drain`.
            let record = unsafe { spot.payload(len) };
            if let Some(start) = event.get_mut(..record.len()) {
                start.copy_from_slice(record);
            }
        }
        Ok(Other::Begun(head.len))
    }

    #[inline]
    fn advance(&mut self, records: u32, bytes: usize) {
        self.unpublished += records;
        self.position = self.position.wrapping_add(bytes as u64);
    }

    /// Publishes the position if enough records were taken. No reference to them is left at this
    /// point.
    #[inline]
    fn give_back(&mut self) {
        if self.unpublished >= BATCH {
            self.unpublished = 0;
            self.ring.publish(self.position);
        }
    }
}

impl Drop for Read<'_> {
    // Inlined, so that the counts of a read can stay in registers.
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
