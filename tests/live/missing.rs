//! What a kernel or a machine may lack besides program and map types: the errors, and that their
//! advice helps. Each case runs in a process with a mount namespace of its own.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::{
    Skeleton,
    bpf::{Direction, Rank, kernel_btf, mount},
    cli::{self, Exit},
};
use eunomia_tests::built::{bootstrap, every, maps, programs};
use libtest_mimic::Failed;
use rustix::{
    mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount},
    process::{Resource, Rlimit, setrlimit},
    thread::CapabilitySet,
};

use super::{
    Outcome,
    bootstrap::JSON,
    child::{Answers, answer, run, tried, unshare},
    host::{self, apart},
    privileges::become_user,
};

/// Runs a part and checks its answers: those in `refused` must contain the text, all others must be
/// `ok`.
fn judge(part: &str, refused: &[(&str, &str)]) -> Result<Answers, Failed> {
    let answers = run(part)?;
    for (name, text) in &answers {
        match refused.iter().find(|(refused, _)| refused == name) {
            Some((_, expected)) => {
                assert!(text.contains(expected), "{part}, {name}: {text}\nexpected: {expected}")
            }
            None => assert_eq!(text, "ok", "{part}, {name}"),
        }
    }
    for (name, _) in refused {
        assert!(answers.contains_key(*name), "{part}: no answer `{name}` in {answers:#?}");
    }
    Ok(answers)
}

/// Makes later mounts and unmounts affect this process only.
pub(crate) fn own_mounts() -> Outcome {
    unshare(libc::CLONE_NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    Ok(())
}

fn command(words: &[&str]) -> Result<(), Failed> {
    let mut err = Vec::new();
    let args = ["eunomia"].iter().chain(words).map(OsString::from);
    match cli::run(args, &mut io::empty(), &mut Vec::new(), &mut err) {
        Exit::Done => Ok(()),
        _ => Err(String::from_utf8(err)?.into()),
    }
}

/// A kernel module, removed until this is dropped. `/modules` has its file.
struct Removed(&'static str);

impl Removed {
    fn new(module: &'static str) -> Result<Self, Failed> {
        let deadline = Instant::now() + Duration::from_secs(20);
        // The kernel releases network namespaces that used the module a moment after they have
        // ended.
        while !Command::new("rmmod").arg(module).output()?.status.success() {
            if Instant::now() > deadline {
                return Err(format!("module {module} stays in use").into());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(Self(module))
    }

    fn put_back(self) {
        drop(self);
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        let files = fs::read_dir("/modules").expect("cannot read /modules").flatten();
        let file = files
            .map(|file| file.path())
            .find(|file| file.to_string_lossy().ends_with(&format!("{}.ko", self.0)));
        let status = Command::new("insmod").arg(file.expect("the module has no file")).status();
        assert!(status.is_ok_and(|status| status.success()), "{}", self.0);
    }
}

pub(crate) fn missing_tc_modules_are_named() -> Outcome {
    let (filters, discipline) = (Removed::new("cls_bpf")?, Removed::new("sch_ingress")?);
    apart(move || {
        let skel = programs::open()?.load()?;
        let attach = || skel.progs()?.pass.attach_filter("lo", Direction::Ingress, Rank::default());
        let refused = |module: &str| {
            let text = attach().map(drop).unwrap_err().to_string();
            assert!(
                text.contains(&format!("hint: the kernel module `{module}` (CONFIG_NET_")),
                "{text}"
            );
            assert!(text.contains(&format!("`modprobe {module}`")), "{text}");
        };
        refused("sch_ingress");
        discipline.put_back();
        refused("cls_bpf");
        filters.put_back();
        drop(attach()?);
        Ok(())
    })
}

pub(crate) fn missing_kernel_btf_is_explained() -> Outcome {
    const TEXT: &str =
        "the kernel offers no BTF at /sys/kernel/btf/vmlinux: it needs CONFIG_DEBUG_INFO_BTF";
    const OF_LIBRARY: &str = "`open_for`, or the environment variable BTF_FILE_PATH";
    const OF_COMMAND: &str = "`--btf FILE`, or the environment variable BTF_FILE_PATH";
    let refused = ["typed", "dynamic", "the command"];
    let answers = judge("typeless", &refused.map(|name| (name, TEXT)))?;
    for (name, ways) in refused.into_iter().zip([OF_LIBRARY, OF_LIBRARY, OF_COMMAND]) {
        assert!(answers[name].contains(ways), "{}", answers[name]);
    }
    Ok(())
}

/// The part without kernel BTF. It then gets the BTF in a file.
pub(crate) fn typeless(_: &str) -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("kernel.btf");
    fs::copy("/sys/kernel/btf/vmlinux", &file)?;
    own_mounts()?;
    mount("none", "/sys/kernel/btf", "tmpfs", MountFlags::empty(), None)?;
    let text = file.to_str().ok_or("the path is not UTF-8")?;
    let dynamic = |btf: Option<&Path>| -> eunomia_runtime::Result<()> {
        drop(Skeleton::from_file(JSON)?.check()?.open(btf)?.load()?.attach()?);
        Ok(())
    };
    tried("typed", bootstrap::open().and_then(bootstrap::Open::load).map_err(Into::into));
    tried("dynamic", dynamic(None).map_err(Into::into));
    tried("the command", command(&["run", JSON, "-q", "-d", "50ms"]));
    tried("typed, given", (|| Ok(bootstrap::open_for(Some(&file))?.load()?.attach()?))());
    tried("dynamic, given", dynamic(Some(&file)).map_err(Into::into));
    tried("the command, given", command(&["run", JSON, "-q", "-d", "50ms", "--btf", text]));
    // SAFETY: this process has one thread.
    unsafe { std::env::set_var("BTF_FILE_PATH", &file) };
    tried(
        "typed, by the variable",
        (|| Ok(bootstrap::open_for(kernel_btf(None)?.as_deref())?.load()?.attach()?))(),
    );
    tried("the command, by the variable", command(&["run", JSON, "-q", "-d", "50ms"]));
    Ok(())
}

pub(crate) fn missing_file_systems_are_explained() -> Outcome {
    let pins = "no file system of type bpf is mounted at the usual places: `mount -t bpf -o mode=700 bpf /sys/fs/bpf` or `bpf::mount::bpffs()`";
    let groups = "no file system of type cgroup2 is mounted at the usual places: `mount -t cgroup2 cgroup2 /sys/fs/cgroup`";
    let tracing = "tracefs is not mounted; programs on tracepoints need it: `mount -t tracefs tracefs /sys/kernel/tracing`";
    judge(
        "unmounted",
        &[
            ("a pin", pins),
            ("a map's path", pins),
            ("a tracepoint", tracing),
            ("a tracepoint of the command", tracing),
            (
                "preflight",
                "warn tracefs: not mounted\n     programs on tracepoints need it: `mount -t tracefs tracefs /sys/kernel/tracing`",
            ),
            ("a cgroup", groups),
            ("a cgroup that is not there", groups),
            (
                "a pin elsewhere",
                "the path is not on a file system of type bpf; one is mounted at /sys/fs/bpf",
            ),
            ("a mount of a user", "lacks CAP_SYS_ADMIN (for mounting): run it as root"),
            (
                "a folder elsewhere",
                "the path is not on a file system of type cgroup2; one is mounted at /sys/fs/cgroup",
            ),
        ],
    )?;
    judge("unmounted-command", &[])?;
    judge("debugfs", &[])?;
    Ok(())
}

fn unmount_all() -> Outcome {
    own_mounts()?;
    for place in ["/sys/fs/bpf", "/sys/kernel/tracing", "/sys/fs/cgroup"] {
        unmount(place, UnmountFlags::DETACH)?;
    }
    Ok(())
}

/// The part without mounted file systems. It then mounts them.
pub(crate) fn unmounted(_: &str) -> Outcome {
    unmount_all()?;
    let pin = |path: &str| Ok(maps::open()?.load()?.object().map("array")?.pin(path)?);
    let with_path = |path: &str| {
        let mut open = maps::open()?;
        open.object().set_pin_path("hash", path)?;
        Ok(open.load()?)
    };
    let tracepoint = || Ok(bootstrap::open()?.load()?.attach()?);
    let cgroup = |path: &str| {
        let mut open = every::open()?;
        open.object().program("sysctl")?.set_autoload(true);
        let skel = open.load()?;
        Ok(skel.progs()?.sysctl.attach_to(path)?)
    };
    tried("a pin", pin("/sys/fs/bpf/eunomia"));
    tried("a map's path", with_path("/sys/fs/bpf/eunomia"));
    tried("a tracepoint", tracepoint());
    tried("a tracepoint of the command", command(&["run", JSON, "-q", "-d", "50ms"]));
    tried("a cgroup", cgroup("/sys/fs/cgroup"));
    tried("a cgroup that is not there", cgroup("/sys/fs/cgroup/eunomia"));
    answer("preflight", eunomia_runtime::preflight());
    // The second round must not mount anything again.
    for _ in 0..2 {
        assert_eq!(mount::bpffs()?, Path::new("/sys/fs/bpf"));
        assert_eq!(mount::tracefs()?, Path::new("/sys/kernel/tracing"));
        assert_eq!(mount::cgroup2()?, Path::new("/sys/fs/cgroup"));
    }
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    for kind in ["bpf", "tracefs", "cgroup2"] {
        assert_eq!(
            mounts.lines().filter(|line| line.split(' ').nth(2) == Some(kind)).count(),
            1,
            "{mounts}"
        );
    }
    // Otherwise other users take the names of pins.
    assert_eq!(fs::metadata("/sys/fs/bpf")?.mode() & 0o777, 0o700);
    tried("a pin, mounted", pin("/sys/fs/bpf/eunomia"));
    fs::remove_file("/sys/fs/bpf/eunomia")?;
    tried("a map's path, mounted", with_path("/sys/fs/bpf/eunomia"));
    tried("a tracepoint, mounted", tracepoint());
    tried("a cgroup, mounted", cgroup("/sys/fs/cgroup"));
    tried("a pin elsewhere", pin("/tmp/eunomia"));
    tried("a folder elsewhere", cgroup("/proc"));
    unmount("/sys/kernel/tracing", UnmountFlags::DETACH)?;
    become_user(CapabilitySet::BPF | CapabilitySet::PERFMON)?;
    tried("a mount of a user", mount::tracefs().map_err(Into::into));
    Ok(())
}

/// The part of `eunomia run --mount`.
pub(crate) fn unmounted_command(_: &str) -> Outcome {
    unmount_all()?;
    tried("run", command(&["run", JSON, "-q", "-d", "50ms", "--mount"]));
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let kinds: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    assert_eq!(
        ["bpf", "tracefs", "cgroup2"].map(|kind| kinds.contains(&kind)),
        [true, true, false],
        "{mounts}"
    );
    Ok(())
}

/// The part in which tracefs is only below debugfs, where the kernel mounts it on access.
pub(crate) fn below_debugfs(_: &str) -> Outcome {
    own_mounts()?;
    unmount("/sys/kernel/tracing", UnmountFlags::DETACH)?;
    mount("debugfs", "/sys/kernel/debug", "debugfs", MountFlags::empty(), None)?;
    assert_eq!(mount::tracefs()?, Path::new("/sys/kernel/debug/tracing"));
    tried("a tracepoint", (|| Ok(bootstrap::open()?.load()?.attach()?))());
    Ok(())
}

pub(crate) fn memlock_limit_is_explained() -> Outcome {
    const TEXT: &str = "before Linux 5.11 BPF memory counts against RLIMIT_MEMLOCK, which is 64 KiB here, and this process may not raise \
                        it: raise it beforehand with `ulimit -l unlimited`";
    let old = host::release()?.1 < (5, 11);
    let refused = [("a user", TEXT)];
    let answers = judge("memlock", if old { &refused } else { &[] })?;
    assert_eq!(answers.len(), 1);
    let answers = judge("memlock-of-root", &[])?;
    assert_eq!(answers.len(), 1);
    let answers = run("memlock 0")?;
    assert_eq!(
        answers["preflight"].contains("RLIMIT_MEMLOCK, which is 0 KiB here"),
        old,
        "{}",
        answers["preflight"]
    );
    assert_eq!(answers["preflight"].contains("FAIL"), old, "{}", answers["preflight"]);
    Ok(())
}

fn limit(bytes: u64) -> Outcome {
    Ok(setrlimit(Resource::Memlock, Rlimit { current: Some(bytes), maximum: Some(bytes) })?)
}

/// The part of a user who may use BPF but lock little memory.
pub(crate) fn memlock(bytes: &str) -> Outcome {
    limit(if bytes.is_empty() { 64 << 10 } else { bytes.parse()? })?;
    become_user(CapabilitySet::BPF | CapabilitySet::PERFMON)?;
    if bytes.is_empty() {
        tried("a user", bootstrap::open().and_then(bootstrap::Open::load).map_err(Into::into));
    } else {
        answer("preflight", eunomia_runtime::preflight());
    }
    Ok(())
}

/// The part of root, for which libbpf raises the limit.
pub(crate) fn memlock_of_root(_: &str) -> Outcome {
    limit(64 << 10)?;
    tried("root", bootstrap::open().and_then(bootstrap::Open::load).map_err(Into::into));
    Ok(())
}
