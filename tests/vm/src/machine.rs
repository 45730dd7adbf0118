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

/// How a boot ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With this status of the test.
    Status(u8),
    /// Before the test was started, for this reason: no fault of the test.
    NotBooted(String),
    /// While the test ran, for this reason: the kernel crashed, or the test did not end.
    Died(String),
}

/// How often a machine that did not boot is started again.
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

/// What a machine has, and how long it may take.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Until the test is started; 30 seconds, `VM_BOOT_TIMEOUT`. A machine is there after two.
    boot: Duration,
    /// All of it; 1800 seconds, `VM_TIMEOUT`.
    all: Duration,
    /// 512 MiB, `VM_MEMORY`.
    memory: u64,
    /// 2, `VM_CPUS`.
    cpus: u64,
}

impl Limits {
    pub(crate) fn from_env() -> Result<Limits, Error> {
        let number = |name: &str, default| match env::var(name) {
            Err(_) => Ok(default),
            Ok(text) => text.parse().map_err(|_| Error::Usage(format!("{name}: `{text}` is no number"))),
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

/// Whether the programs are there that a machine is made of.
pub(crate) fn check() -> Result<(), Error> {
    command::output(Command::new(QEMU).arg("--version"))?;
    command::output(Command::new(initramfs::BUSYBOX).arg("true")).map(drop)
}

/// Boots `kernel`. What the test prints goes to `out` as it comes; the kernel's messages stand in `console` of `work`.
pub(crate) fn boot(kernel: &Cached, initramfs: &Path, limits: &Limits, work: &Path, out: &mut (dyn Write + Send)) -> Result<Ended, Error> {
    let log = || File::create(work.join("qemu")).tried(|| "create a log".to_owned());
    for name in ["console", CONTROL] {
        fs::write(work.join(name), "").tried(|| "create a log".to_owned())?;
    }
    // Software emulation alone: where /dev/kvm opens but does not work QEMU aborts and does not fall back. The machine ends with this
    // process, however that ends. In one thread: with one for each CPU a guest that patches its code now and then runs what stood there
    // before, and ends with an oops.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", QEMU, "-accel", "tcg,thread=single", "-cpu", "max", "-nodefaults", "-no-user-config"]);
    command.args(["-display", "none", "-no-reboot", "-m", &limits.memory.to_string(), "-smp", &limits.cpus.to_string()]);
    command.args(["-chardev", "file,id=console,path=console", "-serial", "chardev:console"]);
    command.args(["-chardev", "stdio,id=test,signal=off", "-serial", "chardev:test"]);
    command.args(["-chardev", "file,id=control,path=control", "-serial", "chardev:control"]);
    // A kernel that panics ends the machine. BPF is among the security modules on all of them, on 5.10 only if asked for.
    command.args(["-append", "console=ttyS0 panic=-1 oops=panic mitigations=off lsm=lockdown,yama,bpf"]);
    command.arg("-kernel").arg(kernel.folder.join("vmlinuz")).arg("-initrd").arg(initramfs);
    command.current_dir(work).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log()?);
    let mut machine = Machine(command.spawn().map_err(|error| command::missing(&command, &error))?);
    let mut printed = machine.0.stdout.take().expect("it is a pipe");
    thread::scope(|scope| {
        // Where nobody reads it any more the status is still true.
        scope.spawn(|| io::copy(&mut printed, out));
        let ended = machine.wait(limits, &work.join(CONTROL));
        drop(machine);
        ended
    })
}

/// Holds what `init.sh` says.
const CONTROL: &str = "control";

/// The tests that the program listed before it ran them.
pub(crate) fn listed(work: &Path) -> Vec<String> {
    let said = fs::read(work.join(CONTROL)).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let tests = said.lines().filter_map(|line| line.strip_prefix("list ")?.trim_end().rsplit_once(": "));
    tests.filter(|(_, kind)| matches!(*kind, "test" | "bench" | "benchmark")).map(|(name, _)| name.to_owned()).collect()
}

/// The last of what the kernel, and QEMU, said.
pub(crate) fn tail(work: &Path) -> String {
    let read = |name: &str| fs::read(work.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all = read("console") + &read("qemu");
    let lines: Vec<_> = all.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(30)..].iter().map(|line| format!("    | {line}\n")).collect()
}

/// A process of QEMU, which ends with the value.
struct Machine(Child);

impl Machine {
    fn wait(&mut self, limits: &Limits, control: &Path) -> Result<Ended, Error> {
        let start = Instant::now();
        loop {
            // Asked first: what it said before it exited can be read.
            let exited = self.exited()?;
            let said = fs::read(control).tried(|| format!("read {}", control.display()))?;
            let said = String::from_utf8_lossy(&said);
            let mut ready = false;
            for line in said.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
                match line.trim().split_once(' ') {
                    Some(("status", status)) if let Ok(status) = status.parse() => {
                        self.leave()?;
                        return Ok(Ended::Status(status));
                    }
                    Some(("failed", what)) => return Ok(Ended::NotBooted(format!("in the machine failed: {what}"))),
                    _ => ready |= line.trim() == "ready",
                }
            }
            let passed = start.elapsed();
            match (ready, exited) {
                (false, true) => return Ok(Ended::NotBooted(format!("it ended after {passed:.1?}, before the test was started"))),
                (true, true) => return Ok(Ended::Died("it ended while the test ran".to_owned())),
                (false, false) if passed > limits.boot => {
                    return Ok(Ended::NotBooted(format!("it was not ready after {:?}", limits.boot)));
                }
                (_, false) if passed > limits.all => return Ok(Ended::Died(format!("the test did not end within {:?}", limits.all))),
                _ => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Lets it go down by itself, so that all it printed arrives.
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
        // Both fail where it has ended.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
