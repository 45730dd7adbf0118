//! A program that is run on kernels.

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

/// The variable that says inside of a machine which kernel was asked for.
const NAME: &str = "VM_KERNEL";

/// What a shell says of a command that could not be run.
const NOT_RUN: u8 = 125;

/// What Rust's harnesses end with where a test failed.
const DIED: u8 = 101;

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
    /// Whether it is asked for the list of its tests first.
    pub(crate) list: bool,
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
            let known =
                starts("CARGO") || starts("RUST") || name == "LD_LIBRARY_PATH" || named.iter().any(|known| known.as_os_str() == name);
            // There are no machines in a machine.
            known && name != "VM_KERNELS"
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
            list: false,
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

    /// Runs it in a folder other than the present one.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Run {
        self.folder = folder.into();
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
        matrix::prepare(kernels)?;
        let outcomes = match kernels {
            [kernel] => vec![self.run(kernel, &limits, &mut io::stdout())?],
            _ => matrix::all(std::slice::from_ref(self), kernels, &limits, |event| {
                if let Event::Ended { outcome, .. } = event {
                    // Where nobody reads it any more the status is still true.
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

    /// As [`run`](Run::run), with what is printed in the outcome.
    pub(crate) fn collect(&self, kernel: &Kernel, limits: &Limits) -> Result<Outcome, Error> {
        let mut printed = Vec::new();
        let outcome = self.run(kernel, limits, &mut printed)?;
        Ok(Outcome { printed, ..outcome })
    }

    /// One kernel. A machine that was not ready for the test is started again: whatever that was, it was not the test.
    fn run(&self, kernel: &Kernel, limits: &Limits, out: &mut (dyn Write + Send)) -> Result<Outcome, Error> {
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
                return Ok(Outcome { ended, time: start.elapsed(), listed: machine::listed(work), printed: Vec::new() });
            }
            retries += 1;
            writeln!(out, "kernel {kernel}: not the test's fault, starting the machine again ({retries} of {RETRIES})").tried(print)?;
        }
    }
}
