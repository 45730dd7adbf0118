//! Program types by section: `section_defs` and `find_sec_def` of libbpf 1.7.

use std::{collections::HashMap, fmt};

use super::{Checked, Subject};
use crate::{
    error::{Diagnostic, Found},
    skeleton::model::TYPE,
    suggestion::near,
};

/// Section names that must match exactly.
const EXACT: &[&str] = &[
    "socket",
    "sk_reuseport/migrate",
    "sk_reuseport",
    "tc/ingress",
    "tc/egress",
    "tcx/ingress",
    "tcx/egress",
    "tc",
    "classifier",
    "action",
    "netkit/primary",
    "netkit/peer",
    "syscall",
    "xdp.frags/devmap",
    "xdp/devmap",
    "xdp.frags/cpumap",
    "xdp/cpumap",
    "xdp.frags",
    "xdp",
    "perf_event",
    "lwt_in",
    "lwt_out",
    "lwt_xmit",
    "lwt_seg6local",
    "sockops",
    "sk_skb/stream_parser",
    "sk_skb/stream_verdict",
    "sk_skb/verdict",
    "sk_skb",
    "sk_msg",
    "lirc_mode2",
    "flow_dissector",
    "cgroup_skb/ingress",
    "cgroup_skb/egress",
    "cgroup/skb",
    "cgroup/sock_create",
    "cgroup/sock_release",
    "cgroup/sock",
    "cgroup/post_bind4",
    "cgroup/post_bind6",
    "cgroup/bind4",
    "cgroup/bind6",
    "cgroup/connect4",
    "cgroup/connect6",
    "cgroup/connect_unix",
    "cgroup/sendmsg4",
    "cgroup/sendmsg6",
    "cgroup/sendmsg_unix",
    "cgroup/recvmsg4",
    "cgroup/recvmsg6",
    "cgroup/recvmsg_unix",
    "cgroup/getpeername4",
    "cgroup/getpeername6",
    "cgroup/getpeername_unix",
    "cgroup/getsockname4",
    "cgroup/getsockname6",
    "cgroup/getsockname_unix",
    "cgroup/sysctl",
    "cgroup/getsockopt",
    "cgroup/setsockopt",
    "cgroup/dev",
    "sk_lookup",
    "netfilter",
];

/// Section names that stand alone or are followed by a slash and a target.
const WITH_TARGET: &[&str] = &[
    "kprobe",
    "uprobe",
    "uprobe.s",
    "kretprobe",
    "uretprobe",
    "uretprobe.s",
    "kprobe.multi",
    "kretprobe.multi",
    "kprobe.session",
    "uprobe.multi",
    "uretprobe.multi",
    "uprobe.session",
    "uprobe.multi.s",
    "uretprobe.multi.s",
    "uprobe.session.s",
    "ksyscall",
    "kretsyscall",
    "usdt",
    "usdt.s",
    "tracepoint",
    "tp",
    "raw_tracepoint",
    "raw_tp",
    "raw_tracepoint.w",
    "raw_tp.w",
    "tp_btf",
    "fentry",
    "fmod_ret",
    "fexit",
    "fentry.s",
    "fmod_ret.s",
    "fexit.s",
    "fsession",
    "fsession.s",
    "freplace",
    "lsm",
    "lsm.s",
    "lsm_cgroup",
    "iter",
    "iter.s",
    "struct_ops",
    "struct_ops.s",
];

/// Reports whether libbpf assigns a type to programs in the section.
pub(crate) fn is_typed(section: &str) -> bool {
    let head = section.split('/').next().unwrap_or(section);
    EXACT.contains(&section) || WITH_TARGET.contains(&head)
}

macro_rules! families {
    ($($name:ident $text:literal,)*) => {
        /// A program type of the kernel; XDP programs that support fragments are one of their own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Family {
            $($name,)*
        }

        impl fmt::Display for Family {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                })
            }
        }
    };
}

families! {
    SocketFilter "socket_filter",
    SkReuseport "sk_reuseport",
    Kprobe "kprobe",
    SchedCls "sched_cls",
    SchedAct "sched_act",
    Tracepoint "tracepoint",
    RawTracepoint "raw_tracepoint",
    RawTracepointWritable "raw_tracepoint_writable",
    Tracing "tracing",
    Lsm "lsm",
    StructOps "struct_ops",
    Syscall "syscall",
    Xdp "xdp",
    XdpFrags "xdp with fragments",
    PerfEvent "perf_event",
    LwtIn "lwt_in",
    LwtOut "lwt_out",
    LwtXmit "lwt_xmit",
    LwtSeg6local "lwt_seg6local",
    SockOps "sock_ops",
    SkSkb "sk_skb",
    SkMsg "sk_msg",
    LircMode2 "lirc_mode2",
    FlowDissector "flow_dissector",
    CgroupSkb "cgroup_skb",
    CgroupSock "cgroup_sock",
    CgroupSockAddr "cgroup_sock_addr",
    CgroupSysctl "cgroup_sysctl",
    CgroupSockopt "cgroup_sockopt",
    CgroupDevice "cgroup_device",
    SkLookup "sk_lookup",
    Netfilter "netfilter",
}

/// Returns the type of the programs in a section. `None` if the section has no type, and for
/// `freplace`: such a program is of the type of the program that it replaces.
pub(crate) fn family(section: &str) -> Option<Family> {
    if !is_typed(section) {
        return None;
    }
    let (head, rest) = section.split_once('/').unwrap_or((section, ""));
    Some(match head.strip_suffix(".s").unwrap_or(head) {
        "socket" => Family::SocketFilter,
        "sk_reuseport" => Family::SkReuseport,
        "tc" | "tcx" | "classifier" | "netkit" => Family::SchedCls,
        "action" => Family::SchedAct,
        "tracepoint" | "tp" => Family::Tracepoint,
        "raw_tracepoint" | "raw_tp" => Family::RawTracepoint,
        "raw_tracepoint.w" | "raw_tp.w" => Family::RawTracepointWritable,
        "tp_btf" | "fentry" | "fexit" | "fmod_ret" | "fsession" | "iter" => Family::Tracing,
        "lsm" | "lsm_cgroup" => Family::Lsm,
        "struct_ops" => Family::StructOps,
        "syscall" => Family::Syscall,
        "xdp" => Family::Xdp,
        "xdp.frags" => Family::XdpFrags,
        "perf_event" => Family::PerfEvent,
        "lwt_in" => Family::LwtIn,
        "lwt_out" => Family::LwtOut,
        "lwt_xmit" => Family::LwtXmit,
        "lwt_seg6local" => Family::LwtSeg6local,
        "sockops" => Family::SockOps,
        "sk_skb" => Family::SkSkb,
        "sk_msg" => Family::SkMsg,
        "lirc_mode2" => Family::LircMode2,
        "flow_dissector" => Family::FlowDissector,
        "cgroup_skb" => Family::CgroupSkb,
        "sk_lookup" => Family::SkLookup,
        "netfilter" => Family::Netfilter,
        "cgroup" => match rest {
            "skb" => Family::CgroupSkb,
            "sock" | "sock_create" | "sock_release" | "post_bind4" | "post_bind6" => {
                Family::CgroupSock
            }
            "sysctl" => Family::CgroupSysctl,
            "getsockopt" | "setsockopt" => Family::CgroupSockopt,
            "dev" => Family::CgroupDevice,
            _ => Family::CgroupSockAddr,
        },
        "freplace" => return None,
        // Functions of the kernel and of programs, and system calls.
        _ => Family::Kprobe,
    })
}

/// Checks program types. libbpf opens an object with a program that has no type, but does not load
/// it unless the caller sets a type.
pub(crate) fn check(subject: &Subject<'_>, diagnostics: &mut Found) {
    let checked = subject.checked;
    let types = checked.program_types();
    for program in &checked.skeleton.programs {
        let Some(section) = program.other.get(TYPE) else { continue };
        if !section.as_str().is_some_and(is_typed) {
            let place = subject.program(&program.name).key(TYPE);
            let near =
                section.as_str().and_then(similar).map(|near| format!("did you mean `{near}`?"));
            let todo = near.unwrap_or_else(|| {
                "use a section name of libbpf, for example \"xdp\" or \"tp/sched/sched_switch\""
                    .to_owned()
            });
            diagnostics.push(Diagnostic::new(
                place,
                format!("{section} does not name a program type"),
                todo,
            ));
        }
    }
    for (name, section) in &checked.programs {
        // Programs in a section with `?` are not loaded by default.
        if section.starts_with('?') || is_typed(section) || types.contains_key(name.as_str()) {
            continue;
        }
        let near = similar(section);
        let ty = near.unwrap_or("xdp");
        let hint = format!(
            "set its type with `Config::program(\"{name}\", \"{ty}\")`, `programs({name} = \"{ty}\")` of the macro or \
             `--program {name}={ty}`, or write SEC(\"?{section}\"), which is not loaded by default"
        );
        let todo = match near {
            Some(near) => format!("did you mean `{near}`? Otherwise, {hint}"),
            None => hint,
        };
        let what = format!(
            "program `{name}` is in section `{section}`, which has no program type, so it cannot be loaded"
        );
        diagnostics.push(Diagnostic::new(subject.program(name), what, todo));
    }
}

impl Checked {
    /// Returns the section names that the document or the application sets to define the type of a
    /// program (`type`), by program.
    #[doc(hidden)]
    pub fn program_types(&self) -> HashMap<&str, &str> {
        let types = self.skeleton.programs.iter().filter_map(|program| {
            Some((program.name.as_str(), program.other.get(TYPE)?.as_str()?))
        });
        types.collect()
    }
}

/// Returns the section name that was probably meant. It may be misspelled, or follow the convention
/// of another loader (`xdp_filter`, `classifier/ingress`, `tracepoint_x`).
fn similar(section: &str) -> Option<&'static str> {
    let known = || EXACT.iter().chain(WITH_TARGET).copied();
    let head = section.split('/').next().unwrap_or(section);
    if let Some(typed) = known().find(|known| *known == head) {
        return Some(match typed {
            // libbpf only knows its hooks under the short name.
            "classifier" => is_exact(&section.replacen("classifier", "tc", 1)).unwrap_or("tc"),
            _ => near(section, known()).unwrap_or(typed),
        });
    }
    let is_prefix = |known: &&str| {
        section
            .strip_prefix(known)
            .is_some_and(|rest| rest.starts_with(|c: char| !c.is_ascii_alphanumeric()))
    };
    near(section, known())
        .or_else(|| near(head, WITH_TARGET.iter().copied()))
        .or_else(|| known().filter(is_prefix).max_by_key(|known| known.len()))
}

fn is_exact(section: &str) -> Option<&'static str> {
    EXACT.iter().copied().find(|known| *known == section)
}

#[cfg(all(test, feature = "load"))]
mod tests {
    use std::{collections::BTreeMap, ffi::CString};

    use super::*;

    /// Each type is one of libbpf's, and each of libbpf's is one type, except for fragments.
    #[test]
    fn types_are_those_of_libbpf() {
        let targets = WITH_TARGET.iter().map(|section| format!("{section}/x"));
        let mut types = BTreeMap::<u32, Option<Family>>::new();
        let mut families = BTreeMap::<Family, u32>::new();
        for section in EXACT.iter().map(|section| (*section).to_owned()).chain(targets) {
            let name = CString::new(section.as_str()).unwrap();
            let (mut ty, mut attach) = (0, 0);
            // SAFETY: the name ends with a NUL, and both numbers are written before the call ends.
            let found = unsafe {
                libbpf_rs::libbpf_sys::libbpf_prog_type_by_name(name.as_ptr(), &mut ty, &mut attach)
            };
            assert_eq!(found, 0, "{section}");
            let family = family(&section);
            let merged = family.map(|of| if of == Family::XdpFrags { Family::Xdp } else { of });
            assert_eq!(*types.entry(ty).or_insert(merged), merged, "{section}");
            if let Some(family) = family {
                assert_eq!(*families.entry(family).or_insert(ty), ty, "{section}");
            }
        }
    }
}
