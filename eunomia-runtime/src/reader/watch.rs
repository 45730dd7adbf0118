//! What a reader waits for, in one epoll set.

use std::{
    os::fd::{BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    event::epoll::{self, EventData, EventFlags},
    io::Errno,
};

use crate::{Error, Result, refusal::refusal};

/// The part of an epoll set that is of one map.
#[derive(Debug)]
pub(super) struct Watch {
    epoll: Arc<OwnedFd>,
    map: usize,
}

/// What became readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Control,
    /// A map, and its ring of this CPU if it has one for each.
    Map(usize, u32),
    /// It is time to look at a map.
    Timer(usize),
}

const CONTROL: u64 = u64::MAX;
/// In the place of a CPU.
const TIMER: u32 = u32::MAX;

impl Told {
    pub(super) fn to_data(self) -> EventData {
        let data = |map: usize, cpu: u32| (map as u64) << 32 | u64::from(cpu);
        EventData::new_u64(match self {
            Self::Control => CONTROL,
            Self::Map(map, cpu) => data(map, cpu),
            Self::Timer(map) => data(map, TIMER),
        })
    }

    pub(super) fn of_data(data: EventData) -> Self {
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

    /// Waits for a ring of the map, too.
    pub(super) fn add(&self, fd: BorrowedFd<'_>, cpu: u32) -> Result<()> {
        self.add_as(fd, Told::Map(self.map, cpu))
    }

    /// Waits for a timer of the map, too.
    pub(super) fn add_timer(&self, fd: BorrowedFd<'_>) -> Result<()> {
        self.add_as(fd, Told::Timer(self.map))
    }

    fn add_as(&self, fd: BorrowedFd<'_>, told: Told) -> Result<()> {
        epoll::add(&self.epoll, fd, told.to_data(), EventFlags::IN).map_err(tried)
    }

    /// Does not wait for it any more. The set keeps a file for as long as anybody has it open, and a perf event in a map is open there, so
    /// closing the descriptor is not enough.
    pub(super) fn remove(&self, fd: BorrowedFd<'_>) {
        // Fails only for a descriptor that is not in the set, which is what is wanted.
        let _ = epoll::delete(&self.epoll, fd);
    }
}

pub(super) fn tried(errno: Errno) -> Error {
    refusal("wait on the maps with epoll", errno.into())
}
