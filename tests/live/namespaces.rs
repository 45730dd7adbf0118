//! What processes in user namespaces may do, with a BPF token and without.

use std::{fs, os::fd::AsRawFd as _};

use libtest_mimic::Failed;
use rustix::{
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create,
        fsconfig_set_string, fsmount, fsopen, move_mount,
    },
    process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open},
};

use super::{
    Outcome,
    allowed::judge,
    child::{self, Answers, Other, answer, tried, unshare},
    privileges::{everything, load, started},
};

/// The part of a process in its own user, mount and network namespaces. If `delegated` is not
/// empty, the process mounts a BPF file system on `/sys/fs/bpf`, which its parent makes delegate
/// BPF.
pub(crate) fn in_user_namespace(delegated: &str) -> Outcome {
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWNET)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {} 1", user.as_raw()))?;
    fs::write("/proc/self/gid_map", format!("0 {} 1", group.as_raw()))?;
    if !delegated.is_empty() {
        // The BPF file system must be opened in this namespace, and configured by a process
        // outside.
        let context = fsopen("bpf", FsOpenFlags::empty())?;
        answer("context", context.as_raw_fd());
        child::wait()?;
        let mounted = fsmount(&context, FsMountFlags::empty(), MountAttrFlags::empty())?;
        move_mount(
            &mounted,
            "",
            rustix::fs::CWD,
            "/sys/fs/bpf",
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )?;
    }
    everything()
}

/// Configures the BPF file system of another process to delegate what it may, and returns its
/// answers.
fn delegate(mut other: Other, progs: &str) -> Result<Answers, Failed> {
    let Some((name, fd)) = other.next()? else { return other.end() };
    assert_eq!(name, "context");
    let process =
        pidfd_open(Pid::from_raw(other.id().cast_signed()).ok_or("no pid")?, PidfdFlags::empty())?;
    let context = pidfd_getfd(process, fd.parse()?, PidfdGetfdFlags::empty())?;
    for (key, value) in [
        ("delegate_cmds", "any"),
        ("delegate_maps", "any"),
        ("delegate_progs", progs),
        ("delegate_attachs", "any"),
    ] {
        fsconfig_set_string(&context, key, value)?;
    }
    fsconfig_create(&context)?;
    other.go_on()?;
    other.end()
}

pub(crate) fn user_namespace_refusals_are_explained() -> Outcome {
    const TEXT: &str = "the capabilities of this process are valid only in its user namespace, and BPF requires them in the initial one";
    let all = [
        "maps",
        "map of sockets",
        "tracepoint",
        "raw_tracepoint",
        "uprobe",
        "socket",
        "xdp",
        "cgroup_skb",
        "cgroup_sysctl",
        "numbers",
    ];
    let more = ["uprobe_multi", "kprobe", "fentry", "replaced", "sk_lookup", "perf event array"];
    let answers = started("namespace", Other::end)?;
    judge(
        "a namespace",
        &answers,
        &all.into_iter().chain(more).map(|name| (name, TEXT)).collect::<Vec<_>>(),
    );
    assert_eq!(answers.get("preflight: BPF token"), None);
    Ok(())
}

pub(crate) fn token_delegates_bpf() -> Outcome {
    const TEXT: &str = "this process is in a user namespace, and the BPF token of /sys/fs/bpf does not permit this";
    let answers = started("namespace with a token", |other| delegate(other, "any"))?;
    let refused = [
        "tracepoint, attached",
        "uprobe, attached",
        "kprobe, attached",
        "numbers",
        "freplace",
        "perf event array",
    ];
    judge("a token", &answers, &refused.map(|name| (name, TEXT)));
    for check in ["capabilities", "BPF token"] {
        assert_eq!(
            answers.get(&format!("preflight: {check}")).map(String::as_str),
            Some("ok"),
            "{answers:#?}"
        );
    }
    // Bit 1 (0x2) permits programs of type socket_filter only.
    let answers = started("namespace with less", |other| delegate(other, "0x2"))?;
    let all =
        ["tracepoint", "raw_tracepoint", "uprobe", "xdp", "cgroup_skb", "cgroup_sysctl", "numbers"];
    let more = ["uprobe_multi", "kprobe", "fentry", "replaced", "sk_lookup", "perf event array"];
    judge(
        "a token of less",
        &answers,
        &all.into_iter().chain(more).map(|name| (name, TEXT)).collect::<Vec<_>>(),
    );
    Ok(())
}

/// If the environment names a place for tokens, libbpf must use it.
pub(crate) fn wrong_token_path_is_explained() -> Outcome {
    let answers =
        Other::start("tokenless", [("LIBBPF_BPF_TOKEN_PATH", "/proc".as_ref())])?.end()?;
    let found = answers.get("maps").ok_or("no answer `maps`")?;
    assert!(found.contains("LIBBPF_BPF_TOKEN_PATH must name a bpffs that delegates"), "{found}");
    Ok(())
}

/// The part of a process whose environment names a place for tokens.
pub(crate) fn tokenless(_: &str) -> Outcome {
    tried("maps", load(&[]));
    Ok(())
}
