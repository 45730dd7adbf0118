//! A program to run on kernels.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, Write},
    os::unix::ffi::OsStrExt as _,
    path::{self, Path, PathBuf},
    time::Instant,
};

use crate::{
    Ended, Error, Event, Kernel, Outcome,
    error::Tried as _,
    initramfs::Initramfs,
    machine::{self, Limits, RETRIES},
    matrix,
};

/// The variable that names the requested kernel inside a machine.
const NAME: &str = "VM_KERNEL";

/// The status if a machine did not boot, which `env` and `timeout` use for their own failures.
const NOT_RUN: u8 = 125;

/// The status of Rust's test harnesses if a test failed.
const DIED: u8 = 101;

/// Returns the requested kernel inside a machine, and `None` outside of one.
pub fn kernel() -> Option<String> {
    env::var(NAME).ok()
}

/// A program, with its arguments, environment and files in the machine.
#[derive(Debug, Clone)]
pub struct Run {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) folder: PathBuf,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) files: Vec<PathBuf>,
    /// True if the program lists its tests before it runs them.
    pub(crate) list: bool,
}

impl Run {
    /// Creates a run of a program in the current folder.
    ///
    /// The run has the environment that cargo and Rust programs read, the variables that `VM_ENV`
    /// names and the files and folders of `VM_FILES` (both lists are separated by colons).
    ///
    /// # Errors
    /// [`Error::Io`] if the current folder cannot be determined.
    pub fn new(
        program: impl AsRef<Path>,
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<Run, Error> {
        let absolute = |path: &Path| {
            path::absolute(path).tried(|| format!("make the path {} absolute", path.display()))
        };
        let list = |name: &str| {
            env::split_paths(&env::var_os(name).unwrap_or_default()).collect::<Vec<_>>()
        };
        let named = list("VM_ENV");
        let passed_on = |name: &OsStr| {
            let starts = |start: &str| name.as_bytes().starts_with(start.as_bytes());
            // LD_LIBRARY_PATH: the loader finds libraries of the toolchain there.
            let known = starts("CARGO")
                || starts("RUST")
                || name == "LD_LIBRARY_PATH"
                || named.iter().any(|known| known.as_os_str() == name);
            // A machine starts no machines.
            known && name != "VM_KERNELS"
        };
        Ok(Run {
            program: absolute(program.as_ref())?,
            args: args.into_iter().collect(),
            folder: env::current_dir().tried(|| "find the current folder".to_owned())?,
            env: env::vars_os().filter(|(name, _)| passed_on(name)).collect(),
            files: list("VM_FILES")
                .iter()
                .filter(|file| !file.as_os_str().is_empty())
                .map(|file| absolute(file))
                .collect::<Result<_, _>>()?,
            list: false,
        })
    }

    /// Creates a run of the current program, with its arguments.
    ///
    /// # Errors
    /// Those of [`new`](Run::new), and [`Error::Io`] if the path of the program cannot be
    /// determined.
    pub fn this() -> Result<Run, Error> {
        Run::new(
            env::current_exe().tried(|| "find this program".to_owned())?,
            env::args_os().skip(1),
        )
    }

    /// Copies a file, or a folder with its contents, into the machine, at its path on the host.
    ///
    /// # Errors
    /// [`Error::Io`] if the path is relative and the current folder cannot be determined.
    pub fn file(mut self, path: impl AsRef<Path>) -> Result<Run, Error> {
        self.files.push(
            path::absolute(path.as_ref())
                .tried(|| format!("make the path {} absolute", path.as_ref().display()))?,
        );
        Ok(self)
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Run {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets the folder to run in; the default is the current folder.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Run {
        self.folder = folder.into();
        self
    }

    /// Runs the program on each kernel and prints how each run ended.
    ///
    /// With one kernel, output is printed as it comes; with several, the output of each when it
    /// ends. Returns 0 if the program succeeded on all kernels, otherwise the first status that is
    /// not 0, with 101 for a kernel that died and 125 for a machine that did not boot.
    ///
    /// # Errors
    /// Those of [`matrix`](crate::matrix()).
    pub fn on(&self, kernels: &[Kernel]) -> Result<u8, Error> {
        let limits = Limits::from_env()?;
        // Before anything runs, so that a missing program or kernel is reported at once, and not as
        // a machine that did not boot.
        matrix::prepare(kernels)?;
        let outcomes = match kernels {
            [kernel] => vec![self.run(kernel, &limits, &mut io::stdout())?],
            _ => matrix::all(std::slice::from_ref(self), kernels, &limits, |event| {
                if let Event::Ended { outcome, .. } = event {
                    // An error is ignored: if nobody reads the output any more, the status is still
                    // valid.
                    _ = io::stdout().write_all(&outcome.printed);
                }
            })?
            .remove(0),
        };
        let mut failed = None;
        for (kernel, Outcome { ended, time, .. }) in kernels.iter().zip(outcomes) {
            println!("kernel {kernel}: {ended} ({:.1} s)", time.as_secs_f32());
            let status = match ended {
                Ended::Status(status) => status,
                Ended::NotBooted(_) => NOT_RUN,
                Ended::Died(_) => DIED,
            };
            failed = failed.or((status != 0).then_some(status));
        }
        Ok(failed.unwrap_or(0))
    }

    /// Runs the program like [`run`](Run::run) and puts its output into the outcome.
    pub(crate) fn collect(&self, kernel: &Kernel, limits: &Limits) -> Result<Outcome, Error> {
        let mut printed = Vec::new();
        let outcome = self.run(kernel, limits, &mut printed)?;
        Ok(Outcome { printed, ..outcome })
    }

    /// Runs the program on one kernel. A machine that ended before the test started is started
    /// again, since the test cannot be the cause.
    fn run(
        &self,
        kernel: &Kernel,
        limits: &Limits,
        out: &mut (dyn Write + Send),
    ) -> Result<Outcome, Error> {
        let start = Instant::now();
        let print = || "print the progress".to_owned();
        let work = tempfile::Builder::new()
            .prefix("eunomia-vm-")
            .tempdir()
            .tried(|| "create a folder for a machine".to_owned())?;
        let work = work.path();
        let cached = kernel.cached()?;
        let initramfs = work.join("initramfs");
        Initramfs::new(&self.clone().env(NAME, kernel.to_string()), work)?
            .write(&cached, &initramfs)?;
        writeln!(out, "kernel {kernel}: {}", cached.release).tried(print)?;
        let mut retries = 0;
        loop {
            let ended = machine::boot(&cached, &initramfs, limits, work, out)?;
            if let Ended::NotBooted(why) | Ended::Died(why) = &ended {
                write!(out, "kernel {kernel}: {why}\n{}", machine::tail(work)).tried(print)?;
            }
            if retries == RETRIES || !matches!(ended, Ended::NotBooted(_)) {
                return Ok(Outcome {
                    ended,
                    time: start.elapsed(),
                    listed: machine::listed(work),
                    printed: Vec::new(),
                });
            }
            retries += 1;
            writeln!(out, "kernel {kernel}: no test has run yet, starting the machine again ({retries} of {RETRIES})").tried(print)?;
        }
    }
}
