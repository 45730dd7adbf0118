//! Network interfaces, and why programs cannot be attached to them.

use std::fs;

use libbpf_rs::libbpf_sys;

#[cfg(feature = "dynamic")]
use super::place::Finding;
use super::{busy::program, list, similar::similar};
#[cfg(feature = "dynamic")]
use crate::host::interface::xdp_features;
use crate::{
    Hint,
    host::{
        Advice,
        interface::{name_of, xdp_programs},
    },
};

/// Returns the error and the hint for an interface that does not exist, by name or index.
pub(crate) fn absent(called: &str) -> (String, Hint) {
    let names = names();
    let why = format!("no interface `{called}` in this network namespace");
    let todo = match &similar(called, names.iter().map(String::as_str))[..] {
        [near, ..] => format!("did you mean `{near}`?"),
        [] => format!("there are {} (`ip link`)", list(names.iter().map(String::as_str))),
    };
    (why, todo.into())
}

/// Returns the interfaces in the network namespace of this thread.
fn names() -> Vec<String> {
    let text = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    // The first two lines are headings.
    text.lines()
        .skip(2)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

/// Returns the XDP programs that already occupy an interface, and a hint.
pub(crate) fn taken(index: u32) -> Option<(String, Hint)> {
    let there = xdp_programs(index).ok()?;
    let each =
        there.iter().map(|there| format!("{} in {} mode", program(there.program), there.mode));
    let each: Vec<String> = each.collect();
    let interface = name_of(index).ok()?;
    let todo = format!(
        "stop what attached it (`bpftool net`), or detach it with `ip link set dev {interface} xdp off`"
    );
    (!each.is_empty()).then(|| (format!("already attached: {}", each.join(" and ")), todo.into()))
}

/// The attach types whose target is an interface.
const OF_INTERFACES: [libbpf_sys::bpf_attach_type; 5] = [
    libbpf_sys::BPF_XDP,
    libbpf_sys::BPF_TCX_INGRESS,
    libbpf_sys::BPF_TCX_EGRESS,
    libbpf_sys::BPF_NETKIT_PRIMARY,
    libbpf_sys::BPF_NETKIT_PEER,
];

/// Returns why an interface refused a program, if the reason is known.
pub(crate) fn reason(
    program: &str,
    index: u32,
    attach_type: libbpf_sys::bpf_attach_type,
    flags: u32,
    errno: Option<i32>,
) -> Option<Hint> {
    // For other types `index` is not an interface.
    if !OF_INTERFACES.contains(&attach_type) {
        return None;
    }
    let Ok(name) = name_of(index) else {
        let (why, todo) = absent(&index.to_string());
        return Some(todo.after(format_args!("{why}; ")));
    };
    if attach_type != libbpf_sys::BPF_XDP {
        return None;
    }
    match errno? {
        libc::EBUSY | libc::EEXIST => {
            taken(index).map(|(why, todo)| todo.after(format_args!("{name}: {why}; ")))
        }
        libc::EOPNOTSUPP if flags & libbpf_sys::XDP_FLAGS_HW_MODE != 0 => {
            Some(joined(by_hardware(program, &name, flags)))
        }
        libc::EOPNOTSUPP | libc::EINVAL if flags & libbpf_sys::XDP_FLAGS_SKB_MODE == 0 => {
            Some(joined(by_hardware(program, &name, flags)))
        }
        _ => None,
    }
}

fn joined((why, todo): (String, Hint)) -> Hint {
    todo.after(format_args!("{why}: "))
}

/// Returns the reason and the advice if the driver or the card of an interface cannot run a
/// program.
fn by_hardware(program: &str, name: &str, flags: u32) -> (String, Hint) {
    let why = if flags & libbpf_sys::XDP_FLAGS_HW_MODE == 0 {
        format!(
            "the driver of {name} does not run XDP programs, or not with the current MTU, queues or features"
        )
    } else {
        format!("the network card of {name} does not run XDP programs")
    };
    (why, Advice::GenericXdp { program, interface: name }.into())
}

/// Returns why an interface will not run a program in the mode of these flags. `tells` is true if
/// the kernel reports what drivers support (6.3 and newer). `None` for modes that every interface
/// has.
#[cfg(feature = "dynamic")]
pub(crate) fn incapable(program: &str, index: u32, flags: u32, tells: bool) -> Option<Finding> {
    // `NETDEV_XDP_ACT_BASIC` and `NETDEV_XDP_ACT_HW_OFFLOAD`.
    let wanted = match flags {
        libbpf_sys::XDP_FLAGS_DRV_MODE => 1 << 0,
        libbpf_sys::XDP_FLAGS_HW_MODE => 1 << 4,
        _ => return None,
    };
    let name = name_of(index).ok()?;
    match xdp_features(index) {
        Ok(features) if features & wanted != 0 => None,
        Ok(_) if tells => {
            let (why, todo) = by_hardware(program, &name, flags);
            Some(Finding::Missing(why, todo))
        }
        Ok(_) => Some(Finding::Untold(
            format!("this kernel does not report what the driver of {name} supports"),
            ATTACH.into(),
        )),
        Err(error) => Some(Finding::Untold(
            format!("cannot query what the driver of {name} supports: {error}"),
            ATTACH.into(),
        )),
    }
}

#[cfg(feature = "dynamic")]
const ATTACH: &str = "attach the program to find out";
