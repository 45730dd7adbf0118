//! The epoll set of a reader.

use std::{
    os::fd::{BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    event::epoll::{self, EventData, EventFlags},
    io::Errno,
};

use crate::{Error, Result, host::kernel_error};

/// The part of an epoll set that belongs to one map.
#[derive(Debug)]
pub(super) struct Watch {
    epoll: Arc<OwnedFd>,
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
    pub(super) fn to_data(self) -> EventData {
        let data = |map: usize, cpu: u32| (map as u64) << 32 | u64::from(cpu);
        EventData::new_u64(match self {
            Self::Control => CONTROL,
            Self::Map(map, cpu) => data(map, cpu),
            Self::Timer(map) => data(map, TIMER),
        })
    }

    pub(super) fn from_data(data: EventData) -> Self {
        let data = data.u64();
        let (map, cpu) = ((data >> 32) as usize, data as u32);
        match cpu {
            _ if data == CONTROL => Self::Control,
            TIMER => Self::Timer(map),
            cpu => Self::Map(map, cpu),
        }
    }
}

impl Watch {
    pub(super) fn new(epoll: &Arc<OwnedFd>, map: usize) -> Self {
        Self { epoll: Arc::clone(epoll), map }
    }

    /// Adds a ring of the map.
    pub(super) fn add(&self, fd: BorrowedFd<'_>, cpu: u32) -> Result<()> {
        self.add_as(fd, Token::Map(self.map, cpu))
    }

    /// Adds a timer of the map.
    pub(super) fn add_timer(&self, fd: BorrowedFd<'_>) -> Result<()> {
        self.add_as(fd, Token::Timer(self.map))
    }

    fn add_as(&self, fd: BorrowedFd<'_>, token: Token) -> Result<()> {
        epoll::add(&self.epoll, fd, token.to_data(), EventFlags::IN).map_err(epoll_error)
    }

    /// Removes a descriptor. Closing it would not be enough: epoll keeps a file as long as anybody
    /// has it open, and the map has the file of its perf event open.
    pub(super) fn remove(&self, fd: BorrowedFd<'_>) {
        // Fails only if the descriptor is not in the set, which is the goal.
        let _ = epoll::delete(&self.epoll, fd);
    }
}

pub(super) fn epoll_error(errno: Errno) -> Error {
    kernel_error("wait on the maps with epoll", errno.into())
}
