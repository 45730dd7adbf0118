//! One boot of one kernel under QEMU.

use std::{
    env, fmt,
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{Error, command, error::Tried as _, initramfs, kernel::Cached};

/// The way a boot ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The test ended with this status.
    Status(u8),
    /// The machine ended before the test started, for this reason. The test is not to blame.
    NotBooted(String),
    /// The machine ended while the test ran, for this reason: the kernel crashed, or the test did
    /// not end.
    Died(String),
}

/// The number of times that a machine that did not boot is started again.
pub(crate) const RETRIES: u32 = 3;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Status(0) => f.write_str("passed"),
            Ended::Status(status) => write!(f, "FAILED with status {status}"),
            Ended::NotBooted(why) => write!(f, "NOT TESTED: {why}, {} times", 1 + RETRIES),
            Ended::Died(why) => write!(f, "FAILED: {why}"),
        }
    }
}

/// The resources of a machine, and the time that it may take.
#[derive(Debug)]
pub(crate) struct Limits {
    /// The time until the test starts: `VM_BOOT_TIMEOUT`, 30 seconds by default. A boot takes about
    /// two.
    boot: Duration,
    /// The time until the test ends: `VM_TIMEOUT`, 1800 seconds by default.
    all: Duration,
    /// MiB of memory: `VM_MEMORY`, 512 by default.
    memory: u64,
    /// The number of CPUs: `VM_CPUS`, 2 by default.
    cpus: u64,
}

impl Limits {
    pub(crate) fn from_env() -> Result<Limits, Error> {
        let number = |name: &str, default| match env::var(name) {
            Err(_) => Ok(default),
            Ok(text) => {
                text.parse().map_err(|_| Error::Usage(format!("{name}: `{text}` is not a number")))
            }
        };
        Ok(Limits {
            boot: Duration::from_secs(number("VM_BOOT_TIMEOUT", 30)?),
            all: Duration::from_secs(number("VM_TIMEOUT", 1800)?),
            memory: number("VM_MEMORY", 512)?,
            cpus: number("VM_CPUS", 2)?,
        })
    }
}

const QEMU: &str = "qemu-system-x86_64";

/// Checks that the programs that a machine needs are installed.
pub(crate) fn check() -> Result<(), Error> {
    command::output(Command::new(QEMU).arg("--version"))?;
    command::output(Command::new(initramfs::BUSYBOX).arg("true")).map(drop)
}

/// Boots `kernel`. The test's output goes to `out` as it is printed; the kernel's messages go to
/// the file `console` in `work`.
pub(crate) fn boot(
    kernel: &Cached,
    initramfs: &Path,
    limits: &Limits,
    work: &Path,
    out: &mut (dyn Write + Send),
) -> Result<Ended, Error> {
    let log = || File::create(work.join("qemu")).tried(|| "create a log".to_owned());
    for name in ["console", CONTROL] {
        fs::write(work.join(name), "").tried(|| "create a log".to_owned())?;
    }
    // Software emulation only: if /dev/kvm opens but does not work, QEMU aborts and does not fall
    // back. `setpriv` ends the machine with this process, however that ends. One thread: with a
    // thread for each CPU, a guest that patches its code now and then runs the code from before the
    // patch and ends with an oops.
    let mut command = Command::new("setpriv");
    command.args([
        "--pdeathsig",
        "KILL",
        QEMU,
        "-accel",
        "tcg,thread=single",
        "-cpu",
        "max",
        "-nodefaults",
        "-no-user-config",
    ]);
    command.args([
        "-display",
        "none",
        "-no-reboot",
        "-m",
        &limits.memory.to_string(),
        "-smp",
        &limits.cpus.to_string(),
    ]);
    command.args(["-chardev", "file,id=console,path=console", "-serial", "chardev:console"]);
    command.args(["-chardev", "stdio,id=test,signal=off", "-serial", "chardev:test"]);
    command.args(["-chardev", "file,id=control,path=control", "-serial", "chardev:control"]);
    // A kernel that panics ends the machine. `lsm=` enables the BPF security module, which 5.10
    // does not enable by default.
    command.args([
        "-append",
        "console=ttyS0 panic=-1 oops=panic mitigations=off lsm=lockdown,yama,bpf",
    ]);
    command.arg("-kernel").arg(kernel.folder.join("vmlinuz")).arg("-initrd").arg(initramfs);
    command.current_dir(work).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log()?);
    let mut machine = Machine(command.spawn().map_err(|error| command::missing(&command, &error))?);
    let mut printed = machine.0.stdout.take().expect("stdout is a pipe");
    thread::scope(|scope| {
        // An error is ignored: if nobody reads the output any more, the status is still valid.
        scope.spawn(|| io::copy(&mut printed, out));
        let ended = machine.wait(limits, &work.join(CONTROL));
        drop(machine);
        ended
    })
}

/// The file with the lines that `init.sh` writes to ttyS2.
const CONTROL: &str = "control";

/// Returns the tests that the program listed before it ran them.
pub(crate) fn listed(work: &Path) -> Vec<String> {
    let control = fs::read(work.join(CONTROL)).unwrap_or_default();
    let control = String::from_utf8_lossy(&control);
    let tests =
        control.lines().filter_map(|line| line.strip_prefix("list ")?.trim_end().rsplit_once(": "));
    tests
        .filter(|(_, kind)| matches!(*kind, "test" | "bench" | "benchmark"))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Returns the last messages of the kernel and of QEMU.
pub(crate) fn tail(work: &Path) -> String {
    let read = |name: &str| {
        fs::read(work.join(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    };
    let all = read("console") + &read("qemu");
    let lines: Vec<_> = all.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(30)..].iter().map(|line| format!("    | {line}\n")).collect()
}

/// A QEMU process, killed when the value is dropped.
struct Machine(Child);

impl Machine {
    fn wait(&mut self, limits: &Limits, control: &Path) -> Result<Ended, Error> {
        let start = Instant::now();
        loop {
            // Before the file is read, so that all that the machine wrote before it exited is seen.
            let exited = self.exited()?;
            let text = fs::read(control).tried(|| format!("read {}", control.display()))?;
            let text = String::from_utf8_lossy(&text);
            let mut ready = false;
            for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
                match line.trim().split_once(' ') {
                    Some(("status", status)) if let Ok(status) = status.parse() => {
                        self.leave()?;
                        return Ok(Ended::Status(status));
                    }
                    Some(("failed", command)) => {
                        return Ok(Ended::NotBooted(format!(
                            "a command in the machine failed: {command}"
                        )));
                    }
                    _ => ready |= line.trim() == "ready",
                }
            }
            let passed = start.elapsed();
            match (ready, exited) {
                (false, true) => {
                    return Ok(Ended::NotBooted(format!(
                        "the machine ended after {passed:.1?}, before the test started"
                    )));
                }
                (true, true) => {
                    return Ok(Ended::Died("the machine ended while the test ran".to_owned()));
                }
                (false, false) if passed > limits.boot => {
                    return Ok(Ended::NotBooted(format!(
                        "the machine was not ready after {:?}",
                        limits.boot
                    )));
                }
                (_, false) if passed > limits.all => {
                    return Ok(Ended::Died(format!(
                        "the test did not end within {:?}",
                        limits.all
                    )));
                }
                _ => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Waits until the machine powers off, so that all its output arrives.
    fn leave(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.exited()? && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn exited(&mut self) -> Result<bool, Error> {
        self.0.try_wait().map(|status| status.is_some()).tried(|| "wait for QEMU".to_owned())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail if the process has ended.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
