//! What users with some or all privileges may do, and the errors of the rest. Each case runs in a
//! process of its own, in a network namespace of its own.

use std::{fs, net::UdpSocket, os::fd::AsRawFd as _, path::PathBuf, process::Command};

use eunomia_runtime::bpf::{Functions, MapOfMaps, XdpMode, mount};
use eunomia_tests::built::{bootstrap, every, maps, streams};
use libtest_mimic::Failed;
use rustix::{
    fs::{Gid, Uid},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create,
        fsconfig_set_string, fsmount, fsopen, move_mount,
    },
    process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open},
    thread::{CapabilitySet, CapabilitySets},
};

use super::{
    Outcome,
    child::{self, Answers, Other, answer, tried, unshare},
    programs::PROBED,
};

/// The environment variable that names a cgroup of the test.
const CGROUP: &str = "EUNOMIA_LIVE_CGROUP";

/// The user `nobody`.
const USER: u32 = 65534;

const NAMES: [(&str, CapabilitySet); 5] = [
    ("CAP_BPF", CapabilitySet::BPF),
    ("CAP_PERFMON", CapabilitySet::PERFMON),
    ("CAP_NET_ADMIN", CapabilitySet::NET_ADMIN),
    ("CAP_DAC_READ_SEARCH", CapabilitySet::DAC_READ_SEARCH),
    ("CAP_SYS_ADMIN", CapabilitySet::SYS_ADMIN),
];

fn capabilities(names: &str) -> CapabilitySet {
    names.split_whitespace().fold(CapabilitySet::empty(), |set, name| {
        set | NAMES.iter().find(|(known, _)| *known == name).expect("unknown capability").1
    })
}

/// The part of a user with the named capabilities.
pub(crate) fn as_user(names: &str) -> Outcome {
    unshare(libc::CLONE_NEWNET)?;
    become_user(capabilities(names))?;
    everything()
}

/// The part of root without the named capabilities.
pub(crate) fn as_root_without(names: &str) -> Outcome {
    unshare(libc::CLONE_NEWNET)?;
    let mut sets = rustix::thread::capabilities(None)?;
    sets.effective = sets.effective.difference(capabilities(names));
    sets.permitted = sets.effective;
    rustix::thread::set_capabilities(None, sets)?;
    everything()
}

/// Makes this single-threaded process one of `nobody`, with the capabilities `keep`.
pub(crate) fn become_user(keep: CapabilitySet) -> Outcome {
    rustix::thread::set_keep_capabilities(true)?;
    rustix::thread::set_thread_groups(&[])?;
    let (user, group) = (Uid::from_raw(USER), Gid::from_raw(USER));
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() },
    )?;
    // Otherwise its own files below /proc belong to root.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?;
    Ok(())
}

/// Loads programs of `every`, without the map that needs more capabilities than they do.
fn load(programs: &[&str]) -> Result<every::Loaded, Failed> {
    let mut open = every::open()?;
    open.object().set_autocreate("sockets", false)?;
    programs.iter().try_for_each(|program| {
        open.object().program(program).map(|mut program| program.set_autoload(true))
    })?;
    Ok(open.load()?)
}

/// Tries one program or map of each kind and answers with the results.
fn everything() -> Outcome {
    let preflight = eunomia_runtime::preflight();
    answer("preflight", &preflight);
    answer("preflight: ok", preflight.ok());
    for check in &preflight.checks {
        answer(&format!("preflight: {}", check.what), if check.ok { "ok" } else { &check.todo });
    }
    tried("maps", load(&[]));
    tried("map of sockets", (|| Ok(every::open()?.load()?))());
    if let Some(skel) =
        tried("tracepoint", bootstrap::open().and_then(bootstrap::Open::load).map_err(Into::into))
    {
        tried("tracepoint, attached", skel.attach().map_err(Into::into));
    }
    if let Some(skel) = tried("raw_tracepoint", load(&["raw_tracepoint"])) {
        tried("raw_tracepoint, attached", (|| Ok(skel.progs()?.raw_tracepoint.attach()?))());
    }
    // The rings of a perf event array are perf events.
    tried("perf event array", streams::open().and_then(streams::Open::load).map_err(Into::into));
    if let Some(skel) = tried("uprobe", load(&["uprobe"])) {
        tried(
            "uprobe, attached",
            (|| Ok(skel.progs()?.uprobe.attach_to("/proc/self/exe", &PROBED, None, 0)?))(),
        );
    }
    if let Some(skel) = tried("socket", load(&["socket"])) {
        tried(
            "socket, attached",
            (|| Ok(skel.progs()?.socket.attach_to(UdpSocket::bind("127.0.0.1:0")?)?))(),
        );
    }
    if let Some(skel) = tried("xdp", load(&["xdp"])) {
        tried("xdp, attached", (|| Ok(skel.progs()?.xdp.attach_to(1, XdpMode::Generic)?))());
    }
    let cgroup = PathBuf::from(std::env::var_os(CGROUP).ok_or("no cgroup in the environment")?);
    if let Some(skel) = tried("cgroup_skb", load(&["cgroup_egress"])) {
        tried("cgroup_skb, attached", (|| Ok(skel.progs()?.cgroup_egress.attach_to(&cgroup)?))());
    }
    if let Some(skel) = tried("cgroup_sysctl", load(&["sysctl"])) {
        tried("cgroup_sysctl, attached", (|| Ok(skel.progs()?.sysctl.attach_to(&cgroup)?))());
    }
    if eunomia_vm::kernel().is_some() {
        in_a_machine()?;
    }
    tried(
        "numbers",
        (|| {
            let mut open = maps::open()?;
            open.object().set_autocreate("sockets", false)?;
            for program in open.object().programs() {
                open.object().program(&program)?.set_autoload(false);
            }
            let skel = open.load()?;
            Ok(skel.object().typed_map::<MapOfMaps<'_, u32>>("outer")?.get(&1)?.map(drop))
        })(),
    );
    Ok(())
}

/// Tries programs that many machines forbid to all users.
fn in_a_machine() -> Outcome {
    if let Some(skel) = tried("fentry", load(&["fentry"])) {
        tried("fentry, attached", (|| Ok(skel.progs()?.fentry.attach()?))());
    }
    if let Some(skel) = tried("kprobe", load(&["kprobe"])) {
        tried("kprobe, attached", (|| Ok(skel.progs()?.kprobe.attach()?))());
    }
    let functions = Functions::Named(&[("eunomia_live_probed", 0)]);
    if let Some(skel) = tried("uprobe_multi", load(&["uprobe_multi"])) {
        tried(
            "uprobe_multi, attached",
            (|| Ok(skel.progs()?.uprobe_multi.attach_to("/proc/self/exe", functions, None)?))(),
        );
    }
    if let Some(skel) = tried("sk_lookup", load(&["sk_lookup"])) {
        tried(
            "sk_lookup, attached",
            (|| Ok(skel.progs()?.sk_lookup.attach_to(fs::File::open("/proc/self/ns/net")?)?))(),
        );
    }
    if let Some(skel) = tried("replaced", load(&["whole"])) {
        let place = (|| {
            let mut open = every::open()?;
            open.object().set_autocreate("sockets", false)?;
            let mut program = open.object().program("freplace")?;
            program.set_autoload(true);
            program
                .set_attach_target("replaceable", Some(skel.object().program("whole")?.fd()?))?;
            Ok(open.load()?)
        })();
        tried("freplace", place);
    }
    Ok(())
}

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

/// Starts a part with a cgroup, and removes the cgroup afterwards.
fn started(
    part: &str,
    f: impl FnOnce(Other) -> Result<Answers, Failed>,
) -> Result<Answers, Failed> {
    let cgroup = mount::cgroup2()?.join(format!("eunomia-privileges-{}", std::process::id()));
    fs::create_dir(&cgroup)?;
    let answers = Other::start(part, [(CGROUP, cgroup.as_os_str())]).and_then(f);
    fs::remove_dir(&cgroup)?;
    answers
}

/// The operations that are refused, each with a text that the error must contain. All others work.
type Refused<'a> = &'a [(&'a str, &'a str)];

/// Compares the answers of a process with the expected refusals and with its preflight.
fn judge(who: &str, answers: &Answers, refused: Refused<'_>) {
    let answer_to = |name: &str| {
        answers.get(name).unwrap_or_else(|| panic!("{who}: no answer `{name}` in {answers:#?}"))
    };
    for (name, text) in answers.iter().filter(|(name, _)| !name.starts_with("preflight")) {
        match refused.iter().find(|(refused, _)| refused == name) {
            Some((_, expected)) => {
                assert!(text.contains(expected), "{who}, {name}: {text}\nexpected: {expected}")
            }
            None => assert_eq!(text, "ok", "{who}, {name}"),
        }
    }
    let tried = refused
        .iter()
        .filter(|(name, _)| eunomia_vm::kernel().is_some() || !IN_MACHINES.contains(name));
    tried.for_each(|(name, _)| assert_ne!(answer_to(name), "ok", "{who}, {name}"));
    let ok = |name: &str| answer_to(name) == "ok";
    for (check, name) in [
        ("bpf(BPF_MAP_CREATE)", "maps"),
        ("bpf(BPF_PROG_LOAD)", "socket"),
        ("tracing programs", "tracepoint"),
        ("networking and cgroup programs", "xdp"),
    ] {
        let check = format!("preflight: {check}");
        assert_eq!(ok(&check), ok(name), "{who}, {name} and {}", answer_to("preflight"));
        // The error and the preflight name the same missing capability.
        if let (false, Some((_, hint))) = (ok(name), answer_to(name).split_once("\n  hint: ")) {
            assert_eq!(hint, answer_to(&check), "{who}, {name}");
        }
    }
    if let Some(attached) = answers.get("tracepoint, attached") {
        let both = ok("preflight: tracefs") && ok("preflight: perf events");
        assert_eq!(both, attached == "ok", "{who}, {attached} and {}", answer_to("preflight"));
    }
    assert_eq!(
        answer_to("preflight: ok") == "true",
        ok("maps") && ok("socket"),
        "{who}: {}",
        answer_to("preflight")
    );
    assert!(
        !answer_to("preflight").contains("FAIL") || answer_to("preflight: ok") == "false",
        "{who}: {}",
        answer_to("preflight")
    );
}

/// What [`in_a_machine`] tries, as far as it may be refused.
const IN_MACHINES: [&str; 8] = [
    "fentry",
    "kprobe",
    "kprobe, attached",
    "uprobe_multi",
    "uprobe_multi, attached",
    "sk_lookup",
    "replaced",
    "freplace",
];

fn setting(name: &str) -> Result<i32, Failed> {
    Ok(fs::read_to_string(format!("/proc/sys/kernel/{name}"))?.trim().parse()?)
}

/// The error if the user may not read the ids of tracepoints.
const CLOSED: &str =
    "this user may not read /sys/kernel/tracing, which holds the ids of tracepoints";
const NUMBERS: (&str, &str) = ("numbers", "lacks CAP_SYS_ADMIN (for opening maps by id)");
const UPROBE: (&str, &str) = (
    "uprobe, attached",
    "lacks CAP_SYS_ADMIN (for uprobes other than `uprobe.multi`): run it as root or, if it loads only its own programs, run `setcap",
);

/// The errors without CAP_NET_ADMIN.
const NO_NETWORK: [(&str, &str); 5] = [
    (
        "map of sockets",
        "lacks CAP_NET_ADMIN (for maps of type sockhash): run it as root or, if it loads only its own programs, run `setcap cap_bpf,cap_net_admin+ep`",
    ),
    (
        "xdp",
        "lacks CAP_NET_ADMIN (for programs of type xdp): run it as root or, if it loads only its own programs, run `setcap cap_bpf,cap_net_admin+ep`",
    ),
    ("cgroup_skb, attached", "lacks CAP_NET_ADMIN (for programs of type cgroup_skb)"),
    ("cgroup_sysctl", "lacks CAP_NET_ADMIN (for programs of type cgroup_sysctl)"),
    ("replaced", "lacks CAP_NET_ADMIN (for programs of type sched_cls)"),
];
const NO_TRACING: [(&str, &str); 7] = [
    ("perf event array", "lacks CAP_PERFMON (for programs of type"),
    (
        "tracepoint",
        "lacks CAP_PERFMON (for programs of type tracepoint): run it as root or, if it loads only its own programs, run `setcap cap_bpf,cap_perfmon+ep`",
    ),
    ("raw_tracepoint", "lacks CAP_PERFMON (for programs of type raw_tracepoint)"),
    ("uprobe", "lacks CAP_PERFMON (for programs of type kprobe)"),
    ("uprobe_multi", "lacks CAP_PERFMON (for programs of type kprobe)"),
    ("kprobe", "lacks CAP_PERFMON (for programs of type kprobe)"),
    ("fentry", "lacks CAP_PERFMON (for programs of type tracing)"),
];
const REPLACE: (&str, &str) =
    ("freplace", "lacks CAP_SYS_ADMIN (for finding the functions of another program)");

/// The error of kernels before 6.6, which lack uprobe.multi.
fn multi() -> Option<(&'static str, &'static str)> {
    let lacking = ("uprobe_multi, attached", "uprobe.multi came with Linux 6.6");
    eunomia_vm::kernel()
        .is_some_and(|kernel| ["5.10", "6.1"].contains(&kernel.as_str()))
        .then_some(lacking)
}

pub(crate) fn user_without_capabilities_is_told_what_is_missing() -> Outcome {
    if setting("unprivileged_bpf_disabled")? == 0 {
        return unprivileged_use(&started("user", Other::end)?);
    }
    let lacks = |ty: &str, names: &str| {
        let level = setting("unprivileged_bpf_disabled").unwrap_or_default();
        format!(
            "lacks CAP_BPF (kernel.unprivileged_bpf_disabled is {level}){names} (for programs of type {ty}): run it as root"
        )
    };
    let (tracing, network) = (" and CAP_PERFMON", " and CAP_NET_ADMIN");
    let alone = "lacks CAP_BPF (kernel.unprivileged_bpf_disabled is ";
    judge(
        "nobody",
        &started("user", Other::end)?,
        &[
            ("maps", alone),
            ("map of sockets", " and CAP_NET_ADMIN (for maps of type sockhash)"),
            ("tracepoint", &lacks("tracepoint", tracing)),
            ("raw_tracepoint", &lacks("raw_tracepoint", tracing)),
            ("uprobe", &lacks("kprobe", tracing)),
            ("socket", alone),
            ("xdp", &lacks("xdp", network)),
            ("cgroup_skb", &lacks("cgroup_skb", network)),
            ("cgroup_sysctl", &lacks("cgroup_sysctl", network)),
            ("numbers", alone),
            ("sk_lookup", alone),
            ("perf event array", " and CAP_PERFMON (for programs of type"),
            ("uprobe_multi", &lacks("kprobe", tracing)),
            ("kprobe", &lacks("kprobe", tracing)),
            ("fentry", &lacks("tracing", tracing)),
            ("replaced", &lacks("sched_cls", network)),
        ],
    );
    Ok(())
}

/// Checks the answers of a user on a kernel that permits unprivileged BPF.
fn unprivileged_use(answers: &Answers) -> Outcome {
    let lacks = |name: &str, text: &str| {
        let found = answers.get(name).map_or("", String::as_str);
        assert!(found.contains(text), "{name}: {found}");
    };
    lacks("preflight: ok", "true");
    lacks("preflight: bpf(BPF_PROG_LOAD)", "ok");
    lacks(
        "xdp",
        "lacks CAP_BPF (without it the kernel permits socket filters at most) and CAP_NET_ADMIN",
    );
    lacks("raw_tracepoint", "and CAP_PERFMON (for programs of type raw_tracepoint)");
    Ok(())
}

pub(crate) fn user_with_some_capabilities_is_told_what_is_missing() -> Outcome {
    let multi = multi();
    let own = [UPROBE, NUMBERS].into_iter().chain(multi).chain(perf_events()?).collect::<Vec<_>>();
    let closed = [("tracepoint, attached", CLOSED)];
    judge(
        "CAP_BPF",
        &started("user CAP_BPF", Other::end)?,
        &[&NO_NETWORK[..], &NO_TRACING, &[NUMBERS]].concat(),
    );
    judge(
        "CAP_BPF, CAP_PERFMON",
        &started("user CAP_BPF CAP_PERFMON", Other::end)?,
        &[&NO_NETWORK[..], &closed, &own].concat(),
    );
    let answers = started("user CAP_BPF CAP_PERFMON CAP_NET_ADMIN", Other::end)?;
    judge("all three", &answers, &[&closed[..], &[REPLACE], &own].concat());
    // Before Linux 6.9, CAP_SYS_ADMIN does not imply CAP_NET_ADMIN everywhere.
    let answers = started("user CAP_SYS_ADMIN", Other::end)?;
    let of_network = NO_NETWORK.into_iter().filter(|(name, _)| {
        ["map of sockets", "cgroup_skb, attached"].contains(name) && multi.is_some()
    });
    judge(
        "CAP_SYS_ADMIN",
        &answers,
        &closed.into_iter().chain(of_network).chain(multi).collect::<Vec<_>>(),
    );
    Ok(())
}

/// The operations that need perf events, if the kernel opens these only with CAP_SYS_ADMIN.
fn perf_events() -> Result<Vec<(&'static str, &'static str)>, Failed> {
    let paranoid = setting("perf_event_paranoid")? > 2;
    let all = ["kprobe, attached", "perf event array", "tracepoint, attached"];
    let all = all.map(|name| {
        (name, "kernels of some distributions (Debian, Ubuntu) then reserve perf events")
    });
    Ok(all.into_iter().filter(|_| paranoid).collect())
}

pub(crate) fn dac_read_search_opens_tracefs() -> Outcome {
    let own = [UPROBE, NUMBERS].into_iter().chain(multi());
    let own = own.chain(perf_events()?).collect::<Vec<_>>();
    let answers = started("user CAP_BPF CAP_PERFMON CAP_DAC_READ_SEARCH", Other::end)?;
    judge("CAP_DAC_READ_SEARCH", &answers, &[&NO_NETWORK[..], &own].concat());
    Ok(())
}

pub(crate) fn root_without_sys_admin_is_told_what_is_missing() -> Outcome {
    let own = [UPROBE, NUMBERS, REPLACE].into_iter().chain(multi());
    let own = own.chain(perf_events()?).collect::<Vec<_>>();
    judge("root", &started("root-without CAP_SYS_ADMIN", Other::end)?, &own);
    Ok(())
}

/// The settings that the errors advise help.
pub(crate) fn advised_settings_permit_users() -> Outcome {
    fn set(name: &str, value: i32) -> Outcome {
        Ok(fs::write(format!("/proc/sys/kernel/{name}"), value.to_string())?)
    }
    fn tracing(options: &str) -> Outcome {
        let status = Command::new("mount").args(["-o", options, "/sys/kernel/tracing"]).status()?;
        if status.success() { Ok(()) } else { Err(format!("mount -o {options}: {status}").into()) }
    }
    let names = ["unprivileged_bpf_disabled", "perf_event_paranoid"];
    let before = [setting(names[0])?, setting(names[1])?];
    set(names[0], 0)?;
    set(names[1], 2)?;
    tracing(&format!("remount,mode=750,gid={USER}"))?;
    let user = started("user", Other::end)?;
    let some = started("user CAP_BPF CAP_PERFMON", Other::end)?;
    tracing("remount,mode=700,gid=0")?;
    set(names[0], before[0])?;
    set(names[1], before[1])?;
    unprivileged_use(&user)?;
    let own = [UPROBE, NUMBERS].into_iter().chain(multi()).collect::<Vec<_>>();
    judge("CAP_BPF, CAP_PERFMON", &some, &[&NO_NETWORK[..], &own].concat());
    Ok(())
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

/// The lockdown lasts until the machine ends, so this is the last of all tests.
pub(crate) fn lockdown_is_explained() -> Outcome {
    fs::write("/sys/kernel/security/lockdown", "confidentiality")?;
    let answers = Other::start("locked", [])?.end()?;
    const TEXT: &str =
        "hint: this process has the capabilities, but the kernel is locked down (confidentiality)";
    for (name, text) in &answers {
        match name.as_str() {
            "preflight" => {
                assert!(text.contains("warn kernel lockdown: confidentiality"), "{text}")
            }
            // The programs need a helper that reads kernel memory, which lockdown forbids.
            "bootstrap" => {
                assert!(text.contains("bpf_probe_read") && text.contains(TEXT), "{text}")
            }
            "kprobe, attached" => assert!(text.contains(TEXT), "{name}: {text}"),
            _ => assert_eq!(text, "ok", "{name}"),
        }
    }
    Ok(())
}

/// The part of root on a locked-down kernel.
pub(crate) fn locked(_: &str) -> Outcome {
    answer("preflight", eunomia_runtime::preflight());
    tried("socket", load(&["socket"]));
    if let Some(skel) = tried("tracepoint", load(&["tracepoint"])) {
        tried("tracepoint, attached", (|| Ok(skel.progs()?.tracepoint.attach()?))());
    }
    tried("bootstrap", bootstrap::open().and_then(bootstrap::Open::load).map_err(Into::into));
    if let Some(skel) = tried("kprobe", load(&["kprobe"])) {
        tried("kprobe, attached", (|| Ok(skel.progs()?.kprobe.attach()?))());
    }
    if let Some(skel) = tried("fentry", load(&["fentry"])) {
        tried("fentry, attached", (|| Ok(skel.progs()?.fentry.attach()?))());
    }
    Ok(())
}
