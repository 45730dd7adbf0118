//! A reader of BPF ring buffers, after `kernel/bpf/ringbuf.c`.
//!
//! The map's file maps the consumer position (one page, which we write), the producer position (one
//! page) and the data, twice in a row so that no record is ever split. A record is a header of 8
//! bytes and its sample, rounded up to a multiple of 8. The first word of the header is the
//! sample's length with two flags: busy (reserved, not yet committed) and discarded.
//!
//! Positions count bytes and never go back; a position modulo the size is an offset into the data.
//! The kernel advances the producer position when it reserves a record, so a record before that
//! position may still be busy. A read takes records in order, up to the producer position that it
//! loads once at its start. It publishes the consumer position (`Ring::publish`) every
//! [`read::BATCH`] records and when it ends; from then on the kernel may overwrite the bytes before
//! that position.

mod read;

use std::{
    cell::Cell,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{Ordering, fence},
};

use rustix::param::page_size;

use super::{
    Claim,
    mapping::{Mapping, Spot, Walk, acquire_u32, acquire_u64},
};
use crate::{Error, Result, host::kernel_error};

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const HEADER: usize = 8;
/// `BPF_F_RB_OVERWRITE`: the producer overwrites records that are being read.
const OVERWRITE: u32 = 1 << 19;

/// A ring buffer map, mapped into this process.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Excludes other readers in this process; `None` in tests. Declared first, so that it is
    /// dropped before the map, as [`Claim`] asks.
    _claim: Option<Claim>,
    fd: OwnedFd,
    consumer: Mapping,
    /// The page with the producer position, then the data twice.
    producer: Mapping,
    /// Offset of the data in `producer`.
    data: usize,
    size: u64,
    /// Position of the next record. Ahead of the published position inside a batch.
    position: Cell<u64>,
    /// Header of the last record.
    like: Cell<Head>,
    /// Position at which reads end, after a stop was requested.
    limit: Cell<Option<u64>>,
}

impl Ring {
    /// Maps the ring of the map `name`, which has `size` bytes of data.
    ///
    /// # Errors
    /// - [`Error::Misuse`] if the map has the flag `BPF_F_RB_OVERWRITE`.
    /// - [`Error::Mismatch`] if `size` is not a power of two of pages.
    /// - [`Error::InUse`] if this process has another reader of the map.
    /// - [`Error::Kernel`] if the kernel refuses to map it.
    pub(crate) fn new(name: &str, map: BorrowedFd<'_>, size: u32, flags: u32) -> Result<Self> {
        let claim = Claim::reader(name, map)?;
        Self::with_claim(name, map, size, flags, Some(claim))
    }

    fn with_claim(
        name: &str,
        map: BorrowedFd<'_>,
        size: u32,
        flags: u32,
        claim: Option<Claim>,
    ) -> Result<Self> {
        let tried = || format!("map the ring buffer `{name}`");
        if flags & OVERWRITE != 0 {
            let why = "BPF_F_RB_OVERWRITE lets the kernel overwrite records while they are read; clear the flag in the C source".to_owned();
            return Err(Error::Misuse { name: tried(), why });
        }
        let page = page_size();
        let data = size as usize;
        if !data.is_power_of_two() || data < page {
            return Err(Error::Mismatch {
                name: tried(),
                why: format!("{data} bytes are not a power of two of {page}-byte pages"),
            });
        }
        let fd = map.try_clone_to_owned().map_err(|error| kernel_error(tried(), error))?;
        let consumer = Mapping::new(map, 0, page, true)
            .map_err(|errno| kernel_error(tried(), errno.into()))?;
        let producer = Mapping::new(map, page as u64, page + 2 * data, false)
            .map_err(|errno| kernel_error(tried(), errno.into()))?;
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

    /// Reports whether there is a record after the last one read, committed or not.
    ///
    /// The fence pairs with the full barrier of the kernel's commit (`bpf_ringbuf_commit`). We
    /// publish our position before the fence and load the producer position after it. The kernel
    /// advances the producer position before its barrier and loads our position after it. So if we
    /// see no record here, the producer that commits the next one sees our position, finds that the
    /// consumer has caught up, and wakes us.
    pub(super) fn has_more(&self) -> bool {
        fence(Ordering::SeqCst);
        self.producer_position() != self.position()
    }

    /// Reports whether the next record can be read, or the ring's memory is inconsistent.
    pub(super) fn is_ready(&self) -> bool {
        let position = self.position();
        match self
            .end()
            .and_then(|end| self.walk(position, end))
            .and_then(|mut walk| next(&mut walk, position))
        {
            Ok(Next::Record(..)) | Err(_) => true,
            Ok(Next::Busy | Next::End) => false,
        }
    }

    #[inline]
    fn producer_position(&self) -> u64 {
        acquire_u64(self.producer.u64(0))
    }

    /// Ends later reads at the records that are there now, until [`Self::unmark`].
    pub(super) fn mark(&self) {
        self.limit.set(Some(self.producer_position()));
    }

    /// Lets reads go on beyond the mark.
    pub(super) fn unmark(&self) {
        self.limit.set(None);
    }

    /// Reports whether everything before the mark was read, or no mark is set.
    pub(super) fn is_at_mark(&self) -> bool {
        self.limit.get().is_none_or(|limit| limit == self.position())
    }

    /// Returns the number of unread records, including those that are not yet committed. Discarded
    /// records do not count.
    pub(super) fn unread(&self) -> Result<u64> {
        let mut walk = self.walk(self.position(), self.checked(self.producer_position())?)?;
        let mut count = 0;
        while let Some(word) = walk.word() {
            let header = acquire_u32(word);
            count += u64::from(header & DISCARDED == 0);
            let len = header & !(BUSY | DISCARDED);
            walk.take(Head::new(len).stride).ok_or_else(|| corrupt(self.position(), len.into()))?;
        }
        Ok(count)
    }

    /// Returns the position at which the records that are there now, or those before the mark, end.
    /// A read loads it once. It is a multiple of 8, and so is every record that the read finds.
    #[inline]
    pub(super) fn end(&self) -> Result<u64> {
        self.checked(self.limit.get().unwrap_or_else(|| self.producer_position()))
    }

    /// Returns `end` if it and the position are multiples of 8.
    #[inline]
    fn checked(&self, end: u64) -> Result<u64> {
        if (end | self.position()).is_multiple_of(8) {
            Ok(end)
        } else {
            Err(misaligned(self.position(), end))
        }
    }

    /// Returns the position of the next record.
    pub(super) fn position(&self) -> u64 {
        self.position.get()
    }

    /// Moves on to `position` and publishes it: everything before it was read.
    #[inline]
    pub(super) fn publish_to(&self, position: u64) {
        self.position.set(position);
        self.publish(position);
    }

    /// Publishes the consumer position: everything before it belongs to the producer again. The
    /// release pairs with the kernel's acquire when it reserves a record, so our reads of these
    /// bytes precede its writes.
    #[inline]
    fn publish(&self, position: u64) {
        self.consumer.u64(0).store(position, Ordering::Release);
    }

    /// Returns the records from `position` up to `end`.
    #[inline]
    pub(super) fn walk(&self, position: u64, end: u64) -> Result<Walk<'_>> {
        let left = end.wrapping_sub(position);
        if left > self.size {
            return Err(corrupt(position, left));
        }
        Ok(self.producer.walk(self.data + (position & (self.size - 1)) as usize, left as usize))
    }
}

/// The contents of a record's header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// Length of the sample in bytes.
    pub(super) len: u32,
    pub(super) discarded: bool,
    /// Length of the record in bytes, with its header and padding.
    pub(super) stride: usize,
}

impl Head {
    #[inline]
    fn new(len: u32) -> Self {
        // A mask, because `next_multiple_of` divides, and this lies between the header of one
        // record and the address of the next.
        Self { len, discarded: false, stride: (len as usize + HEADER + 7) & !7 }
    }
}

/// The next record of a walk.
pub(super) enum Next<'a> {
    Record(Spot<'a>, Head),
    /// The record is reserved and not yet committed.
    Busy,
    End,
}

/// Takes the next record of `walk`, which starts at `position`.
#[inline]
pub(super) fn next<'a>(walk: &mut Walk<'a>, position: u64) -> Result<Next<'a>> {
    let Some(word) = walk.word() else { return Ok(Next::End) };
    // Pairs with the release of the kernel's commit: the sample is complete once the busy flag is
    // gone.
    let header = acquire_u32(word);
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

/// Counts the pieces, up to `most`, that are committed records of the length of `like`.
#[inline]
fn count<'a>(pieces: impl Iterator<Item = Spot<'a>>, like: Head, most: u32) -> u32 {
    // A header that equals a length is neither busy nor discarded.
    let count = pieces
        .take(most as usize)
        .take_while(|spot| spot.word().load(Ordering::Relaxed) == like.len)
        .count() as u32;
    // Orders the loads as in `next`.
    fence(Ordering::Acquire);
    count
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
    Error::Damaged {
        name: "ring buffer".to_owned(),
        why: format!(
            "the {len} bytes at position {position} exceed the ring: another process reads this ring too, or its memory is damaged"
        ),
    }
}

#[cold]
fn misaligned(position: u64, end: u64) -> Error {
    Error::Damaged {
        name: "ring buffer".to_owned(),
        why: format!(
            "positions {position} and {end} must be multiples of 8: the ring's memory is damaged"
        ),
    }
}
