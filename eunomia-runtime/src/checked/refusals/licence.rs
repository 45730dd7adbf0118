//! The licence of an object: what the kernel refuses to programs that are not under the GPL.

use std::collections::{BTreeSet, HashSet};

use super::{Checked, Subject, programs::Program, types::Family};
use crate::{
    error::{Diagnostic, Found},
    object::Kind,
};

/// The licences that the kernel takes for compatible with the GPL (`license_is_gpl_compatible`).
const COMPATIBLE: [&[u8]; 6] = [
    b"GPL",
    b"GPL v2",
    b"GPL and additional rights",
    b"Dual BSD/GPL",
    b"Dual MIT/GPL",
    b"Dual MPL/GPL",
];

/// The helpers that `check_helper_call` refuses to other programs (`gpl_only` of their
/// `bpf_func_proto`), in each kernel that has them. Helpers of which one kernel allows the use
/// (`bpf_ktime_get_ns` from Linux 5.8) are not listed.
const RESTRICTED: [(u32, &str); 44] = [
    (4, "bpf_probe_read"),
    (6, "bpf_trace_printk"),
    (22, "bpf_perf_event_read"),
    (25, "bpf_perf_event_output"),
    (GET_STACKID, "bpf_get_stackid"),
    (35, "bpf_get_current_task"),
    (36, "bpf_probe_write_user"),
    (45, "bpf_probe_read_str"),
    (55, "bpf_perf_event_read_value"),
    (56, "bpf_perf_prog_read_value"),
    (58, "bpf_override_return"),
    (67, "bpf_get_stack"),
    (69, "bpf_fib_lookup"),
    (77, "bpf_rc_repeat"),
    (78, "bpf_rc_keydown"),
    (92, "bpf_rc_pointer_rel"),
    (100, "bpf_tcp_check_syncookie"),
    (110, "bpf_tcp_gen_syncookie"),
    (111, "bpf_skb_output"),
    (112, "bpf_probe_read_user"),
    (113, "bpf_probe_read_kernel"),
    (114, "bpf_probe_read_user_str"),
    (115, "bpf_probe_read_kernel_str"),
    (119, "bpf_read_branch_records"),
    (121, "bpf_xdp_output"),
    (126, "bpf_seq_printf"),
    (127, "bpf_seq_write"),
    (150, "bpf_seq_printf_btf"),
    (158, "bpf_get_current_task_btf"),
    (163, "bpf_check_mtu"),
    (165, "bpf_snprintf"),
    (169, "bpf_timer_init"),
    (170, "bpf_timer_set_callback"),
    (171, "bpf_timer_start"),
    (172, "bpf_timer_cancel"),
    (173, "bpf_get_func_ip"),
    (175, "bpf_task_pt_regs"),
    (176, "bpf_get_branch_snapshot"),
    (177, "bpf_trace_vprintk"),
    (191, "bpf_copy_from_user_task"),
    (204, "bpf_tcp_raw_gen_syncookie_ipv4"),
    (205, "bpf_tcp_raw_gen_syncookie_ipv6"),
    (206, "bpf_tcp_raw_check_syncookie_ipv4"),
    (207, "bpf_tcp_raw_check_syncookie_ipv6"),
];

/// `bpf_get_stackid`, which programs of the type perf_event may call
/// (`bpf_get_stackid_proto_pe`).
const GET_STACKID: u32 = 27;

/// Checks the programs that are loaded by default.
pub(crate) fn check(subject: &Subject<'_>, programs: &[Program<'_>], diagnostics: &mut Found) {
    let Some(licence) = licence(subject) else { return };
    let kernel_functions = kernel_functions(subject.checked);
    for program in programs {
        let reached = || program.functions.iter().copied();
        // A weak one may be missing, and its calls are then removed.
        let called = reached().flat_map(|function| &function.externs).map(String::as_str);
        let called: BTreeSet<&str> = called
            .filter(|name| kernel_functions.contains(name) && !program.is_weak(name))
            .collect();
        let what = if program.family == Some(Family::Lsm) {
            // `bpf_lsm_verify_prog`
            "is of type lsm".to_owned()
        } else if let Some(name) = called.first() {
            // `add_kfunc_call`, for any call that the program contains.
            format!("calls `{name}`, a function of the kernel")
        } else if program.asks {
            // The verifier does not look at calls that the program cannot reach.
            continue;
        } else {
            let helpers: BTreeSet<u32> =
                reached().flat_map(|function| &function.helpers).copied().collect();
            let restricted = RESTRICTED.iter().filter(|(number, _)| {
                let allowed = *number == GET_STACKID
                    && matches!(program.family, None | Some(Family::PerfEvent));
                helpers.contains(number) && !allowed
            });
            let names: Vec<&str> = restricted.map(|(_, name)| *name).collect();
            if names.is_empty() {
                continue;
            }
            format!("calls {}", names.join(", "))
        };
        let what = format!(
            "program `{}` {what}, which the kernel allows only under a licence compatible with the GPL, but {licence}",
            program.name
        );
        let todo = "write `char LICENSE[] SEC(\"license\") = \"GPL\";` or \"Dual BSD/GPL\", if the source is under that \
                    licence";
        diagnostics.push(Diagnostic::new(subject.program(program.name), what, todo));
    }
}

/// Describes the licence of the object if it is not compatible with the GPL:
/// `bpf_object__init_license`.
fn licence(subject: &Subject<'_>) -> Option<String> {
    /// The size of libbpf's copy, with the NUL at the end.
    const COPIED: usize = 64;

    let raw = &subject.raw;
    let header = (0..raw.headers.len())
        .rev()
        .find(|index| raw.section(*index) == "license")
        .and_then(|index| raw.headers.get(index));
    let Some(header) = header else { return Some("the object names none".to_owned()) };
    let (bytes, _) = raw.file.section_data(header).ok()?;
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let bytes = bytes.get(..COPIED - 1).unwrap_or(bytes);
    let shown = || format!("its licence is {:?}", String::from_utf8_lossy(bytes));
    (!COMPATIBLE.contains(&bytes)).then(shown)
}

/// Returns the functions of the kernel that the object declares (`__ksym`).
fn kernel_functions(checked: &Checked) -> HashSet<&str> {
    let btf = &checked.layouts.btf;
    let in_section = checked.layouts.slots(|section| section == ".ksyms");
    let declared = in_section.map(|slot| btf.get(slot.variable));
    declared.filter(|ty| ty.kind == Kind::Function).map(|ty| ty.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_are_listed_once() {
        let numbers: BTreeSet<u32> = RESTRICTED.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers.len(), RESTRICTED.len());
    }
}
