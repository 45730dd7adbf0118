//! The epoll set of a reader, or of several objects that are polled together.

use std::{
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use rustix::{
    event::epoll::{self, CreateFlags, EventData, EventFlags},
    io::Errno,
};

use super::{Control, control::timespec};
use crate::{Error, Result, host::kernel_error};

/// The descriptors that one wait covers. A control handle is one of them.
#[derive(Debug, Clone)]
pub(super) struct EpollSet(Arc<OwnedFd>);

/// The part of an epoll set that belongs to one map.
#[derive(Debug)]
pub(super) struct Watch {
    set: EpollSet,
    map: usize,
}

/// The identity of a descriptor in the epoll set: what became readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Control,
    /// A map; the ring of this CPU if the map has one for each CPU.
    Map(usize, u32),
    /// The timer of a map, which asks for a look at its rings.
    Timer(usize),
}

const CONTROL: u64 = u64::MAX;
/// Stands in the place of the CPU.
const TIMER: u32 = u32::MAX;

impl Token {
    fn to_data(self) -> EventData {
        let data = |map: usize, cpu: u32| (map as u64) << 32 | u64::from(cpu);
        EventData::new_u64(match self {
            Self::Control => CONTROL,
            Self::Map(map, cpu) => data(map, cpu),
            Self::Timer(map) => data(map, TIMER),
        })
    }

    fn from_data(data: EventData) -> Self {
        let data = data.u64();
        let (map, cpu) = ((data >> 32) as usize, data as u32);
        match cpu {
            _ if data == CONTROL => Self::Control,
            TIMER => Self::Timer(map),
            cpu => Self::Map(map, cpu),
        }
    }
}

impl EpollSet {
    /// Creates a set with the descriptor of `control` in it.
    pub(super) fn new(control: &Control) -> Result<Self> {
        let set = epoll::create(CreateFlags::CLOEXEC).map_err(epoll_error)?;
        let set = Self(Arc::new(set));
        set.add(control.as_fd(), Token::Control)?;
        Ok(set)
    }

    /// Adds a descriptor.
    pub(super) fn add(&self, fd: BorrowedFd<'_>, token: Token) -> Result<()> {
        epoll::add(&self.0, fd, token.to_data(), EventFlags::IN).map_err(epoll_error)
    }

    /// Removes a descriptor.
    pub(super) fn remove(&self, fd: BorrowedFd<'_>) {
        // Fails only if the descriptor is not in the set, which is the goal.
        let _ = epoll::delete(&self.0, fd);
    }

    /// Waits up to `time` for descriptors that are readable, and passes them to `found`. A signal
    /// ends the wait: the caller computes the time left and waits again.
    pub(super) fn wait(
        &self,
        time: Duration,
        mut found: impl FnMut(Token, EventFlags),
    ) -> Result<()> {
        let mut events = [const { MaybeUninit::uninit() }; 16];
        match epoll::wait(&self.0, &mut events, Some(&timespec(time))) {
            Ok((events, _)) => {
                for event in events {
                    found(Token::from_data(event.data), event.flags);
                }
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(epoll_error(errno)),
        }
    }
}

impl AsFd for EpollSet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Watch {
    pub(super) fn new(set: &EpollSet, map: usize) -> Self {
        Self { set: set.clone(), map }
    }

    /// Adds a ring of the map.
    pub(super) fn add(&self, fd: BorrowedFd<'_>, cpu: u32) -> Result<()> {
        self.set.add(fd, Token::Map(self.map, cpu))
    }

    /// Adds a timer of the map.
    pub(super) fn add_timer(&self, fd: BorrowedFd<'_>) -> Result<()> {
        self.set.add(fd, Token::Timer(self.map))
    }

    /// Removes a descriptor. Closing it would not be enough: epoll keeps a file as long as anybody
    /// has it open, and the map has the file of its perf event open.
    pub(super) fn remove(&self, fd: BorrowedFd<'_>) {
        self.set.remove(fd);
    }
}

fn epoll_error(errno: Errno) -> Error {
    kernel_error("wait on the maps with epoll", errno.into())
}
