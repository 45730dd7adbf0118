//! Checks the helpers that programs call.

use std::collections::{BTreeMap, BTreeSet};

use libbpf_rs::{ProgramType, libbpf_sys};

use super::{Kernel, Patient, Program, check, list, programs::Support};
use crate::{
    bpf::Check,
    host::{messages::listen, privilege::type_name},
    object::Kind,
};

macro_rules! names {
    ($($name:ident)*) => {
        /// Names by number, as in libbpf; a test fails if libbpf knows more.
        const NAMES: &[(u32, &str)] = &[$((libbpf_sys::$name, stringify!($name))),*];
    };
}

names! {
    BPF_FUNC_map_lookup_elem BPF_FUNC_map_update_elem BPF_FUNC_map_delete_elem BPF_FUNC_probe_read BPF_FUNC_ktime_get_ns
    BPF_FUNC_trace_printk BPF_FUNC_get_prandom_u32 BPF_FUNC_get_smp_processor_id BPF_FUNC_skb_store_bytes BPF_FUNC_l3_csum_replace
    BPF_FUNC_l4_csum_replace BPF_FUNC_tail_call BPF_FUNC_clone_redirect BPF_FUNC_get_current_pid_tgid BPF_FUNC_get_current_uid_gid
    BPF_FUNC_get_current_comm BPF_FUNC_get_cgroup_classid BPF_FUNC_skb_vlan_push BPF_FUNC_skb_vlan_pop BPF_FUNC_skb_get_tunnel_key
    BPF_FUNC_skb_set_tunnel_key BPF_FUNC_perf_event_read BPF_FUNC_redirect BPF_FUNC_get_route_realm BPF_FUNC_perf_event_output
    BPF_FUNC_skb_load_bytes BPF_FUNC_get_stackid BPF_FUNC_csum_diff BPF_FUNC_skb_get_tunnel_opt BPF_FUNC_skb_set_tunnel_opt
    BPF_FUNC_skb_change_proto BPF_FUNC_skb_change_type BPF_FUNC_skb_under_cgroup BPF_FUNC_get_hash_recalc BPF_FUNC_get_current_task
    BPF_FUNC_probe_write_user BPF_FUNC_current_task_under_cgroup BPF_FUNC_skb_change_tail BPF_FUNC_skb_pull_data BPF_FUNC_csum_update
    BPF_FUNC_set_hash_invalid BPF_FUNC_get_numa_node_id BPF_FUNC_skb_change_head BPF_FUNC_xdp_adjust_head BPF_FUNC_probe_read_str
    BPF_FUNC_get_socket_cookie BPF_FUNC_get_socket_uid BPF_FUNC_set_hash BPF_FUNC_setsockopt BPF_FUNC_skb_adjust_room
    BPF_FUNC_redirect_map BPF_FUNC_sk_redirect_map BPF_FUNC_sock_map_update BPF_FUNC_xdp_adjust_meta BPF_FUNC_perf_event_read_value
    BPF_FUNC_perf_prog_read_value BPF_FUNC_getsockopt BPF_FUNC_override_return BPF_FUNC_sock_ops_cb_flags_set BPF_FUNC_msg_redirect_map
    BPF_FUNC_msg_apply_bytes BPF_FUNC_msg_cork_bytes BPF_FUNC_msg_pull_data BPF_FUNC_bind BPF_FUNC_xdp_adjust_tail
    BPF_FUNC_skb_get_xfrm_state BPF_FUNC_get_stack BPF_FUNC_skb_load_bytes_relative BPF_FUNC_fib_lookup BPF_FUNC_sock_hash_update
    BPF_FUNC_msg_redirect_hash BPF_FUNC_sk_redirect_hash BPF_FUNC_lwt_push_encap BPF_FUNC_lwt_seg6_store_bytes
    BPF_FUNC_lwt_seg6_adjust_srh BPF_FUNC_lwt_seg6_action BPF_FUNC_rc_repeat BPF_FUNC_rc_keydown BPF_FUNC_skb_cgroup_id
    BPF_FUNC_get_current_cgroup_id BPF_FUNC_get_local_storage BPF_FUNC_sk_select_reuseport BPF_FUNC_skb_ancestor_cgroup_id
    BPF_FUNC_sk_lookup_tcp BPF_FUNC_sk_lookup_udp BPF_FUNC_sk_release BPF_FUNC_map_push_elem BPF_FUNC_map_pop_elem BPF_FUNC_map_peek_elem
    BPF_FUNC_msg_push_data BPF_FUNC_msg_pop_data BPF_FUNC_rc_pointer_rel BPF_FUNC_spin_lock BPF_FUNC_spin_unlock BPF_FUNC_sk_fullsock
    BPF_FUNC_tcp_sock BPF_FUNC_skb_ecn_set_ce BPF_FUNC_get_listener_sock BPF_FUNC_skc_lookup_tcp BPF_FUNC_tcp_check_syncookie
    BPF_FUNC_sysctl_get_name BPF_FUNC_sysctl_get_current_value BPF_FUNC_sysctl_get_new_value BPF_FUNC_sysctl_set_new_value
    BPF_FUNC_strtol BPF_FUNC_strtoul BPF_FUNC_sk_storage_get BPF_FUNC_sk_storage_delete BPF_FUNC_send_signal BPF_FUNC_tcp_gen_syncookie
    BPF_FUNC_skb_output BPF_FUNC_probe_read_user BPF_FUNC_probe_read_kernel BPF_FUNC_probe_read_user_str BPF_FUNC_probe_read_kernel_str
    BPF_FUNC_tcp_send_ack BPF_FUNC_send_signal_thread BPF_FUNC_jiffies64 BPF_FUNC_read_branch_records BPF_FUNC_get_ns_current_pid_tgid
    BPF_FUNC_xdp_output BPF_FUNC_get_netns_cookie BPF_FUNC_get_current_ancestor_cgroup_id BPF_FUNC_sk_assign BPF_FUNC_ktime_get_boot_ns
    BPF_FUNC_seq_printf BPF_FUNC_seq_write BPF_FUNC_sk_cgroup_id BPF_FUNC_sk_ancestor_cgroup_id BPF_FUNC_ringbuf_output
    BPF_FUNC_ringbuf_reserve BPF_FUNC_ringbuf_submit BPF_FUNC_ringbuf_discard BPF_FUNC_ringbuf_query BPF_FUNC_csum_level
    BPF_FUNC_skc_to_tcp6_sock BPF_FUNC_skc_to_tcp_sock BPF_FUNC_skc_to_tcp_timewait_sock BPF_FUNC_skc_to_tcp_request_sock
    BPF_FUNC_skc_to_udp6_sock BPF_FUNC_get_task_stack BPF_FUNC_load_hdr_opt BPF_FUNC_store_hdr_opt BPF_FUNC_reserve_hdr_opt
    BPF_FUNC_inode_storage_get BPF_FUNC_inode_storage_delete BPF_FUNC_d_path BPF_FUNC_copy_from_user BPF_FUNC_snprintf_btf
    BPF_FUNC_seq_printf_btf BPF_FUNC_skb_cgroup_classid BPF_FUNC_redirect_neigh BPF_FUNC_per_cpu_ptr BPF_FUNC_this_cpu_ptr
    BPF_FUNC_redirect_peer BPF_FUNC_task_storage_get BPF_FUNC_task_storage_delete BPF_FUNC_get_current_task_btf BPF_FUNC_bprm_opts_set
    BPF_FUNC_ktime_get_coarse_ns BPF_FUNC_ima_inode_hash BPF_FUNC_sock_from_file BPF_FUNC_check_mtu BPF_FUNC_for_each_map_elem
    BPF_FUNC_snprintf BPF_FUNC_sys_bpf BPF_FUNC_btf_find_by_name_kind BPF_FUNC_sys_close BPF_FUNC_timer_init BPF_FUNC_timer_set_callback
    BPF_FUNC_timer_start BPF_FUNC_timer_cancel BPF_FUNC_get_func_ip BPF_FUNC_get_attach_cookie BPF_FUNC_task_pt_regs
    BPF_FUNC_get_branch_snapshot BPF_FUNC_trace_vprintk BPF_FUNC_skc_to_unix_sock BPF_FUNC_kallsyms_lookup_name BPF_FUNC_find_vma
    BPF_FUNC_loop BPF_FUNC_strncmp BPF_FUNC_get_func_arg BPF_FUNC_get_func_ret BPF_FUNC_get_func_arg_cnt BPF_FUNC_get_retval
    BPF_FUNC_set_retval BPF_FUNC_xdp_get_buff_len BPF_FUNC_xdp_load_bytes BPF_FUNC_xdp_store_bytes BPF_FUNC_copy_from_user_task
    BPF_FUNC_skb_set_tstamp BPF_FUNC_ima_file_hash BPF_FUNC_kptr_xchg BPF_FUNC_map_lookup_percpu_elem BPF_FUNC_skc_to_mptcp_sock
    BPF_FUNC_dynptr_from_mem BPF_FUNC_ringbuf_reserve_dynptr BPF_FUNC_ringbuf_submit_dynptr BPF_FUNC_ringbuf_discard_dynptr
    BPF_FUNC_dynptr_read BPF_FUNC_dynptr_write BPF_FUNC_dynptr_data BPF_FUNC_tcp_raw_gen_syncookie_ipv4
    BPF_FUNC_tcp_raw_gen_syncookie_ipv6 BPF_FUNC_tcp_raw_check_syncookie_ipv4 BPF_FUNC_tcp_raw_check_syncookie_ipv6
    BPF_FUNC_ktime_get_tai_ns BPF_FUNC_user_ringbuf_drain BPF_FUNC_cgrp_storage_get BPF_FUNC_cgrp_storage_delete
}

/// Returns the C name of a helper.
fn name(helper: u32) -> String {
    let found = NAMES
        .binary_search_by_key(&helper, |(number, _)| *number)
        .ok()
        .and_then(|at| NAMES.get(at));
    found
        .and_then(|(_, name)| name.strip_prefix("BPF_FUNC_"))
        .map_or_else(|| format!("helper {helper}"), |name| format!("bpf_{name}"))
}

/// The call that libbpf writes in place of an instruction whose relocation does not resolve
/// (`bpf_core_poison_insn` of relo_core.c), and that authors write at a place that must never be
/// reached.
const POISON: u32 = 0x0bad_2310;

/// The kernel's answer about a helper, for one program type.
enum Answer {
    Yes,
    No,
    /// The kernel has it; libbpf cannot probe whether this program type may call it.
    Perhaps,
    Untold(String),
}

/// Returns one check for all helpers that are available, and one for each that is missing or
/// unknown.
pub(super) fn examine(patient: &Patient<'_>) -> Vec<Check> {
    // By helper, then by type: either all programs of a type may call it or none may.
    let mut callers = BTreeMap::<(u32, u32), Vec<&Program>>::new();
    for program in &patient.programs {
        let helpers: BTreeSet<u32> = program
            .reached(&patient.calls)
            .flat_map(|function| &function.helpers)
            .copied()
            .collect();
        for helper in helpers {
            callers.entry((helper, program.ty as u32)).or_default().push(program);
        }
    }
    let (mut there, mut perhaps, mut untold) =
        (BTreeSet::new(), BTreeSet::new(), BTreeMap::<String, BTreeSet<u32>>::new());
    let mut checks = Vec::new();
    for ((helper, ty), programs) in callers {
        if helper == POISON {
            let callers = list(programs.iter().map(|program| program.name.as_str()));
            let found = format!(
                "{callers} call helper 0xbad2310, which marks code that a program must not reach: no kernel has it"
            );
            checks.push(check::missing(
                "poisoned calls",
                false,
                found,
                "the verifier refuses the programs if they can reach it",
            ));
            continue;
        }
        match ask(patient, ProgramType::from(ty), helper) {
            Answer::Yes => _ = there.insert(helper),
            Answer::Perhaps => _ = perhaps.insert(helper),
            Answer::Untold(why) => _ = untold.entry(why).or_default().insert(helper),
            Answer::No => {
                let callers = list(programs.iter().map(|program| program.name.as_str()));
                let required = programs.iter().any(|program| program.autoload && !program.asks);
                let guarded = programs.iter().all(|program| program.asks);
                let found = format!(
                    "not available to {} programs on this kernel; called by {callers}",
                    type_name(ty)
                );
                let todo = if guarded {
                    "these programs check the kernel or their constants: if that skips the call they load, otherwise the verifier refuses \
                     them"
                } else {
                    "the verifier refuses these programs if they can reach the call: leave them out, or run a kernel that has the helper"
                };
                checks.push(check::missing(name(helper), required, found, todo));
            }
        }
    }
    let names = |helpers: &BTreeSet<u32>| {
        helpers.iter().map(|helper| name(*helper)).collect::<Vec<_>>().join(", ")
    };
    if !there.is_empty() {
        checks.insert(0, check::found("helpers", names(&there)));
    }
    if !perhaps.is_empty() {
        let found = format!(
            "{}: in this kernel; only loading shows whether the verifier lets the programs call them",
            names(&perhaps)
        );
        checks.insert(usize::from(!there.is_empty()), check::found("kernel helpers", found));
    }
    checks.extend(untold.into_iter().map(|(why, helpers)| {
        check::untold(
            "helpers",
            format!("{}: {why}", names(&helpers)),
            "load the object to find out: the verifier names a helper that it does not know",
        )
    }));
    checks
}

fn ask(patient: &Patient<'_>, ty: ProgramType, helper: u32) -> Answer {
    // If a program is refused for another reason, libbpf takes the helper as available.
    if !patient.permitted {
        return Answer::Untold("this process may not load programs".to_owned());
    }
    let unasked = match ty {
        ProgramType::Tracing | ProgramType::Ext | ProgramType::Lsm | ProgramType::StructOps => {
            return known(patient.kernel, helper);
        }
        ty => patient.supported(ty),
    };
    if unasked != Support::Yes {
        return Answer::Untold("no program of the calling type loads on this kernel".to_owned());
    }
    match listen(|| ty.is_helper_supported(helper)).0 {
        Ok(true) => Answer::Yes,
        Ok(false) => Answer::No,
        Err(_) => known(patient.kernel, helper),
    }
}

/// Returns whether the kernel lists the helper in its BTF, for program types that libbpf cannot
/// probe.
fn known(kernel: &Kernel, helper: u32) -> Answer {
    let Ok((_, types)) = kernel.types() else {
        return Answer::Untold(
            "libbpf cannot probe it, and the kernel's BTF cannot be read".to_owned(),
        );
    };
    let listed = types.named("bpf_func_id").into_iter().find_map(|(_, ty)| match ty.kind {
        Kind::Enum { values, .. } => Some(values),
        _ => None,
    });
    match listed {
        // The last constant is not a helper but their number.
        Some(values) => {
            let has = values
                .iter()
                .any(|(name, value)| *value == i128::from(helper) && name.starts_with("BPF_FUNC_"));
            if has { Answer::Perhaps } else { Answer::No }
        }
        None => Answer::Untold("the kernel's BTF does not list its helpers".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_helper_of_libbpf_has_a_name() {
        let numbers: Vec<u32> = NAMES.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (1..libbpf_sys::__BPF_FUNC_MAX_ID).collect::<Vec<_>>());
        assert_eq!(name(158), "bpf_get_current_task_btf");
        assert_eq!(name(1_000_000), "helper 1000000");
    }
}
