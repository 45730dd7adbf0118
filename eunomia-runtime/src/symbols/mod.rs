//! Symbol names for the addresses of stack traces, looked up through blazesym.
//!
//! ```no_run
//! use eunomia_runtime::symbols::Symbols;
//!
//! let symbols = Symbols::new();
//! # let addresses = [0];
//! for frame in symbols.symbolize_process(1234, &addresses) {
//!     let name = frame.symbols.first().map_or("?", |symbol| &symbol.name);
//!     println!("{:#x} {name}", frame.address);
//! }
//! ```
//!
//! # Processes of other users
//! A traced process controls its files, and the tracing process usually has more privileges.
//! Therefore files of processes are inspected before they are opened and must be regular files.
//! They are opened without blocking, through `/proc/PID/map_files` (which needs
//! `CAP_CHECKPOINT_RESTORE` or `CAP_SYS_ADMIN`), so links, mount namespaces and deletion do not
//! matter. Symbols are read from a bounded copy in memory, because a mapping of a file that another
//! user truncates would end this process (SIGBUS).
//! - Debug information, which gives lines and inlined functions, is read only from files that root
//!   or this user owns and nobody else can write to, in processes that share the mount namespace of
//!   this one. Other files give the names of their symbol tables. Debug information is also found
//!   by build id in `/usr/lib/debug/.build-id`. Links to debug information elsewhere are not
//!   followed.
//! - Files on FUSE give no names, because their owner decides how long a read takes.
//! - The files `/tmp/perf-PID.map` of just-in-time compilers are read only after
//!   [`Symbols::with_perf_maps`].
//! - All of this happens in threads. If a thread does not answer in time
//!   ([`Symbols::with_patience`]), the frames have no names. A thread that does not end is
//!   abandoned; after four abandoned threads, processes get no names any more.
//!
//! # Processes that end soon
//! A process that has ended gives no names. [`Symbols::locate`] finds and opens the files of a
//! process, which takes far less time than the names do; [`Symbols::name`] then returns the names
//! even if the process has ended:
//!
//! ```no_run
//! use std::collections::VecDeque;
//!
//! use eunomia_runtime::symbols::{Located, Symbols};
//!
//! /// Called for each event, as soon as it arrives.
//! fn show(symbols: &Symbols, pending: &mut VecDeque<Located>, pid: u32, stack: &[u64]) {
//!     pending.push_back(symbols.locate(pid, stack));
//!     while pending.len() > 100 || pending.front_mut().is_some_and(Located::is_ready) {
//!         let Some(located) = pending.pop_front() else { break };
//!         for frame in symbols.name(located) {
//!             let name = frame.symbols.first().map_or("?", |symbol| &symbol.name);
//!             println!("{:#x} {name}", frame.address);
//!         }
//!     }
//! }
//! ```

mod binary;
mod copy;
mod demangle;
mod file;
mod files;
mod locate;
mod perf_map;
mod process;
#[allow(unsafe_code, reason = "queries the kernel for mappings")]
mod procmap;
mod vdso;
mod worker;
mod writer;

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

use crate::plain::line;
use demangle::demangled;
use locate::{Place, Question};
use worker::{Answer, Worker};

/// Looks up symbol names. Caches what it reads of the kernel and of files, so share one instance.
pub struct Symbols {
    kernel: Symbolizer,
    locator: Mutex<Option<Worker<Question, Vec<Place>>>>,
    namer: Mutex<Option<Worker<Vec<Place>, Named>>>,
    /// Cloned once for each thread that runs.
    running: Arc<()>,
    perf_maps: bool,
    patience: Duration,
}

/// The functions at each of a list of places.
type Named = Vec<Vec<Symbol>>;

/// The number of threads that may exist: the two workers and four abandoned ones.
const MOST_THREADS: usize = 6;

/// Addresses of a process whose names are being looked up, see [`Symbols::locate`].
#[must_use = "names are there when `Symbols::name` is asked for them"]
pub struct Located {
    addresses: Vec<u64>,
    /// `None` if no address lies in a known file.
    symbols: Option<Answer<Named>>,
}

/// An address of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The address.
    pub address: u64,
    /// The function that contains the address, then the functions that the compiler inlined there,
    /// the innermost last. Empty if the names are unknown: the process has ended, its file has no
    /// symbols, or the kernel hides them (`kernel.kptr_restrict`).
    pub symbols: Vec<Symbol>,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// The name; C++ and Rust names are demangled. Like the other texts it can be printed: it is one
    /// line, in which characters that a terminal does not show are escaped.
    pub name: String,
    /// The offset from the start of the function in bytes; `None` for an inlined function, which
    /// has no start.
    pub offset: Option<u64>,
    /// The file or kernel module of the function, if known.
    pub module: Option<String>,
    /// The source file, if debug information names it.
    pub file: Option<String>,
    /// The line in the source file.
    pub line: Option<u32>,
}

impl Symbols {
    /// Creates an instance with an empty cache.
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

    /// Also reads perf maps, the files in which just-in-time compilers name their functions. A perf
    /// map is read only if it is a regular file that belongs to the user of the process, in `/tmp`
    /// as the process sees it.
    #[must_use]
    pub fn with_perf_maps(self) -> Self {
        Self { perf_maps: true, ..self }
    }

    /// Sets how long a look-up in a process may take before it is given up; the default is 3
    /// seconds.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Reads the symbols of the kernel now, which takes some ten milliseconds, instead of at the
    /// first look-up.
    #[doc(hidden)]
    pub fn read_kernel(&self) {
        // No function contains this address; to know that, all symbols are read.
        self.symbolize_kernel(&[u64::MAX]);
    }

    /// Returns the frames of addresses in the running kernel.
    pub fn symbolize_kernel(&self, addresses: &[u64]) -> Vec<Frame> {
        // If there are no names, the frames still have their addresses. Without addresses the
        // kernel's symbols need not be read.
        let found = if addresses.is_empty() {
            Ok(Vec::new())
        } else {
            self.kernel.symbolize(&Source::Kernel(Kernel::default()), Input::AbsAddr(addresses))
        };
        let mut found = found.unwrap_or_default().into_iter();
        let symbols = |found| symbols(found, None);
        addresses
            .iter()
            .map(|address| Frame {
                address: *address,
                symbols: found.next().map(symbols).unwrap_or_default(),
            })
            .collect()
    }

    /// Returns the frames of addresses in a process that still runs.
    pub fn symbolize_process(&self, pid: u32, addresses: &[u64]) -> Vec<Frame> {
        self.name(self.locate(pid, addresses))
    }

    /// Finds the files that contain the addresses of a process, holds them open, and begins to look
    /// up the names. [`Self::name`] waits for the names.
    ///
    /// This takes far less time than the names do. An app that wants the names of short-lived
    /// processes calls it for each event as soon as the event arrives, and calls [`Self::name`]
    /// when [`Located::is_ready`] returns true or when it is idle. Each pending [`Located`] holds a
    /// descriptor for each file, so keep at most some hundred pending.
    pub fn locate(&self, pid: u32, addresses: &[u64]) -> Located {
        let addresses = addresses.to_vec();
        // Pid 0 would be this process.
        let places = (pid != 0 && !addresses.is_empty()).then(|| {
            let question =
                Question { pid, addresses: addresses.clone(), perf_maps: self.perf_maps };
            self.ask(&self.locator, locate::locate, question)?.wait(self.patience)
        });
        let known = places
            .flatten()
            .filter(|places| places.iter().any(|place| !matches!(place, Place::Unknown)));
        let symbols = known.and_then(|places| self.ask(&self.namer, files::name, places));
        Located { addresses, symbols }
    }

    /// Returns the frames of addresses that were located, even if the process has ended. Waits for
    /// the names, see [`Self::with_patience`].
    pub fn name(&self, located: Located) -> Vec<Frame> {
        let mut symbols = located
            .symbols
            .and_then(|symbols| symbols.wait(self.patience))
            .unwrap_or_default()
            .into_iter();
        located
            .addresses
            .into_iter()
            .map(|address| Frame { address, symbols: symbols.next().unwrap_or_default() })
            .collect()
    }

    /// Sends a question to a worker thread and starts the thread if there is none.
    fn ask<S: Default + 'static, Q: Send + 'static, A: Send + 'static>(
        &self,
        worker: &Mutex<Option<Worker<Q, A>>>,
        answer: fn(&mut S, Q) -> A,
        question: Q,
    ) -> Option<Answer<A>> {
        // A panic while the lock was held leaves a worker or `None`, both of which are valid.
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
    /// Reports whether [`Symbols::name`] would return at once.
    pub fn is_ready(&mut self) -> bool {
        self.symbols.as_mut().is_none_or(Answer::is_ready)
    }
}

impl fmt::Debug for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Located").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Converts what blazesym found. `module` is the file's name, if blazesym knows the file by another
/// one.
fn symbols(found: Symbolized<'_>, module: Option<&Path>) -> Vec<Symbol> {
    let Symbolized::Sym(sym) = found else { return Vec::new() };
    let place = |info: Option<&CodeInfo<'_>>| {
        (info.map(|info| shown(&info.to_path())), info.and_then(|info| info.line))
    };
    let (file, line) = place(sym.code_info.as_deref());
    let named = || sym.module.as_ref().map(|module| shown(Path::new(&**module)));
    let module = module.map(shown).or_else(named);
    let outer = Symbol {
        name: demangled(&sym.name),
        offset: Some(sym.offset as u64),
        module: module.clone(),
        file,
        line,
    };
    let inlined = sym.inlined.iter().map(|inlined| {
        let (file, line) = place(inlined.code_info.as_ref());
        Symbol { name: demangled(&inlined.name), offset: None, module: module.clone(), file, line }
    });
    std::iter::once(outer).chain(inlined).collect()
}

/// Returns a path as one line without characters that move a terminal.
fn shown(path: &Path) -> String {
    line(&path.to_string_lossy()).into_owned()
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

/// Entry points for the fuzz targets of this workspace only.
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz {
    use std::{
        fs::File,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use super::binary::Binary;

    /// Reads the symbols and the debug information of a file as a process may have mapped it.
    /// Returns true if the file could be read. A panic of blazesym, which adds sizes of symbols
    /// with overflow checks, is caught, as in the worker thread.
    pub fn executable(file: &File) -> bool {
        let read = || Binary::new(file, true).map(|binary| binary.every_symbol());
        catch_unwind(AssertUnwindSafe(read)).is_ok_and(|read| read.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function that is longer than one byte, so its second byte belongs to it.
    #[inline(never)]
    fn known_function() -> u64 {
        std::hint::black_box(5) * std::hint::black_box(7)
    }

    #[test]
    fn symbolize_process_names_functions_of_this_process() {
        let symbols = Symbols::new();
        let address = known_function as fn() -> u64 as usize as u64;
        let frames = symbols.symbolize_process(std::process::id(), &[address + 1, 8]);
        let [known, unknown] = &frames[..] else { panic!("{frames:?}") };
        let symbol = known.symbols.first().unwrap();
        assert!(symbol.name.ends_with("known_function"), "{symbol:?}");
        assert_eq!((symbol.offset, known.address), (Some(1), address + 1));
        assert_eq!(*unknown, Frame { address: 8, symbols: Vec::new() });
        // No process has this pid, and pid 0 must not mean this process.
        for pid in [0, u32::MAX - 1] {
            assert_eq!(
                symbols.symbolize_process(pid, &[address]),
                [Frame { address, symbols: Vec::new() }]
            );
        }
    }
}
