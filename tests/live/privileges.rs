//! What users with some or all privileges may do, and the errors of the rest. Each case runs in a
//! process of its own, in a network namespace of its own.

use std::{fs, net::UdpSocket, path::PathBuf, process::Command};

use eunomia_runtime::bpf::{Functions, MapOfMaps, XdpMode, mount};
use eunomia_tests::built::{bootstrap, every, maps, streams};
use libtest_mimic::Failed;
use rustix::{
    fs::{Gid, Uid},
    thread::{CapabilitySet, CapabilitySets},
};

use super::{
    Outcome,
    allowed::{
        CLOSED, NO_NETWORK, NO_TRACING, NUMBERS, REPLACE, UPROBE, judge, multi, perf_events,
    },
    child::{Answers, Other, answer, tried, unshare},
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
pub(crate) fn load(programs: &[&str]) -> Result<every::Loaded, Failed> {
    let mut open = every::open()?;
    open.object().set_autocreate("sockets", false)?;
    programs.iter().try_for_each(|program| {
        open.object().program(program).map(|mut program| program.set_autoload(true))
    })?;
    Ok(open.load()?)
}

/// Tries one program or map of each kind and answers with the results.
pub(crate) fn everything() -> Outcome {
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

/// Starts a part with a cgroup, and removes the cgroup afterwards.
pub(crate) fn started(
    part: &str,
    f: impl FnOnce(Other) -> Result<Answers, Failed>,
) -> Result<Answers, Failed> {
    let cgroup = mount::cgroup2()?.join(format!("eunomia-privileges-{}", std::process::id()));
    fs::create_dir(&cgroup)?;
    let answers = Other::start(part, [(CGROUP, cgroup.as_os_str())]).and_then(f);
    fs::remove_dir(&cgroup)?;
    answers
}

pub(crate) fn setting(name: &str) -> Result<i32, Failed> {
    Ok(fs::read_to_string(format!("/proc/sys/kernel/{name}"))?.trim().parse()?)
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
