//! Maps that deliver records, read one by one; all of them at once are read by `poll`.

use std::marker::PhantomData;

use libbpf_rs::MapType;

use super::Map;
use crate::{
    Result,
    reader::{Batch, Outcome, Reader, Record, Stats, Verdict},
    sample::{Delivered, Plain, with_delivered},
};

/// A ring buffer of records of type `E`, or of bytes where the type is not known. `E` is [`Tailed`](crate::sample::Tailed) where records go on
/// after their struct, whose last member is an array without a length.
///
/// Its methods read what is there and do not wait; `wait` of the loaded object does. They read nothing while polling is paused or after it
/// has ended; see [`Control::stop`](crate::reader::Control::stop) for the end of a loop.
#[derive(Debug)]
pub struct RingBuffer<'a, E: ?Sized>(Stream<'a>, PhantomData<fn(&E)>);

/// A perf event array of records of type `E`, or of bytes where the type is not known; see [`RingBuffer`].
#[derive(Debug)]
pub struct PerfEventArray<'a, E: ?Sized>(Stream<'a>, PhantomData<fn(&E)>);

#[derive(Debug)]
struct Stream<'a> {
    map: Map<'a>,
    reader: &'a Reader,
    index: usize,
}

impl Stream<'_> {
    /// Reads what is there, of a ring buffer also where it was made a perf event array ([`crate::bpf::Open::set_perf_for_ring`]).
    #[inline]
    fn read(&self, is_ring: bool, deliver: impl FnMut(&[u8]) -> Verdict) -> Result<u64> {
        self.map.usable()?;
        if is_ring && self.map.kind() == MapType::RingBuf {
            self.reader.read_ring(self.index, deliver)
        } else {
            self.reader.read_one(self.index, deliver)
        }
    }

    fn stats(&self) -> Stats {
        let stats = self.reader.stats().nth(self.index).unwrap_or_default();
        Stats { absent: self.map.usable().is_err(), ..stats }
    }
}

macro_rules! stream {
    ($stream:ident, $is_ring:literal) => {
        impl<'a, E: ?Sized> $stream<'a, E> {
            pub(in crate::bpf) fn new(map: Map<'a>, reader: &'a Reader, index: usize) -> Self {
                Self(Stream { map, reader, index }, PhantomData)
            }

            /// What became of its records.
            pub fn stats(&self) -> Stats {
                self.0.stats()
            }

            /// The map without types.
            pub fn as_map(&self) -> &Map<'a> {
                &self.0.map
            }
        }

        impl<E: Delivered> $stream<'_, E> {
            /// Hands each record that is there to `f`, where the kernel wrote it if it is aligned for its type there; returns how many
            /// there were.
            ///
            /// # Errors
            /// Those of [`Reader::poll`].
            #[inline]
            pub fn for_each<R: Outcome>(&self, mut f: impl FnMut(E::Borrowed<'_>) -> R) -> Result<u64> {
                self.0.read($is_ring, |record| Verdict::of(with_delivered::<E, _>(record, &mut f)))
            }
        }

        impl $stream<'_, [u8]> {
            /// Hands each record that is there to `f`; returns how many there were. [`with_event`](crate::sample::with_event)
            /// reads one as a type.
            ///
            /// # Errors
            /// Those of [`Reader::poll`].
            #[inline]
            pub fn for_each<R: Outcome>(&self, mut f: impl FnMut(&[u8]) -> R) -> Result<u64> {
                self.0.read($is_ring, |record| Verdict::of(Ok(f(record))))
            }
        }
    };
}

stream!(RingBuffer, true);
stream!(PerfEventArray, false);

impl<E: Plain> RingBuffer<'_, E> {
    /// As [`Self::for_each`], many records at once: a slice holds up to 16 that stand one after the other. The fastest way to read a
    /// ring; it compiles for types with an alignment of 8 at most.
    ///
    /// # Errors
    /// Those of [`Reader::poll`].
    #[inline]
    pub fn for_runs<R: Outcome>(&self, f: impl FnMut(&[Record<E>]) -> R) -> Result<u64> {
        self.0.map.usable()?;
        self.0.reader.read_runs(self.0.index, f)
    }
}

impl<E: Delivered> RingBuffer<'_, E> {
    /// The records that are there, to iterate over.
    ///
    /// # Errors
    /// Those of [`Reader::poll`]. Nothing else can be read while the batch lives.
    pub fn batch(&self) -> Result<Batch<'_, E>> {
        self.0.map.usable()?;
        self.0.reader.batch(self.0.index)
    }
}
