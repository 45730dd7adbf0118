//! What tests need of a machine that not every one has. They are reported as ignored there, with the reason.

use Need::{Here, Linux, Matrix, Netkit, SpareCpu};

use super::host;

/// Something that not every machine has.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// What kernels have from this version on.
    Linux(u32, u32, &'static str),
    /// A virtual machine: what the test does would meet every process here.
    Matrix(&'static str),
    /// A CPU that can be taken away for a moment.
    SpareCpu,
    /// Pairs of netkit devices, `CONFIG_NETKIT`.
    Netkit,
    /// What the virtual machines have not.
    Here(&'static str),
}

const LOOP: &str = "bpf_loop, of the fixtures `faults` and `flood`,";
const USER_RING: &str = "the ring buffer that programs read, of the fixture `newer`,";

/// Each test that needs something, or all of a module whose name ends with `::`.
const NEEDS: &[(&str, Need)] = &[
    ("bootstrap::demo_shows_its_processes", Here("cargo")),
    ("bootstrap::interrupted_example_prints_all_events", Here("cargo")),
    ("bootstrap::example_prints_all_events_after_duration", Here("cargo")),
    ("shared::arena_with_variables_is_not_shared", Linux(6, 9, "arenas")),
    ("test_runs::live_frames_run", Linux(5, 18, "frames that are live")),
    ("shared::arena_is_not_mapped_over_other_memory", Linux(6, 9, "arenas")),
    ("shared::arena_that_would_fault_is_refused", Linux(6, 9, "arenas")),
    ("errors::misspelled_usdt_is_explained", Linux(5, 15, "the cookie of a probe")),
    ("attacked::", Here("symbols in its programs, and no folder that all users can write to")),
    ("doctor::doctor_and_errors_give_same_reason", Here("symbols in its programs")),
    ("doctor::doctor_predicts_load_and_attach", Here("processor that loads all fixtures several times in reasonable time")),
    ("refusals::", Here("clang")),
    ("doctor::doctor_predicts_load_and_attach_of_sources", Here("clang")),
    ("maps::cgroup_storage_is_keyed_by_descriptor", Here("clang")),
    ("variables::arena_variables_are_shared_with_program", Linux(6, 9, "arenas")),
    ("doctor::doctor_and_errors_give_same_reason_for_probes", Matrix("probes functions of the kernel")),
    ("errors::arena_smaller_than_variables_is_refused", Linux(6, 9, "arenas")),
    ("readers::drop_counters_of_programs_are_reported", Linux(5, 17, LOOP)),
    // All three are in one fixture.
    ("commands::", Linux(6, 1, USER_RING)),
    ("maps::bloom_filter_reports_members", Linux(6, 1, USER_RING)),
    ("maps::task_storage_is_keyed_by_pidfd", Linux(6, 1, USER_RING)),
    ("programs::tcx_attaches_to_interface", Linux(6, 6, "tcx")),
    ("perf::ring_of_returning_cpu_is_read", Matrix("takes a CPU away")),
    ("perf::ring_of_returning_cpu_is_read", SpareCpu),
    ("perf::ring_of_returning_cpu_is_read", Linux(5, 17, LOOP)),
    ("perf::offline_cpu_does_not_spin_reader", Matrix("takes a CPU away")),
    ("perf::offline_cpu_does_not_spin_reader", SpareCpu),
    ("perf::losses_of_offline_cpu_are_kept", Matrix("takes a CPU away")),
    ("perf::losses_of_offline_cpu_are_kept", SpareCpu),
    ("perf::damaged_ring_is_reopened", Linux(5, 17, LOOP)),
    ("perf::short_samples_are_counted", Linux(5, 17, LOOP)),
    ("callbacks::", Linux(5, 17, LOOP)),
    ("faults::", Linux(5, 17, LOOP)),
    ("soak::", Linux(5, 17, LOOP)),
    ("functions::", Matrix("hooks functions of the kernel")),
    ("functions::kprobe_counts_calls", Linux(5, 15, "the cookie of a probe")),
    ("functions::kprobe_multi_counts_calls", Linux(6, 12, "CONFIG_FPROBE of Debian's kernels")),
    ("functions::ksyscall_counts_calls", Linux(5, 15, "the cookie of a probe")),
    ("order::tcx_programs_run_in_order", Linux(6, 6, "tcx")),
    ("order::netkit_programs_run_in_order", Linux(6, 7, "netkit")),
    ("order::netkit_programs_run_in_order", Netkit),
    ("settings::unsuitable_setting_type_is_explained", Here("configuration of its kernel")),
    ("order::cgroup_programs_run_in_order", Linux(6, 17, "an order among the programs of a cgroup")),
    ("netfilter::", Linux(6, 4, "programs on netfilter")),
    ("hooks::uprobe_multi_counts_calls", Linux(6, 6, "probes of many functions")),
    ("links::pinned_probe_stays_attached", Linux(5, 15, "links of perf events")),
    ("links::struct_ops_map_is_replaced", Linux(6, 4, "links of struct_ops")),
    ("missing::missing_tc_modules_are_named", Matrix("removes modules of the kernel")),
    ("missing::missing_kernel_btf_is_explained", Matrix("hides what the kernel shows")),
    ("missing::missing_file_systems_are_explained", Matrix("unmounts file systems")),
    ("privileges::lockdown_is_explained", Matrix("locks the kernel down")),
    ("privileges::advised_settings_permit_users", Matrix("changes settings of the kernel")),
    ("privileges::token_delegates_bpf", Linux(6, 9, "BPF tokens")),
    ("hooks::syscall_program_is_run_not_attached", Linux(5, 14, "programs that are system calls")),
];

/// Looks at the machine, once for all tests.
pub(crate) struct Machine {
    release: String,
    version: (u32, u32),
}

impl Machine {
    pub(crate) fn this() -> Machine {
        let (release, version) = host::release().expect("procfs is mounted, and a release begins with the version");
        Machine { release, version }
    }

    pub(crate) fn is_before(&self, major: u32, minor: u32) -> bool {
        self.version < (major, minor)
    }

    /// Why the test cannot run here.
    pub(crate) fn lacks(&self, test: &str) -> Option<String> {
        let of_test = NEEDS.iter().filter(|(name, _)| *name == test || (name.ends_with("::") && test.starts_with(name)));
        of_test.map(|(_, need)| need).find_map(|need| match *need {
            Linux(major, minor, what) if self.is_before(major, minor) => {
                Some(format!("{what} came with Linux {major}.{minor}, this is {}", self.release))
            }
            Matrix(what) if eunomia_vm::kernel().is_none() => Some(format!("it {what}, in virtual machines alone")),
            SpareCpu if !crate::perf::cpus_can_go() => Some("there is no CPU that could be taken away".to_owned()),
            Here(what) if eunomia_vm::kernel().is_some() => Some(format!("the virtual machine has no {what}")),
            Netkit if !crate::order::netkit_is_there() => Some("this kernel has no netkit (CONFIG_NETKIT)".to_owned()),
            Linux(..) | Matrix(_) | SpareCpu | Netkit | Here(_) => None,
        })
    }
}

/// A need of a test that is no longer there would ignore nothing.
pub(crate) fn check(tests: impl Iterator<Item = &'static str> + Clone) {
    for (name, _) in NEEDS {
        assert!(tests.clone().any(|test| test == *name || (name.ends_with("::") && test.starts_with(name))), "no test is called {name}");
    }
}
