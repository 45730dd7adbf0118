//! Programs that are attached by hand, one test for each target. Every program counts its runs.
//! Interfaces are in a network namespace of the test, sockets and cgroups belong to the test, and
//! programs on hooks of the whole machine filter by process.

use std::{
    fs,
    io::{ErrorKind, Read as _},
    process::{Command, Stdio},
};

use eunomia_runtime::bpf::{Direction, Functions, Rank};
use eunomia_tests::built::hooks;

use super::{
    Outcome, errno,
    host::{apart, cgroups},
    needs::Machine,
    sockets::pair,
};

/// Returns the number of runs since the last call.
pub(crate) fn runs(skel: &hooks::Loaded) -> Result<u64, eunomia_runtime::Error> {
    let bss = skel.bss()?;
    let runs = bss.runs.get()?;
    bss.runs.set(0)?;
    Ok(runs)
}

/// A cgroup of the test, removed when dropped.
pub(crate) struct Group(pub(crate) String);

impl Group {
    pub(crate) fn new(name: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let folder = format!("{}/eunomia-{name}-{}", cgroups()?.display(), std::process::id());
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    /// Reads `/proc/sys/kernel/ostype` from a process in the cgroup.
    pub(crate) fn reads(&self) -> Result<String, std::io::Error> {
        let script = "echo $$ > \"$0/cgroup.procs\" && exec cat /proc/sys/kernel/ostype";
        Command::new("sh")
            .args(["-c", script, &self.0])
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel releases a process a moment after it has ended.
        while fs::remove_dir(&self.0).is_err_and(|error| error.kind() == ErrorKind::ResourceBusy) {}
    }
}

pub(crate) fn cgroup_program_sees_processes() -> Outcome {
    let (group, skel) = (Group::new("processes")?, hooks::open()?.load()?);
    let link = skel.progs()?.read_sysctl.attach_to(&group.0)?;
    assert_eq!(group.reads()?, "Linux\n");
    assert!(runs(&skel)? > 0);
    drop(link);
    assert_eq!(group.reads()?, "Linux\n");
    assert_eq!(runs(&skel)?, 0);
    let missing = skel.progs()?.read_sysctl.attach_to("/none").unwrap_err();
    assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
    let other = skel.progs()?.read_sysctl.attach_to("/proc").unwrap_err();
    assert_eq!(errno(&other), Some(libc::EBADF), "{other}");
    Ok(())
}

pub(crate) fn tc_filters_attach_and_detach() -> Outcome {
    apart(|| {
        let skel = hooks::open()?.load()?;
        let program = skel.progs()?.classify;
        let rank = Rank { handle: 1, priority: 5 };
        let first = program.attach_filter("lo", Direction::Egress, rank)?;
        let second = program.attach_filter("lo", Direction::Ingress, Rank::default())?;
        let twice = program.attach_filter("lo", Direction::Egress, rank).unwrap_err();
        assert_eq!(errno(&twice), Some(libc::EEXIST), "{twice}");
        let (from, to) = pair()?;
        from.send(b"both")?;
        to.recv(&mut [0; 8])?;
        assert_eq!(runs(&skel)?, 2);
        drop(first);
        from.send(b"one")?;
        to.recv(&mut [0; 8])?;
        assert_eq!(runs(&skel)?, 1);

        // If another filter has taken the place, dropping the link leaves it there.
        let other = hooks::open()?.load()?;
        let link = program.attach_filter("lo", Direction::Egress, rank)?;
        remove_filters_of_lo()?;
        let theirs = other.progs()?.classify.attach_filter("lo", Direction::Egress, rank)?;
        drop((link, second));
        from.send(b"theirs")?;
        to.recv(&mut [0; 8])?;
        assert_eq!((runs(&skel)?, runs(&other)?), (0, 1));
        drop(theirs);
        Ok(())
    })
}

/// Removes all filters of `lo` by removing the qdisc that holds them.
pub(crate) fn remove_filters_of_lo() -> Outcome {
    let hook = libbpf_rs::libbpf_sys::bpf_tc_hook {
        sz: size_of::<libbpf_rs::libbpf_sys::bpf_tc_hook>() as _,
        ifindex: 1,
        attach_point: libbpf_rs::libbpf_sys::BPF_TC_INGRESS | libbpf_rs::libbpf_sys::BPF_TC_EGRESS,
        ..Default::default()
    };
    // SAFETY: the hook outlives the call.
    let removed =
        unsafe { libbpf_rs::libbpf_sys::bpf_tc_hook_destroy((&raw const hook).cast_mut()) };
    if removed == 0 { Ok(()) } else { Err(std::io::Error::from_raw_os_error(-removed).into()) }
}

/// Attaches with tcx, or as a filter if the kernel lacks tcx; the behaviour is the same.
pub(crate) fn tc_program_sees_packets() -> Outcome {
    apart(|| {
        let skel = hooks::open()?.load()?;
        let link = skel.progs()?.classify.attach_to("lo", Direction::Egress)?;
        let (from, to) = pair()?;
        from.send(b"seen")?;
        to.recv(&mut [0; 8])?;
        assert_eq!(runs(&skel)?, 1);
        drop(link);
        from.send(b"not seen")?;
        assert_eq!(runs(&skel)?, 0);
        Ok(())
    })
}

pub(crate) fn tracepoints_attach_by_name() -> Outcome {
    let skel = hooks::open()?.load()?;
    let progs = skel.progs()?;
    let links = [
        progs.on_exec.attach_to("sched", "sched_process_exec", 0)?,
        progs.on_raw_exec.attach_to("sched_process_exec", 0)?,
    ];
    // The program runs for the child, which waits until its pid is set.
    let ran = || -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        let mut child = Command::new("sh");
        let mut child = child
            .args(["-c", "echo; read line; exec /bin/sh -c :"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        child.stdout.take().ok_or("no output")?.read_exact(&mut [0])?;
        skel.bss()?.wanted_tgid.set(child.id().cast_signed())?;
        drop(child.stdin.take());
        child.wait()?;
        Ok(runs(&skel)?)
    };
    assert_eq!(ran()?, 2);
    drop(links);
    assert_eq!(ran()?, 0);
    match progs.on_raw_exec.attach_to("sched_process_exec", 5) {
        Err(refused) if Machine::this().is_before(6, 10) => {
            assert!(
                refused
                    .to_string()
                    .contains("hint: cookies of raw tracepoints came with Linux 6.10, this is "),
                "{refused}"
            );
        }
        link => drop(link?),
    }
    let missing = progs.on_exec.attach_to("sched", "none", 0).unwrap_err();
    assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
    let missing = progs.on_raw_exec.attach_to("none", 0).unwrap_err();
    assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
    Ok(())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eunomia_live_many_a(number: u64) -> u64 {
    std::hint::black_box(number)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eunomia_live_many_b(number: u64) -> u64 {
    std::hint::black_box(number) + 1
}

pub(crate) fn uprobe_multi_counts_calls() -> Outcome {
    let mut open = hooks::open()?;
    open.progs()?.on_calls.set_autoload(true);
    open.bss()?.wanted_tgid.set(std::process::id().cast_signed())?;
    let skel = open.load()?;
    let program = skel.progs()?.on_calls;
    let call = || (eunomia_live_many_a(0), eunomia_live_many_b(0), eunomia_live_many_b(0));
    let named = [("eunomia_live_many_a", 100), ("eunomia_live_many_b", 1)];
    let link =
        program.attach_to("/proc/self/exe", Functions::Named(&named), Some(std::process::id()))?;
    call();
    assert_eq!((runs(&skel)?, skel.bss()?.cookies.get()?), (3, 102));
    drop(link);
    let link =
        program.attach_to("/proc/self/exe", Functions::Matching("eunomia_live_many_?"), None)?;
    call();
    assert_eq!(runs(&skel)?, 3);
    drop(link);
    call();
    assert_eq!(runs(&skel)?, 0);
    let none = program
        .attach_to("/proc/self/exe", Functions::Matching("eunomia_none_*"), None)
        .unwrap_err();
    assert_eq!(errno(&none), Some(libc::ENOENT), "{none}");
    Ok(())
}

pub(crate) fn map_iterator_lists_entries() -> Outcome {
    let mut open = hooks::open()?;
    open.progs()?.list.set_autoload(true);
    let skel = open.load()?;
    let (maps, progs) = (skel.maps()?, skel.progs()?);
    let mut text = String::new();
    progs.list.walk_map(maps.table.as_map())?.read_to_string(&mut text)?;
    assert_eq!(text, "");
    for key in 1..=3 {
        maps.table.insert(&key, &(i64::from(key) * 10))?;
    }
    progs.list.walk_map(maps.table.as_map())?.read_to_string(&mut text)?;
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["1: 10", "2: 20", "3: 30"]);
    let wrong = progs.list.walk_map(maps.sockets.as_map()).map(drop).unwrap_err();
    assert!(
        wrong
            .to_string()
            .starts_with("attach the program `list` to the entries of the map `sockets`: "),
        "{wrong}"
    );
    Ok(())
}

pub(crate) fn syscall_program_is_run_not_attached() -> Outcome {
    let mut open = hooks::open()?;
    open.progs()?.called.set_autoload(true);
    let skel = open.load()?;
    assert_eq!(skel.progs()?.called.test_run(None, None)?.return_value, 42);
    assert_eq!(runs(&skel)?, 1);
    // Attaching everything skips such programs.
    assert!(!skel.object().links_each().iter().any(|(name, _)| name == "called"));
    Ok(())
}
