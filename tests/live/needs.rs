//! What tests need that not every machine has. A test whose need is not met is reported as ignored,
//! with the reason.

use Need::{Here, Linux, Matrix, Netkit, SpareCpu};

use super::host;

/// A need that not every machine meets.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// A kernel of this version or newer, which added the feature.
    Linux(u32, u32, &'static str),
    /// A virtual machine, because the test would affect every process of this machine.
    Matrix(&'static str),
    /// A CPU that can be taken offline.
    SpareCpu,
    /// Pairs of netkit devices, `CONFIG_NETKIT`.
    Netkit,
    /// Something that the virtual machines lack.
    Here(&'static str),
}

const LOOP: &str = "bpf_loop (fixtures `faults` and `flood`)";
const USER_RING: &str = "the user ring buffer (fixture `newer`)";

/// The needs of tests, or of a whole module if the name ends with `::`.
const NEEDS: &[(&str, Need)] = &[
    ("apps::", Here("cargo")),
    ("bootstrap::demo_shows_its_processes", Here("cargo")),
    ("bootstrap::interrupted_example_prints_all_events", Here("cargo")),
    ("bootstrap::example_prints_all_events_after_duration", Here("cargo")),
    ("shared::arena_replaces_no_other_map", Linux(6, 9, "arenas")),
    ("doctor::map_type_of_no_kernel_is_reported", Here("clang")),
    ("shared::arena_with_variables_is_not_shared", Linux(6, 9, "arenas")),
    ("test_runs::live_frames_run", Linux(5, 18, "live frames")),
    ("shared::arena_is_not_mapped_over_other_memory", Linux(6, 9, "arenas")),
    ("shared::arena_that_would_fault_is_refused", Linux(6, 9, "arenas")),
    ("errors::misspelled_usdt_is_explained", Linux(5, 15, "cookies of probes")),
    ("attacked::", Here("symbols in its programs, and no folder that all users can write to")),
    ("predictions::doctor_and_errors_give_same_reason", Here("symbols in its programs")),
    (
        "predictions::doctor_predicts_load_and_attach",
        Here("processor that loads all fixtures several times in reasonable time"),
    ),
    ("refusals::", Here("clang")),
    ("predictions::doctor_predicts_load_and_attach_of_sources", Here("clang")),
    ("maps::cgroup_storage_is_keyed_by_descriptor", Here("clang")),
    ("variables::arena_variables_are_shared_with_program", Linux(6, 9, "arenas")),
    (
        "predictions::doctor_and_errors_give_same_reason_for_probes",
        Matrix("probes functions of the kernel"),
    ),
    ("errors::arena_smaller_than_variables_is_refused", Linux(6, 9, "arenas")),
    ("readers::drop_counters_of_programs_are_reported", Linux(5, 17, LOOP)),
    // The fixture `newer` has all three maps.
    ("commands::", Linux(6, 1, USER_RING)),
    ("maps::bloom_filter_reports_members", Linux(6, 1, USER_RING)),
    ("maps::task_storage_is_keyed_by_pidfd", Linux(6, 1, USER_RING)),
    ("programs::tcx_attaches_to_interface", Linux(6, 6, "tcx")),
    ("perf::ring_of_returning_cpu_is_read", Matrix("takes a CPU offline")),
    ("perf::ring_of_returning_cpu_is_read", SpareCpu),
    ("perf::ring_of_returning_cpu_is_read", Linux(5, 17, LOOP)),
    ("perf::offline_cpu_does_not_spin_reader", Matrix("takes a CPU offline")),
    ("perf::offline_cpu_does_not_spin_reader", SpareCpu),
    ("perf::losses_of_offline_cpu_are_kept", Matrix("takes a CPU offline")),
    ("perf::losses_of_offline_cpu_are_kept", SpareCpu),
    ("perf::damaged_ring_is_reopened", Linux(5, 17, LOOP)),
    ("perf::short_samples_are_counted", Linux(5, 17, LOOP)),
    ("callbacks::", Linux(5, 17, LOOP)),
    ("faults::", Linux(5, 17, LOOP)),
    ("soak::", Linux(5, 17, LOOP)),
    ("functions::", Matrix("hooks functions of the kernel")),
    ("functions::kprobe_counts_calls", Linux(5, 15, "cookies of probes")),
    ("functions::kprobe_multi_counts_calls", Linux(6, 12, "CONFIG_FPROBE of Debian's kernels")),
    ("functions::ksyscall_counts_calls", Linux(5, 15, "cookies of probes")),
    ("order::tcx_programs_run_in_order", Linux(6, 6, "tcx")),
    ("order::netkit_programs_run_in_order", Linux(6, 7, "netkit")),
    ("order::netkit_programs_run_in_order", Netkit),
    ("settings::unsuitable_setting_type_is_explained", Here("configuration of its kernel")),
    ("order::cgroup_programs_run_in_order", Linux(6, 17, "the order of programs of a cgroup")),
    ("netfilter::", Linux(6, 4, "netfilter programs")),
    ("hooks::uprobe_multi_counts_calls", Linux(6, 6, "probes of many functions")),
    ("links::pinned_probe_stays_attached", Linux(5, 15, "links of perf events")),
    ("links::struct_ops_map_is_replaced", Linux(6, 4, "links of struct_ops")),
    ("missing::missing_tc_modules_are_named", Matrix("removes modules of the kernel")),
    ("missing::missing_kernel_btf_is_explained", Matrix("hides what the kernel shows")),
    ("missing::missing_file_systems_are_explained", Matrix("unmounts file systems")),
    ("lockdown::lockdown_is_explained", Matrix("locks the kernel down")),
    ("privileges::advised_settings_permit_users", Matrix("changes settings of the kernel")),
    ("namespaces::token_delegates_bpf", Linux(6, 9, "BPF tokens")),
    (
        "hooks::map_iterator_lists_entries",
        Matrix("iterates over the entries of a map, which hardened kernels refuse"),
    ),
    ("hooks::syscall_program_is_run_not_attached", Linux(5, 14, "programs of type syscall")),
];

/// The properties of this machine, read once for all tests.
pub(crate) struct Machine {
    release: String,
    version: (u32, u32),
}

impl Machine {
    pub(crate) fn this() -> Machine {
        let (release, version) =
            host::release().expect("cannot read the kernel release from procfs");
        Machine { release, version }
    }

    pub(crate) fn is_before(&self, major: u32, minor: u32) -> bool {
        self.version < (major, minor)
    }

    /// Returns why the test cannot run here, or `None` if it can.
    pub(crate) fn lacks(&self, test: &str) -> Option<String> {
        let needs = NEEDS
            .iter()
            .filter(|(name, _)| *name == test || (name.ends_with("::") && test.starts_with(name)));
        needs.map(|(_, need)| need).find_map(|need| match *need {
            Linux(major, minor, what) if self.is_before(major, minor) => {
                Some(format!("{what} came with Linux {major}.{minor}, this is {}", self.release))
            }
            Matrix(what) if eunomia_vm::kernel().is_none() => {
                Some(format!("runs only in virtual machines: it {what}"))
            }
            SpareCpu if !crate::perf::cpus_can_go() => {
                Some("no CPU can be taken offline".to_owned())
            }
            Here(what) if eunomia_vm::kernel().is_some() => {
                Some(format!("the virtual machine has no {what}"))
            }
            Netkit if !crate::order::netkit_is_there() => {
                Some("this kernel has no netkit (CONFIG_NETKIT)".to_owned())
            }
            Linux(..) | Matrix(_) | SpareCpu | Netkit | Here(_) => None,
        })
    }
}

/// Panics if a need names a test that does not exist.
pub(crate) fn check(tests: impl Iterator<Item = &'static str> + Clone) {
    for (name, _) in NEEDS {
        assert!(
            tests
                .clone()
                .any(|test| test == *name || (name.ends_with("::") && test.starts_with(name))),
            "no test is named {name}"
        );
    }
}
