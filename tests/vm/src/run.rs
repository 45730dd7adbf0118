//! A program that is run on kernels.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, Write},
    num::NonZero,
    os::unix::ffi::OsStrExt as _,
    path::{self, Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    Ended, Error, Kernel,
    error::Tried as _,
    initramfs::Initramfs,
    machine::{self, Limits},
};

/// The variable that says inside of a machine which kernel was asked for.
const NAME: &str = "VM_KERNEL";

/// How often a machine that did not boot is started again.
const RETRIES: u32 = 3;

/// What a shell says of a command that could not be run.
const NOT_RUN: u8 = 125;

/// Inside of a machine, the kernel as it was asked for.
pub fn kernel() -> Option<String> {
    env::var(NAME).ok()
}

/// A program, and what it finds in the machine.
#[derive(Debug, Clone)]
pub struct Run {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) folder: PathBuf,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) files: Vec<PathBuf>,
}

impl Run {
    /// A program in the present folder, with the environment that cargo and Rust programs read, the variables that `VM_ENV` names and the
    /// files and folders of `VM_FILES` (both as lists with colons).
    ///
    /// # Errors
    /// Where there is no present folder.
    pub fn new(program: impl AsRef<Path>, args: impl IntoIterator<Item = OsString>) -> Result<Run, Error> {
        let absolute = |path: &Path| path::absolute(path).tried(|| format!("find {}", path.display()));
        let list = |name: &str| env::split_paths(&env::var_os(name).unwrap_or_default()).collect::<Vec<_>>();
        let named = list("VM_ENV");
        let wanted = |name: &OsStr| {
            let starts = |start: &str| name.as_bytes().starts_with(start.as_bytes());
            // Where the loader finds libraries of the toolchain, if the program has any.
            starts("CARGO") || starts("RUST") || name == "LD_LIBRARY_PATH" || named.iter().any(|known| known.as_os_str() == name)
        };
        Ok(Run {
            program: absolute(program.as_ref())?,
            args: args.into_iter().collect(),
            folder: env::current_dir().tried(|| "find the present folder".to_owned())?,
            env: env::vars_os().filter(|(name, _)| wanted(name)).collect(),
            files: list("VM_FILES")
                .iter()
                .filter(|file| !file.as_os_str().is_empty())
                .map(|file| absolute(file))
                .collect::<Result<_, _>>()?,
        })
    }

    /// This very program, with its arguments.
    ///
    /// # Errors
    /// As [`new`](Run::new).
    pub fn this() -> Result<Run, Error> {
        Run::new(env::current_exe().tried(|| "find this program".to_owned())?, env::args_os().skip(1))
    }

    /// Takes a file, or a folder with all that is in it, into the machine, at its place on this one.
    ///
    /// # Errors
    /// Where there is no present folder.
    pub fn file(mut self, path: impl AsRef<Path>) -> Result<Run, Error> {
        self.files.push(path::absolute(path.as_ref()).tried(|| format!("find {}", path.as_ref().display()))?);
        Ok(self)
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Run {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Runs it on each kernel and says how that ended: with one kernel all is printed as it comes, of several each when it ends. The result
    /// is 0 where it succeeded on all of them, else the first status that is not 0, or 125 where a machine did not boot.
    ///
    /// # Errors
    /// Where a kernel cannot be fetched or a machine not be prepared.
    pub fn on(&self, kernels: &[Kernel]) -> Result<u8, Error> {
        let limits = Limits::from_env()?;
        // Before anything is run, so that what is missing is known at once, and is no machine that did not boot.
        machine::check()?;
        kernels.iter().try_for_each(|kernel| kernel.cached().map(drop))?;
        let ends = match kernels {
            [kernel] => vec![self.run(kernel, &limits, &mut io::stdout())?],
            _ => self.run_all(kernels, &limits)?,
        };
        let mut failed = None;
        for (kernel, End { ended, time }) in kernels.iter().zip(ends) {
            let (status, text) = match ended {
                Ended::Status(0) => (0, "passed".to_owned()),
                Ended::Status(status) => (status, format!("FAILED with status {status}")),
                Ended::NotBooted(why) => (NOT_RUN, format!("NOT TESTED: {why}, {} times", 1 + RETRIES)),
                Ended::Died(why) => (101, format!("FAILED: {why}")),
            };
            println!("kernel {kernel}: {text} ({:.1} s)", time.as_secs_f32());
            failed = failed.or((status != 0).then_some(status));
        }
        Ok(failed.unwrap_or(0))
    }

    /// Several kernels, as many at once as this machine has CPUs, and the ends in the order of the kernels.
    fn run_all(&self, kernels: &[Kernel], limits: &Limits) -> Result<Vec<End>, Error> {
        let next = AtomicUsize::new(0);
        let ends: Vec<_> = kernels.iter().map(|_| OnceLock::new()).collect();
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, NonZero::get).min(kernels.len()) {
                scope.spawn(|| {
                    while let Some((kernel, end)) = {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        kernels.get(index).zip(ends.get(index))
                    } {
                        let mut printed = Vec::new();
                        _ = end.set(self.run(kernel, limits, &mut printed));
                        // Where nobody reads it any more the status is still true.
                        _ = io::stdout().write_all(&printed);
                    }
                });
            }
        });
        ends.into_iter().map(|end| end.into_inner().expect("each was taken by a thread")).collect()
    }

    /// One kernel. A machine that was not ready for the test is started again: whatever that was, it was not the test.
    fn run(&self, kernel: &Kernel, limits: &Limits, out: &mut (dyn Write + Send)) -> Result<End, Error> {
        let start = Instant::now();
        let print = || "print what happens".to_owned();
        let work = tempfile::Builder::new().prefix("eunomia-vm-").tempdir().tried(|| "create a folder for a machine".to_owned())?;
        let work = work.path();
        let cached = kernel.cached()?;
        let initramfs = work.join("initramfs");
        Initramfs::new(&self.clone().env(NAME, kernel.to_string()), work)?.write(&cached, &initramfs)?;
        writeln!(out, "kernel {kernel}: {}", cached.release).tried(print)?;
        let mut retries = 0;
        loop {
            let ended = machine::boot(&cached, &initramfs, limits, work, out)?;
            if let Ended::NotBooted(why) | Ended::Died(why) = &ended {
                write!(out, "kernel {kernel}: {why}\n{}", machine::tail(work)).tried(print)?;
            }
            if retries == RETRIES || !matches!(ended, Ended::NotBooted(_)) {
                return Ok(End { ended, time: start.elapsed() });
            }
            retries += 1;
            writeln!(out, "kernel {kernel}: not the test's fault, starting the machine again ({retries} of {RETRIES})").tried(print)?;
        }
    }
}

/// How it went on a kernel.
#[derive(Debug)]
struct End {
    ended: Ended,
    time: Duration,
}
