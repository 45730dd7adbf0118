//! Types of programs by their sections: `section_defs` and `find_sec_def` of libbpf 1.7.

use std::collections::HashMap;

use super::{Checked, Subject};
use crate::{
    fault::{Fault, Found},
    skeleton::model::TYPE,
    suggestion::near,
};

/// The sections that have a type as they are.
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

/// Those that have it alone or with a target behind a slash.
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

/// Whether libbpf gives programs of the section a type.
pub(crate) fn is_typed(section: &str) -> bool {
    let head = section.split('/').next().unwrap_or(section);
    EXACT.contains(&section) || WITH_TARGET.contains(&head)
}

/// libbpf opens an object with a program that has no type, and does not load it unless somebody gives it one.
pub(crate) fn check(subject: &Subject<'_>, faults: &mut Found) {
    let checked = subject.checked;
    let said = checked.program_types();
    for program in &checked.skeleton.programs {
        let Some(said) = program.other.get(TYPE) else { continue };
        if !said.as_str().is_some_and(is_typed) {
            let place = subject.program(&program.name).key(TYPE);
            let near = said.as_str().and_then(meant).map(|near| format!("did you mean `{near}`?"));
            let todo = near.unwrap_or_else(|| "name a section of libbpf, \"xdp\" or \"tp/sched/sched_switch\" for example".to_owned());
            faults.push(Fault::new(place, format!("{said} gives a program no type"), todo));
        }
    }
    for (name, section) in &checked.programs {
        // `?` is for programs that nobody loads unasked.
        if section.starts_with('?') || is_typed(section) || said.contains_key(name.as_str()) {
            continue;
        }
        let set = format!(
            "f its type is known, name it: `Config::program(\"{name}\", \"xdp\")`, `programs({name} = \"xdp\")` of \
             the macro, `--program {name}=xdp`, or SEC(\"?{section}\"), which is not loaded unasked"
        );
        let todo = meant(section).map_or_else(|| format!("i{set}"), |near| format!("did you mean `{near}`? I{set}"));
        let what = format!("the program `{name}` is in the section `{section}`, which has no program type, so that it cannot be loaded");
        faults.push(Fault::new(subject.program(name), what, todo));
    }
}

impl Checked {
    /// The programs for which the document or the application names a section that tells their type (`type`), and that section.
    pub fn program_types(&self) -> HashMap<&str, &str> {
        let said = self.skeleton.programs.iter().filter_map(|program| Some((program.name.as_str(), program.other.get(TYPE)?.as_str()?)));
        said.collect()
    }
}

/// The section that was meant: a slip of the hand, or a name as of other loaders (`xdp_filter`, `classifier/ingress`, `tracepoint_x`).
fn meant(section: &str) -> Option<&'static str> {
    let known = || EXACT.iter().chain(WITH_TARGET).copied();
    let head = section.split('/').next().unwrap_or(section);
    if let Some(typed) = known().find(|known| *known == head) {
        return Some(match typed {
            // Its hooks are libbpf's under the short name alone.
            "classifier" => is_exact(&section.replacen("classifier", "tc", 1)).unwrap_or("tc"),
            _ => near(section, known()).unwrap_or(typed),
        });
    }
    let behind = |known: &&str| section.strip_prefix(known).is_some_and(|rest| rest.starts_with(|c: char| !c.is_ascii_alphanumeric()));
    near(section, known())
        .or_else(|| near(head, WITH_TARGET.iter().copied()))
        .or_else(|| known().filter(behind).max_by_key(|known| known.len()))
}

fn is_exact(section: &str) -> Option<&'static str> {
    EXACT.iter().copied().find(|known| *known == section)
}
