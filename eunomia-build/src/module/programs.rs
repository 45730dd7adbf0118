//! The programs, each with the kind of its handle.

use eunomia_runtime::checked::Checked;
use proc_macro2::{Ident, Span};

use super::names::{Scope, verbatim};

/// A program.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) field: Ident,
    /// One of `eunomia_runtime::bpf::kind`.
    pub(crate) kind: Ident,
    pub(crate) name: &'a str,
    pub(crate) section: &'a str,
}

/// Decides the handles of all programs.
pub(crate) fn decide(checked: &Checked) -> Vec<Program<'_>> {
    let mut fields = Scope::default();
    // The document or the build configuration may name the type of a program whose section does
    // not.
    let types = checked.program_types();
    checked
        .programs
        .iter()
        .map(|(name, section)| Program {
            field: fields.claim(verbatim(name)),
            kind: Ident::new(
                kind(types.get(name.as_str()).copied().unwrap_or(section)),
                Span::call_site(),
            ),
            name,
            section,
        })
        .collect()
}

/// Returns the kind of handle for a program by its section, as libbpf names sections
/// (`section_defs`).
fn kind(section: &str) -> &'static str {
    let section = section.trim_start_matches('?');
    let head = section.split(['/', '+']).next().unwrap_or(section);
    match head.trim_end_matches(".s") {
        // Programs that run from a devmap or cpumap have no target of their own.
        "xdp" | "xdp.frags" if section.ends_with("map") => "Any",
        "xdp" | "xdp.frags" => "Xdp",
        "tc" | "classifier" | "action" | "tcx" => "Tc",
        "netkit" => "Netkit",
        "tracepoint" | "tp" => "Tracepoint",
        "raw_tracepoint" | "raw_tp" | "raw_tracepoint.w" | "raw_tp.w" => "RawTracepoint",
        "kprobe" | "kretprobe" => "Kprobe",
        "kprobe.multi" | "kretprobe.multi" | "kprobe.session" => "KprobeMulti",
        "ksyscall" | "kretsyscall" => "Ksyscall",
        "uprobe" | "uretprobe" => "Uprobe",
        "uprobe.multi" | "uretprobe.multi" | "uprobe.session" => "UprobeMulti",
        "usdt" => "Usdt",
        "perf_event" => "PerfEvent",
        "cgroup" | "cgroup_skb" | "sockops" | "lsm_cgroup" => "Cgroup",
        "flow_dissector" | "sk_lookup" => "Netns",
        "netfilter" => "Netfilter",
        "socket" => "SocketFilter",
        "sk_reuseport" => "SkReuseport",
        "sk_skb" | "sk_msg" => "SocketMap",
        "iter" => "Iter",
        _ => "Any",
    }
}
