//! Ring buffers from user space to programs (`BPF_MAP_TYPE_USER_RINGBUF`, since kernel 6.1), as in
//! `kernel/bpf/ringbuf.c`.
//!
//! The map's file maps the consumer position (one page, read-only), the producer position (one
//! page) and the data, twice in a row so that no record is split. A record is a header of 8 bytes,
//! whose first word is the length, and its sample, padded to 8 bytes.
//!
//! The kernel does not read past the producer position. The producer writes a record there first
//! and then moves the position past it, so no record is ever busy or discarded: a record that is
//! not submitted does not exist for programs, even if the process dies.

mod pages;

use std::{
    ops::{Deref, DerefMut},
    os::fd::OwnedFd,
    sync::atomic::{Ordering, fence},
    time::{Duration, Instant},
};

use libbpf_rs::MapType;
use rustix::{
    event::{
        Timespec,
        epoll::{self, CreateFlags, EventData, EventFlags},
    },
    io::Errno,
    param::page_size,
};

use super::Map;
use crate::{Error, Result, host::kernel_error, reader::Claim, sample::Plain};
use pages::Pages;

const HEADER: usize = 8;

/// The longest sample that the kernel passes to a program (`DYNPTR_MAX_SIZE`). A longer record
/// would block the ring forever.
const MAX_SAMPLE: usize = (1 << 24) - 1;

/// The longest single wait. The caller waits again.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A ring buffer of records from user space, which programs read with `bpf_user_ringbuf_drain`:
/// `BPF_MAP_TYPE_USER_RINGBUF`, since kernel 6.1.
///
/// ```
/// use eunomia_runtime::bpf::UserRingBuffer;
///
/// fn send(commands: &UserRingBuffer<'_>) -> eunomia_runtime::Result<()> {
///     let mut producer = commands.producer()?;
///     producer.send(&7_u64)
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_USER_RINGBUF")]
#[derive(Debug)]
pub struct UserRingBuffer<'a>(Map<'a>);

/// A producer that writes records into a [`UserRingBuffer`].
///
/// Programs are not notified of records: a program finds them when it runs and drains the ring.
///
/// The producer has mappings of its own, so it may outlive the handle that it was made from, and
/// may be sent to another thread.
#[derive(Debug)]
pub struct Producer {
    /// Excludes other producers in this process. Declared first, so that it is dropped before the
    /// mappings, which keep the map alive.
    claim: Claim,
    consumed: Pages,
    produced: Pages,
    data: Pages,
    size: usize,
    /// Reports each drain, edge-triggered: a ring with any room is always ready.
    drained: OwnedFd,
}

/// A record that is filled in place. [`Self::submit`] sends it; a record that is dropped is not
/// sent.
#[derive(Debug)]
#[must_use = "call `submit` to send it"]
pub struct Reserved<'p, E> {
    event: &'p mut E,
    commit: Commit<'p>,
}

/// The position of the producer after the record.
#[derive(Debug)]
struct Commit<'p> {
    produced: &'p Pages,
    position: u64,
}

impl<'a> UserRingBuffer<'a> {
    pub(in crate::bpf) fn new(map: Map<'a>) -> Result<Self> {
        map.expect(&[MapType::UserRingBuf], None, None).map(Self)
    }

    /// Returns a producer, which writes into the ring.
    ///
    /// A map has one producer at a time in a process, even if several objects share the map. Other
    /// processes, and other libraries in this process, must not write to the ring at the same time.
    ///
    /// # Errors
    /// [`Error::InUse`] if the map has a producer; [`Error::Kernel`] if the ring cannot be mapped;
    /// [`Error::Mismatch`] or [`Error::NotLoaded`] if the handle refuses calls.
    pub fn producer(&self) -> Result<Producer> {
        self.0.usable()?;
        let name = self.0.describe();
        let claim = Claim::producer(name.clone(), self.0.fd())?;
        let tried =
            |errno: Errno| kernel_error(format!("map the ring of the {name}"), errno.into());
        let (fd, page, size) = (self.0.fd(), page_size(), self.0.max_entries() as usize);
        let consumed = Pages::new(fd, 0, page, false).map_err(tried)?;
        let produced = Pages::new(fd, page, page, true).map_err(tried)?;
        let data = Pages::new(fd, 2 * page, 2 * size, true).map_err(tried)?;
        let tried =
            |errno: Errno| kernel_error(format!("wait on the {name} with epoll"), errno.into());
        let drained = epoll::create(CreateFlags::CLOEXEC).map_err(tried)?;
        epoll::add(&drained, fd, EventData::new_u64(0), EventFlags::OUT | EventFlags::ET)
            .map_err(tried)?;
        Ok(Producer { claim, consumed, produced, data, size, drained })
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.0
    }
}

impl Producer {
    /// Sends a record.
    ///
    /// # Errors
    /// [`Error::Full`] if the ring has no room for the record now; [`Error::Value`] if the record
    /// is too long for the ring; [`Error::Damaged`] if another process writes to the ring.
    pub fn send<E: Plain>(&mut self, event: &E) -> Result<()> {
        self.send_bytes(event.bytes())
    }

    /// Sends a record, waiting for room until `timeout` has passed.
    ///
    /// A program that drains with `BPF_RB_NO_WAKEUP` does not wake the wait: the room is then found
    /// when the timeout has passed.
    ///
    /// # Errors
    /// Those of [`Self::send`]; [`Error::Kernel`] if epoll fails.
    pub fn send_timeout<E: Plain>(&mut self, event: &E, timeout: Duration) -> Result<()> {
        self.wait(size_of::<E>(), timeout)?;
        self.send(event)
    }

    /// Sends a record of any length.
    ///
    /// # Errors
    /// Those of [`Self::send`].
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let (sample, commit) = self.take(bytes.len())?;
        sample.copy_from_slice(bytes);
        commit.submit();
        Ok(())
    }

    /// Reserves a record, zeroed, to be filled in place.
    ///
    /// Types with an alignment of more than 8 bytes cannot be placed in a ring and do not compile
    /// here; [`Self::send`] copies them.
    ///
    /// # Errors
    /// Those of [`Self::send`].
    pub fn reserve<E: Plain>(&mut self) -> Result<Reserved<'_, E>> {
        const { assert!(align_of::<E>() <= 8, "records are aligned to 8 bytes") };
        let (sample, commit) = self.take(size_of::<E>())?;
        sample.fill(0);
        let event = E::mut_from_prefix(sample).ok_or_else(|| Error::Mismatch {
            name: "ring buffer".to_owned(),
            why: "its mapping is misaligned".to_owned(),
        })?;
        Ok(Reserved { event, commit })
    }

    /// Reserves a record, waiting for room as [`Self::send_timeout`] does.
    ///
    /// # Errors
    /// Those of [`Self::send_timeout`].
    pub fn reserve_timeout<E: Plain>(&mut self, timeout: Duration) -> Result<Reserved<'_, E>> {
        self.wait(size_of::<E>(), timeout)?;
        self.reserve()
    }

    /// Returns the sample of the next record, of `len` bytes, and the commit that sends it.
    fn take(&mut self, len: usize) -> Result<(&mut [u8], Commit<'_>)> {
        let (position, total) = self.room(len)?;
        let record = self.data.bytes_mut(position as usize & (self.size - 1), total);
        let (header, sample) = record.split_at_mut(HEADER);
        // The length, which `room` has limited to 24 bits, and a word that the kernel does not
        // read.
        header.copy_from_slice(&(len as u64).to_le_bytes());
        let commit = Commit { produced: &self.produced, position: position + total as u64 };
        Ok((sample.get_mut(..len).unwrap_or_default(), commit))
    }

    /// Returns the position of the next record and the total size of a record of `len` bytes, if
    /// there is room for it.
    fn room(&self, len: usize) -> Result<(u64, usize)> {
        let total = (len + HEADER).next_multiple_of(8);
        if len > MAX_SAMPLE || total > self.size {
            let why =
                format!("a record of {len} bytes does not fit into a ring of {} bytes", self.size);
            return Err(Error::Value { name: self.claim.name().to_owned(), why });
        }
        let position = self.produced.position().load(Ordering::Relaxed);
        let consumed = self.consumed.position().load(Ordering::Relaxed);
        // Pairs with the release in `__bpf_user_ringbuf_sample_release`: the program has finished
        // reading the bytes that are overwritten. It is a fence because only relaxed loads are
        // guaranteed not to write, and the page is read-only.
        fence(Ordering::Acquire);
        match (self.size as u64).checked_sub(position.wrapping_sub(consumed)) {
            Some(_) if !position.is_multiple_of(8) => Err(self.inconsistent()),
            Some(room) if total as u64 > room => {
                Err(Error::Full { name: self.claim.name().to_owned() })
            }
            Some(_) => Ok((position, total)),
            None => Err(self.inconsistent()),
        }
    }

    fn inconsistent(&self) -> Error {
        let why = "its positions are inconsistent: another process writes to this ring";
        Error::Damaged { name: self.claim.name().to_owned(), why: why.to_owned() }
    }

    /// Waits until there is room for a record of `len` bytes, or `timeout` has passed.
    fn wait(&self, len: usize, timeout: Duration) -> Result<()> {
        let deadline = Instant::now().checked_add(timeout);
        while let Err(Error::Full { .. }) = self.room(len) {
            let left = deadline
                .map_or(MAX_WAIT, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            let left = left.min(MAX_WAIT);
            let timeout = Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut events = [const { std::mem::MaybeUninit::uninit() }; 1];
            match epoll::wait(&self.drained, &mut events, Some(&timeout)) {
                // A drain that freed too little, a drain before the last check, or a signal: check
                // again.
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => {
                    return Err(kernel_error(
                        format!("wait on the {} with epoll", self.claim.name()),
                        errno.into(),
                    ));
                }
            }
        }
        Ok(())
    }
}

impl<E> Reserved<'_, E> {
    /// Sends the record.
    pub fn submit(self) {
        self.commit.submit();
    }
}

impl<E> Deref for Reserved<'_, E> {
    type Target = E;

    fn deref(&self) -> &E {
        self.event
    }
}

impl<E> DerefMut for Reserved<'_, E> {
    fn deref_mut(&mut self) -> &mut E {
        self.event
    }
}

impl Commit<'_> {
    fn submit(self) {
        // Pairs with the acquire in `__bpf_user_ringbuf_peek`: header and sample are written.
        self.produced.position().store(self.position, Ordering::Release);
    }
}
