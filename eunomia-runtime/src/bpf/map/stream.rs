//! Maps that deliver records, read one map at a time. `poll` of the loaded object reads all of
//! them.

use std::marker::PhantomData;

use libbpf_rs::MapType;

use super::Map;
use crate::{
    Result,
    reader::{Batch, Outcome, Reader, Record, Stats, Verdict},
    sample::{Delivered, Plain, with_delivered},
};

/// A ring buffer that delivers records of type `E`, or bytes if the type is not known:
/// `BPF_MAP_TYPE_RINGBUF`, since kernel 5.8.
///
/// `E` is [`Tailed`](crate::sample::Tailed) for a struct whose last member is an array without a
/// length, so that a record continues after the struct.
///
/// Its methods read the available records and do not wait; `wait` of the loaded object does. They
/// read nothing while polling is paused or after it has ended; for the end of a loop see
/// [`Control::stop`](crate::reader::Control::stop).
///
/// ```
/// use eunomia_runtime::bpf::RingBuffer;
///
/// fn print(events: &RingBuffer<'_, u64>) -> eunomia_runtime::Result<()> {
///     for event in &events.batch()? {
///         println!("{event}");
///     }
///     Ok(())
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_RINGBUF")]
#[derive(Debug)]
pub struct RingBuffer<'a, E: ?Sized>(Stream<'a>, PhantomData<fn(&E)>);

/// A perf event array that delivers records of type `E`, or bytes if the type is not known:
/// `BPF_MAP_TYPE_PERF_EVENT_ARRAY`, since kernel 4.3.
///
/// See [`RingBuffer`] for `E` and for how records are read.
///
/// ```
/// use eunomia_runtime::bpf::PerfEventArray;
///
/// fn print(events: &PerfEventArray<'_, u64>) -> eunomia_runtime::Result<u64> {
///     events.for_each(|event| println!("{event}"))
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_PERF_EVENT_ARRAY")]
#[derive(Debug)]
pub struct PerfEventArray<'a, E: ?Sized>(Stream<'a>, PhantomData<fn(&E)>);

/// A map and the reader of its records, in which it has the number `index`.
#[derive(Debug)]
struct Stream<'a> {
    map: Map<'a>,
    reader: &'a Reader,
    index: usize,
}

impl Stream<'_> {
    /// Reads the available records. A declared ring buffer may have been created as a perf event
    /// array ([`crate::bpf::Open::set_perf_for_ring`]).
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

impl<'a, E: ?Sized> RingBuffer<'a, E> {
    pub(in crate::bpf) fn new(map: Map<'a>, reader: &'a Reader, index: usize) -> Self {
        Self(Stream { map, reader, index }, PhantomData)
    }

    /// Returns the statistics of its records.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.0.map
    }
}

impl<E: Delivered> RingBuffer<'_, E> {
    /// Passes each available record to `f` and returns the number of records. `f` gets the
    /// record in the buffer if it is aligned for its type there.
    ///
    /// # Errors
    /// Those of [`Records::poll`](crate::reader::Records::poll).
    #[inline]
    pub fn for_each<R: Outcome>(&self, mut f: impl FnMut(E::Borrowed<'_>) -> R) -> Result<u64> {
        self.0.read(true, |record| Verdict::of(with_delivered::<E, _>(record, &mut f)))
    }
}

impl RingBuffer<'_, [u8]> {
    /// Passes each available record to `f` and returns the number of records.
    /// [`with_event`](crate::sample::with_event) reads one as a type.
    ///
    /// # Errors
    /// Those of [`Records::poll`](crate::reader::Records::poll).
    #[inline]
    pub fn for_each<R: Outcome>(&self, mut f: impl FnMut(&[u8]) -> R) -> Result<u64> {
        self.0.read(true, |record| Verdict::of(Ok(f(record))))
    }
}

impl<'a, E: ?Sized> PerfEventArray<'a, E> {
    pub(in crate::bpf) fn new(map: Map<'a>, reader: &'a Reader, index: usize) -> Self {
        Self(Stream { map, reader, index }, PhantomData)
    }

    /// Returns the statistics of its records.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.0.map
    }
}

impl<E: Delivered> PerfEventArray<'_, E> {
    /// Passes each available record to `f` and returns the number of records. `f` gets the
    /// record in the buffer if it is aligned for its type there.
    ///
    /// # Errors
    /// Those of [`Records::poll`](crate::reader::Records::poll).
    #[inline]
    pub fn for_each<R: Outcome>(&self, mut f: impl FnMut(E::Borrowed<'_>) -> R) -> Result<u64> {
        self.0.read(false, |record| Verdict::of(with_delivered::<E, _>(record, &mut f)))
    }
}

impl PerfEventArray<'_, [u8]> {
    /// Passes each available record to `f` and returns the number of records.
    /// [`with_event`](crate::sample::with_event) reads one as a type.
    ///
    /// # Errors
    /// Those of [`Records::poll`](crate::reader::Records::poll).
    #[inline]
    pub fn for_each<R: Outcome>(&self, mut f: impl FnMut(&[u8]) -> R) -> Result<u64> {
        self.0.read(false, |record| Verdict::of(Ok(f(record))))
    }
}

impl<E: Plain> RingBuffer<'_, E> {
    /// Passes the available records to `f` in slices of up to 16 adjacent ones.
    ///
    /// This is the fastest way to read a ring buffer. It compiles for types with an alignment of at
    /// most 8 and a size below 1 GiB, which no record reaches:
    ///
    /// ```compile_fail,E0080
    /// # use eunomia_runtime::bpf::RingBuffer;
    /// fn read(events: &RingBuffer<'_, [u64; 1 << 27]>) -> eunomia_runtime::Result<u64> {
    ///     events.for_runs(|run| println!("{}", run.len()))
    /// }
    /// # let _: fn(&RingBuffer<'_, [u64; 1 << 27]>) -> eunomia_runtime::Result<u64> = read;
    /// ```
    ///
    /// # Errors
    /// Those of [`Records::poll`](crate::reader::Records::poll).
    #[inline]
    pub fn for_runs<R: Outcome>(&self, f: impl FnMut(&[Record<E>]) -> R) -> Result<u64> {
        self.0.map.usable()?;
        self.0.reader.read_runs(self.0.index, f)
    }
}

impl<E: Delivered> RingBuffer<'_, E> {
    /// Returns the available records as a batch to iterate over. Nothing else can be read while the
    /// batch lives.
    ///
    /// # Errors
    /// Those of [`Records::poll`](crate::reader::Records::poll).
    pub fn batch(&self) -> Result<Batch<'_, E>> {
        self.0.map.usable()?;
        self.0.reader.batch(self.0.index)
    }
}
