//! Names for the addresses of stack traces, through blazesym.
//!
//! ```no_run
//! use eunomia_runtime::symbols::Symbols;
//!
//! let symbols = Symbols::new();
//! # let addresses = [0];
//! for frame in symbols.of_process(1234, &addresses) {
//!     println!("{:#x} {}", frame.address, frame.symbols.first().map_or("?", |symbol| &symbol.name));
//! }
//! ```
//!
//! # Processes of other users
//! Whoever is traced decides what is in its files, and the process that traces mostly has more rights. So files of processes are looked at
//! before they are opened and must be regular; they are opened without blocking, through `/proc/PID/map_files` (which needs
//! `CAP_CHECKPOINT_RESTORE` or `CAP_SYS_ADMIN`), so that neither links, mount namespaces nor deletion matter; and symbols are read from a
//! bounded copy in memory, since a mapping of a file that somebody cuts would end this process.
//! - Debug information, which gives lines and inlined functions, is read only of files that root or this user owns and nobody else can
//!   write to, in processes that share the mount namespace of this one; other files give the names of their symbol tables. Debug
//!   information is also found by build id in `/usr/lib/debug/.build-id`. Links to debug information elsewhere are not followed.
//! - Files on FUSE give no names: whoever waits for one waits as long as its owner likes.
//! - What just-in-time compilers write to `/tmp/perf-PID.map` is read only if that is asked for ([`Symbols::with_perf_maps`]).
//! - All of this happens in threads. If one has no answer in time ([`Symbols::with_patience`]), the frames have no names. A thread that
//!   does not end is left behind; after four there are no more names of processes.
//!
//! Names can be had after a process has ended if its addresses were located while it was there, see [`Symbols::locate`].

mod binary;
mod copy;
mod demangle;
mod file;
mod files;
mod locate;
mod perf_map;
mod process;
#[allow(unsafe_code, reason = "asks the kernel about mappings")]
mod procmap;
mod vdso;
mod worker;

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use blazesym::symbolize::{
    CodeInfo, Input, Symbolized, Symbolizer,
    source::{Kernel, Source},
};

use crate::value::Value;
use demangle::demangled;
use locate::{Place, Question};
use worker::{Answer, Worker};

/// Looks up names; keeps what it has read of the kernel and of files, so have one for all.
pub struct Symbols {
    kernel: Symbolizer,
    locator: Mutex<Option<Worker<Question, Vec<Place>>>>,
    namer: Mutex<Option<Worker<Vec<Place>, Named>>>,
    /// Has an owner more for each thread that runs.
    running: Arc<()>,
    perf_maps: bool,
    patience: Duration,
}

/// The functions at each of some places.
type Named = Vec<Vec<Symbol>>;

/// How many threads there may be: the two that work, and those that were left behind.
const MOST_THREADS: usize = 6;

/// Addresses of a process whose names are being looked up, see [`Symbols::locate`].
#[must_use = "names are there when `Symbols::name` is asked for them"]
pub struct Located {
    addresses: Vec<u64>,
    /// `None` if nothing is known of any of them.
    symbols: Option<Answer<Named>>,
}

/// An address of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The address.
    pub address: u64,
    /// The function that it lies in, then those that the compiler has put inside of it, the innermost last. Empty where nobody knows:
    /// the process has ended, its file has no symbols, or the kernel does not tell (`kernel.kptr_restrict`).
    pub symbols: Vec<Symbol>,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name; of C++ and Rust as it is written in the source.
    pub name: String,
    /// Bytes from its start; `None` for one inside of another, which has no start.
    pub offset: Option<u64>,
    /// The file or the kernel module that it is from, where that is told.
    pub module: Option<String>,
    /// The source file, where debug information tells.
    pub file: Option<String>,
    /// The line there.
    pub line: Option<u32>,
}

impl Symbols {
    /// Nothing looked up yet.
    pub fn new() -> Self {
        let kernel = Symbolizer::builder().enable_demangling(false).build();
        Self {
            kernel,
            locator: Mutex::new(None),
            namer: Mutex::new(None),
            running: Arc::new(()),
            perf_maps: false,
            patience: Duration::from_secs(3),
        }
    }

    /// Reads perf maps, too, the files in which just-in-time compilers name their functions. One is read only if it is a regular file of
    /// the process's own user, in `/tmp` as the process sees it.
    #[must_use]
    pub fn with_perf_maps(self) -> Self {
        Self { perf_maps: true, ..self }
    }

    /// How long a look at a process may take before it is given up; 3 seconds unless set.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Reads the names of the kernel now, which takes some ten milliseconds, and not when they are needed first.
    pub fn read_kernel(&self) {
        // No function is there; all of them are read to know that.
        self.of_kernel(&[u64::MAX]);
    }

    /// Addresses of the running kernel.
    pub fn of_kernel(&self, addresses: &[u64]) -> Vec<Frame> {
        // Without names the addresses are still there; and without addresses the kernel's names need not be read.
        let found = if addresses.is_empty() {
            Ok(Vec::new())
        } else {
            self.kernel.symbolize(&Source::Kernel(Kernel::default()), Input::AbsAddr(addresses))
        };
        let mut found = found.unwrap_or_default().into_iter();
        let symbols = |found| symbols(found, None);
        addresses.iter().map(|address| Frame { address: *address, symbols: found.next().map(symbols).unwrap_or_default() }).collect()
    }

    /// What a pointer of an event leads to in the running kernel, a function mostly; `None` for a value that is no pointer.
    pub fn of_pointer(&self, value: &Value<'_>) -> Option<Frame> {
        let address = value.as_pointer()?;
        self.of_kernel(&[address]).pop()
    }

    /// Addresses of a process that still runs.
    pub fn of_process(&self, pid: u32, addresses: &[u64]) -> Vec<Frame> {
        self.name(self.locate(pid, addresses))
    }

    /// Looks up which files the addresses of a process lie in, holds the files, and begins to read their names; [`Self::name`] waits for
    /// them.
    ///
    /// It takes far less time than names do. An app that wants the names of processes that end soon calls this for each event as soon as
    /// it is there, and names it when [`Located::is_ready`], or when it has nothing else to do. What is not yet named holds a descriptor
    /// for each file, so it should be some hundred events at most.
    pub fn locate(&self, pid: u32, addresses: &[u64]) -> Located {
        let addresses = addresses.to_vec();
        // 0 would be this process.
        let places = (pid != 0 && !addresses.is_empty()).then(|| {
            let question = Question { pid, addresses: addresses.clone(), perf_maps: self.perf_maps };
            self.ask(&self.locator, locate::locate, question)?.wait(self.patience)
        });
        let known = places.flatten().filter(|places| places.iter().any(|place| !matches!(place, Place::Unknown)));
        let symbols = known.and_then(|places| self.ask(&self.namer, files::name, places));
        Located { addresses, symbols }
    }

    /// The names of addresses that were located, also of a process that has ended.
    pub fn name(&self, located: Located) -> Vec<Frame> {
        let mut symbols = located.symbols.and_then(|symbols| symbols.wait(self.patience)).unwrap_or_default().into_iter();
        located.addresses.into_iter().map(|address| Frame { address, symbols: symbols.next().unwrap_or_default() }).collect()
    }

    /// Asks a thread, which is started if there is none.
    fn ask<S: Default + 'static, Q: Send + 'static, A: Send + 'static>(
        &self,
        worker: &Mutex<Option<Worker<Q, A>>>,
        answer: fn(&mut S, Q) -> A,
        question: Q,
    ) -> Option<Answer<A>> {
        // What a panic has left there is a worker, or none.
        let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
        if worker.as_ref().is_some_and(Worker::is_given_up) {
            *worker = None;
        }
        if worker.is_none() && Arc::strong_count(&self.running) <= MOST_THREADS {
            *worker = Worker::start(Arc::clone(&self.running), answer);
        }
        worker.as_ref()?.ask(question)
    }
}

impl Located {
    /// Whether [`Symbols::name`] would return at once.
    pub fn is_ready(&mut self) -> bool {
        self.symbols.as_mut().is_none_or(Answer::is_ready)
    }
}

impl fmt::Debug for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Located").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// `module` is the file's name, if the symbolizer knows it by another one.
fn symbols(found: Symbolized<'_>, module: Option<&Path>) -> Vec<Symbol> {
    let Symbolized::Sym(sym) = found else { return Vec::new() };
    let place = |info: Option<&CodeInfo<'_>>| (info.map(|info| info.to_path().display().to_string()), info.and_then(|info| info.line));
    let (file, line) = place(sym.code_info.as_deref());
    let named = || sym.module.as_ref().map(|module| module.to_string_lossy().into_owned());
    let module = module.map(|module| module.to_string_lossy().into_owned()).or_else(named);
    let outer = Symbol { name: demangled(&sym.name), offset: Some(sym.offset as u64), module: module.clone(), file, line };
    let inlined = sym.inlined.iter().map(|inlined| {
        let (file, line) = place(inlined.code_info.as_ref());
        Symbol { name: demangled(&inlined.name), offset: None, module: module.clone(), file, line }
    });
    std::iter::once(outer).chain(inlined).collect()
}

impl Default for Symbols {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Symbols").finish_non_exhaustive()
    }
}

/// For the tests of this workspace only.
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz {
    use std::{
        fs::File,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use super::binary::Binary;

    /// Looks for names in a file that a process may have mapped, with debug information; whether it could be read. What blazesym cannot
    /// stand is caught, as the thread that names does: it adds sizes of symbols with a check.
    pub fn executable(file: &File) -> bool {
        let read = || Binary::new(file, true).map(|binary| binary.every_symbol());
        catch_unwind(AssertUnwindSafe(read)).is_ok_and(|read| read.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long enough that its second byte is still its own.
    #[inline(never)]
    fn known_function() -> u64 {
        std::hint::black_box(5) * std::hint::black_box(7)
    }

    #[test]
    fn functions_of_this_process_and_of_none() {
        let symbols = Symbols::new();
        let address = known_function as fn() -> u64 as usize as u64;
        let frames = symbols.of_process(std::process::id(), &[address + 1, 8]);
        let [known, unknown] = &frames[..] else { panic!("{frames:?}") };
        let symbol = known.symbols.first().unwrap();
        assert!(symbol.name.ends_with("known_function"), "{symbol:?}");
        assert_eq!((symbol.offset, known.address), (Some(1), address + 1));
        assert_eq!(*unknown, Frame { address: 8, symbols: Vec::new() });
        // No process has this number, and 0 is not taken for this one.
        for pid in [0, u32::MAX - 1] {
            assert_eq!(symbols.of_process(pid, &[address]), [Frame { address, symbols: Vec::new() }]);
        }
    }
}
