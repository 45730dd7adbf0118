//! Batches: the records of a ring buffer, to iterate over.

use std::{
    cell::{Cell, OnceCell, RefMut},
    fmt,
};

use super::{
    Counters, Fate, Ring, Stats,
    ring::{Next, next},
};
use crate::{
    Result,
    sample::{Delivered, Plain as _, plain::ON_STACK},
};

/// The records that were in a ring buffer when the batch was made: `for event in &batch`.
///
/// Events are borrowed from the ring. When the batch is dropped, the records that were taken are
/// given back to the producers. The others stay for the next batch.
pub struct Batch<'a, E: Delivered> {
    ring: RefMut<'a, Ring>,
    stats: &'a Counters,
    end: u64,
    position: Cell<u64>,
    found: Cell<Stats>,
    copies: Copies<E::Event>,
    /// The copies, if events are too large for the stack.
    boxed: OnceCell<Box<Copies<Box<E::Event>>>>,
}

/// Copies of events whose last array was sent in part. They are in blocks of 1, 2, 4, .., so that
/// no copy moves while it is borrowed.
struct Copies<E> {
    blocks: [OnceCell<Box<[OnceCell<E>]>>; u32::BITS as usize],
    len: Cell<u32>,
}

impl<E> Copies<E> {
    fn add(&self, event: E) -> Option<&E> {
        let number = self.len.get().checked_add(1)?;
        let block = self
            .blocks
            .get(number.ilog2() as usize)?
            .get_or_init(|| (0..1u32 << number.ilog2()).map(|_| OnceCell::new()).collect());
        self.len.set(number);
        Some(block.get((number - (1 << number.ilog2())) as usize)?.get_or_init(|| event))
    }
}

impl<E> Default for Copies<E> {
    fn default() -> Self {
        Self { blocks: [const { OnceCell::new() }; u32::BITS as usize], len: Cell::new(0) }
    }
}

impl<'a, E: Delivered> Batch<'a, E> {
    /// Creates a batch of the records that are there now, or an empty one if `delivered` is false.
    pub(super) fn new(
        ring: RefMut<'a, Ring>,
        stats: &'a Counters,
        delivered: bool,
    ) -> Result<Self> {
        const {
            assert!(
                align_of::<E::Event>() <= 8,
                "records are aligned to 8 bytes: read this type with `for_each`"
            )
        };
        let position = ring.position();
        let end = if delivered { ring.end()? } else { position };
        // Report a damaged ring here; damage that is found later only ends the iteration.
        next(&mut ring.walk(position, end)?, position)?;
        Ok(Self {
            ring,
            stats,
            end,
            position: Cell::new(position),
            found: Cell::default(),
            copies: Copies::default(),
            boxed: OnceCell::new(),
        })
    }

    /// Returns an iterator over the events that were not yet taken.
    pub fn iter(&self) -> BatchIter<'_, 'a, E> {
        BatchIter(self)
    }

    fn next(&self) -> Option<E::Borrowed<'_>> {
        let position = self.position.get();
        let mut walk = self.ring.walk(position, self.end).ok()?;
        loop {
            let position = self.position.get();
            let Ok(Next::Record(spot, head)) = next(&mut walk, position) else { return None };
            self.position.set(position.wrapping_add(head.stride as u64));
            let mut found = self.found.get();
            let event = if head.discarded {
                found.discarded += 1;
                None
            } else {
                // SAFETY: nobody writes to a committed record until a position after it is
                // published. The drop of the batch publishes it, and the reference borrows the
                // batch.
                let record = unsafe { spot.payload(head.len as usize) };
                let event = E::Event::ref_from_prefix(record).or_else(|| self.copied(record));
                let event = event.map(|event| E::borrowed(event, record));
                found.count(
                    if event.is_some() { Fate::Delivered } else { Fate::Short },
                    head.len.into(),
                );
                event
            };
            self.found.set(found);
            if event.is_some() {
                return event;
            }
        }
    }
}

impl<E: Delivered> Batch<'_, E> {
    /// Copies an event that was sent in part.
    fn copied(&self, record: &[u8]) -> Option<&E::Event> {
        if size_of::<E::Event>() <= ON_STACK {
            return self.copied_small(record);
        }
        let boxed = self.boxed.get_or_init(Box::default);
        boxed.add(E::Event::read_begun_box(record)?).map(Box::as_ref)
    }

    /// Copies an event over the stack, on which other events have no place in unoptimised code.
    fn copied_small(&self, record: &[u8]) -> Option<&E::Event> {
        self.copies.add(E::Event::read_begun(record)?)
    }
}

impl<E: Delivered> Drop for Batch<'_, E> {
    fn drop(&mut self) {
        let position = self.position.get();
        if position != self.ring.position() {
            self.ring.publish_to(position);
            let mut found = self.found.get();
            found.drains = 1;
            self.stats.update(|stats| stats.add(&found));
        }
    }
}

impl<E: Delivered> fmt::Debug for Batch<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.end.wrapping_sub(self.position.get());
        f.debug_struct("Batch").field("bytes_left", &left).finish_non_exhaustive()
    }
}

/// An iterator over the events of a [`Batch`].
#[derive(Debug)]
pub struct BatchIter<'b, 'a, E: Delivered>(&'b Batch<'a, E>);

impl<'b, E: Delivered> Iterator for BatchIter<'b, '_, E> {
    type Item = E::Borrowed<'b>;

    fn next(&mut self) -> Option<E::Borrowed<'b>> {
        self.0.next()
    }
}

impl<'b, 'a, E: Delivered> IntoIterator for &'b Batch<'a, E> {
    type Item = E::Borrowed<'b>;
    type IntoIter = BatchIter<'b, 'a, E>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
