//! The readers of libbpf-rs and aya, and plain reads of the ring's memory.

use std::{
    cell::Cell,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    ptr,
    rc::Rc,
    slice,
    time::Duration,
};

use aya::maps::{Map, MapData, RingBuf};
use eunomia_runtime::{Skeleton, object::Variable};
use eunomia_tests::included::flood::OBJECT;
use libbpf_rs::{
    MapCore as _, MapFlags, MapHandle, Object, ObjectBuilder, ProgramInput, RingBuffer,
    RingBufferBuilder,
};

use super::{Case, Read, Reader};

/// The object, loaded by libbpf-rs.
pub(crate) struct Peer {
    object: Object,
    case: Case,
    variables: Vec<Variable>,
}

impl Peer {
    pub(crate) fn load(case: Case) -> Self {
        let mut open = ObjectBuilder::default().open_memory(OBJECT).unwrap();
        let mut map = open.maps_mut().find(|map| map.name() == case.map).unwrap();
        if case.ring > 0 {
            map.set_max_entries(case.ring).unwrap();
        }
        let checked = Skeleton::from_file("bpf/flood.json").unwrap().check().unwrap();
        let variables = checked
            .sections
            .iter()
            .filter(|section| section.name == ".bss")
            .flat_map(|section| section.variables.iter().cloned())
            .collect();
        Self { object: open.load().unwrap(), case, variables }
    }

    fn offset(&self, variable: &str) -> usize {
        self.variables.iter().find(|known| known.name == variable).unwrap().offset as usize
    }

    pub(crate) fn map(&self) -> MapHandle {
        let map = self.object.maps().find(|map| map.name() == self.case.map).unwrap();
        MapHandle::try_from(&map).unwrap()
    }

    pub(crate) fn fill(&self, count: u64) {
        let program =
            self.object.progs_mut().find(|program| program.name() == self.case.program).unwrap();
        let mut args = count.to_ne_bytes();
        program
            .test_run(ProgramInput { context_in: Some(&mut args), ..ProgramInput::default() })
            .unwrap();
    }

    /// Returns a file descriptor of the program, for another thread.
    pub(crate) fn program(&self) -> OwnedFd {
        let program =
            self.object.progs().find(|program| program.name() == self.case.program).unwrap();
        program.as_fd().try_clone_to_owned().unwrap()
    }

    pub(crate) fn sent(&self) -> Read {
        let bss =
            self.object.maps().find(|map| map.name().to_string_lossy().ends_with(".bss")).unwrap();
        let bytes = bss.lookup(&0u32.to_ne_bytes(), MapFlags::ANY).unwrap().unwrap();
        let word = |name| first(&bytes[self.offset(name)..]);
        Read { count: word("sent"), sum: word("sum") }
    }
}

fn first(bytes: &[u8]) -> u64 {
    u64::from_ne_bytes(bytes[..8].try_into().unwrap())
}

/// The `RingBuffer` of libbpf-rs, with a closure.
pub(crate) struct LibbpfRs {
    ring: RingBuffer<'static>,
    read: Rc<Cell<Read>>,
    peer: Peer,
}

impl LibbpfRs {
    pub(crate) fn new(case: Case) -> Self {
        let peer = Peer::load(case);
        let read = Rc::new(Cell::new(Read::default()));
        let mut builder = RingBufferBuilder::new();
        let (map, into) = (peer.map(), Rc::clone(&read));
        builder
            .add(&map, move |bytes| {
                let mut read = into.get();
                read.add(first(bytes));
                into.set(read);
                0
            })
            .unwrap();
        Self { ring: builder.build().unwrap(), read, peer }
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Waits for records and reads them.
    pub(crate) fn poll(&self, timeout: Duration) {
        self.ring.poll(timeout).unwrap();
    }

    pub(crate) fn read(&self) -> Read {
        self.read.get()
    }
}

impl Reader for LibbpfRs {
    fn fill(&mut self, count: u64) {
        self.peer.fill(count);
    }

    fn sent(&self) -> Read {
        self.peer.sent()
    }

    fn drain(&mut self) -> Read {
        self.read.set(Read::default());
        self.ring.consume().unwrap();
        self.read.get()
    }
}

/// The `RingBuf` of aya.
pub(crate) struct Aya {
    ring: RingBuf<MapData>,
    peer: Peer,
}

impl Aya {
    pub(crate) fn new(case: Case) -> Self {
        let peer = Peer::load(case);
        let id = peer.map().info().unwrap().info.id;
        let ring = RingBuf::try_from(Map::RingBuf(MapData::from_id(id).unwrap())).unwrap();
        Self { ring, peer }
    }
}

impl Reader for Aya {
    fn fill(&mut self, count: u64) {
        self.peer.fill(count);
    }

    fn sent(&self) -> Read {
        self.peer.sent()
    }

    fn drain(&mut self) -> Read {
        let mut read = Read::default();
        while let Some(item) = self.ring.next() {
            read.add(first(&item));
        }
        read
    }
}

/// A reader that reads every byte of the ring and interprets none: the limit that the memory sets.
pub(crate) struct Bound {
    /// The page of the producer position, then the data, mapped twice.
    memory: &'static [u64],
    words: usize,
    ring: LibbpfRs,
    filled: Read,
}

impl Bound {
    pub(crate) fn new(case: Case) -> Self {
        let ring = LibbpfRs::new(case);
        let (page, len) = (4096, case.ring as usize);
        let map = ring.peer.map();
        // SAFETY: a new read-only mapping of a live map, at an address that the kernel chooses.
        let at = unsafe {
            libc::mmap(
                ptr::null_mut(),
                page + 2 * len,
                libc::PROT_READ,
                libc::MAP_SHARED,
                map.as_fd().as_raw_fd(),
                page as libc::off_t,
            )
        };
        assert_ne!(at, libc::MAP_FAILED);
        // SAFETY: the mapping has this length and is never unmapped, and nothing fills the ring
        // while it is read.
        let memory = unsafe { slice::from_raw_parts(at.cast::<u64>(), (page + 2 * len) / 8) };
        Self { memory, words: len / 8, ring, filled: Read::default() }
    }

    fn data(&self) -> &[u64] {
        &self.memory[4096 / 8..]
    }

    /// Returns the producer position in words.
    fn produced(&self) -> usize {
        // SAFETY: the word is mapped and aligned. The read is volatile because the kernel writes
        // it.
        let position = unsafe { ptr::from_ref(&self.memory[0]).read_volatile() };
        position as usize / 8
    }
}

impl Reader for Bound {
    fn fill(&mut self, count: u64) {
        self.ring.drain();
        let before = self.ring.sent();
        self.ring.fill(count);
        let after = self.ring.sent();
        self.filled =
            Read { count: after.count - before.count, sum: after.sum.wrapping_sub(before.sum) };
    }

    fn sent(&self) -> Read {
        self.ring.sent()
    }

    fn drain(&mut self) -> Read {
        std::hint::black_box(
            self.data()[..self.words].iter().fold(0u64, |sum, word| sum.wrapping_add(*word)),
        );
        self.filled
    }
}

/// A reader that follows the headers from record to record and reads the first word of each: the
/// limit for records of any length, since the address of a record depends on the header before it.
pub(crate) struct Chain {
    bound: Bound,
    from: usize,
}

impl Chain {
    pub(crate) fn new(case: Case) -> Self {
        Self { bound: Bound::new(case), from: 0 }
    }
}

impl Reader for Chain {
    fn fill(&mut self, count: u64) {
        self.bound.ring.drain();
        self.from = self.bound.produced();
        self.bound.fill(count);
    }

    fn sent(&self) -> Read {
        self.bound.sent()
    }

    fn drain(&mut self) -> Read {
        let (data, to, mask) = (self.bound.data(), self.bound.produced(), self.bound.words - 1);
        let mut read = Read::default();
        let mut at = self.from;
        while at != to {
            let record = &data[at & mask..];
            read.add(record[1]);
            at += (record[0] as u32 as usize + 15) / 8;
        }
        read
    }
}
