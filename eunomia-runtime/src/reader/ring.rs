//! Our own reader of a BPF ring buffer, from `kernel/bpf/ringbuf.c`.
//!
//! The map's file maps the consumer position (one page, ours to write), the producer position (one page) and the data, twice in a row
//! so that no record is ever split. A record is a header of 8 bytes and its sample, rounded up to 8. The header's first word is the
//! length with two flags: busy (reserved, not committed) and discarded.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{Ordering, fence},
};

use rustix::param::page_size;

use super::{Counters, Drained, Verdict, mapping::Mapping};
use crate::{Error, Result, refusal::refusal};

const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const HEADER: u64 = 8;
/// `BPF_F_RB_OVERWRITE`: the producer overwrites records that are being read.
const OVERWRITE: u32 = 1 << 19;
/// Records after which the position is published.
const BATCH: u32 = 64;

/// A ring buffer map, mapped.
#[derive(Debug)]
pub(crate) struct Ring {
    fd: OwnedFd,
    consumer: Mapping,
    /// The page with the producer position, then the data twice.
    producer: Mapping,
    size: u64,
    /// Where the next record starts; ahead of the published position inside a batch.
    position: u64,
}

impl Ring {
    /// Maps the ring of the map `name`, which has `size` bytes of data (a power of two of pages).
    pub(crate) fn new(name: &str, map: BorrowedFd<'_>, size: u32, flags: u32) -> Result<Self> {
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
        Ok(Self { fd, consumer, producer, size: u64::from(size), position })
    }

    /// Whether there is a record behind the last one read, committed or not.
    ///
    /// The fence pairs with the full barrier of the kernel's commit: where we see no record here, the producer that commits the next
    /// one sees our position and wakes us (`ringbuf_commit` notifies where the consumer has caught up).
    pub(super) fn has_more(&self) -> bool {
        fence(Ordering::SeqCst);
        self.producer_position() != self.position
    }

    fn producer_position(&self) -> u64 {
        self.producer.u64(0).load(Ordering::Acquire)
    }

    /// Hands every record that is there now to `deliver`; a producer that never pauses cannot keep it from returning.
    pub(super) fn drain(
        &mut self,
        stats: &Counters,
        stopped: &impl Fn() -> bool,
        deliver: &mut impl FnMut(&[u8]) -> Verdict,
    ) -> Result<Drained> {
        let end = self.producer_position();
        let page = page_size();
        // Publishes on every way out, a panic of the callback included.
        let ring = Publish(self);
        let mut until_publish = BATCH;
        while ring.0.position != end {
            if stopped() {
                return Ok(Drained::Stopped);
            }
            let at = page + (ring.0.position & (ring.0.size - 1)) as usize;
            // Pairs with the release of the kernel's commit: the sample is complete once busy is gone.
            let header = ring.0.producer.u32(at).load(Ordering::Acquire);
            if header & BUSY != 0 {
                return Ok(Drained::Busy);
            }
            let len = u64::from(header & !(BUSY | DISCARDED));
            let next = ring.0.position.wrapping_add((len + HEADER).next_multiple_of(8));
            let left = end.wrapping_sub(ring.0.position);
            if next.wrapping_sub(ring.0.position) > left || left > ring.0.size {
                return Err(corrupt(ring.0.position, len, left));
            }
            // The record is consumed whatever happens in the callback: a callback that panics on it must not meet it again.
            let start = at + HEADER as usize;
            ring.0.position = next;
            if header & DISCARDED != 0 {
                stats.update(|stats| stats.discarded += 1);
            } else {
                // SAFETY: the kernel does not write to a committed record before the consumer position is published behind it, which
                // happens after this reference is gone, and user space has no writable mapping of the data.
                let sample = unsafe { ring.0.producer.bytes(start, len as usize) };
                let verdict = deliver(sample);
                stats.update(|stats| stats.count(verdict, len));
                if verdict == Verdict::Stop {
                    return Ok(Drained::Stopped);
                }
            }
            until_publish -= 1;
            if until_publish == 0 {
                until_publish = BATCH;
                ring.0.publish();
            }
        }
        Ok(Drained::All)
    }

    /// Gives everything before the position back to the producer.
    fn publish(&self) {
        self.consumer.u64(0).store(self.position, Ordering::Release);
    }
}

struct Publish<'a>(&'a mut Ring);

impl Drop for Publish<'_> {
    fn drop(&mut self) {
        self.0.publish();
    }
}

#[cfg(test)]
mod tests;

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn corrupt(position: u64, len: u64, left: u64) -> Error {
    Error::Value {
        name: "ring buffer".to_owned(),
        why: format!(
            "the header at position {position} tells of {len} bytes where {left} are left: another process reads this ring too, or its memory is damaged"
        ),
    }
}
