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
    ("bootstrap::the_demo_shows_its_own_processes", Here("cargo")),
    ("bootstrap::an_example_that_is_stopped_prints_all_events", Here("cargo")),
    ("bootstrap::an_example_whose_time_is_over_prints_all_events", Here("cargo")),
    ("shared::arenas_with_variables_are_not_shared", Linux(6, 9, "arenas")),
    ("test_runs::frames_are_live", Linux(5, 18, "frames that are live")),
    ("shared::an_arena_is_not_mapped_over_other_memory", Linux(6, 9, "arenas")),
    ("shared::an_arena_that_faults", Linux(6, 9, "arenas")),
    ("errors::static_probes_that_are_nearly_right", Linux(5, 15, "the cookie of a probe")),
    ("attacked::", Here("symbols in its programs, and no folder that all users can write to")),
    ("doctor::causes_are_those_of_errors", Here("symbols in its programs")),
    ("doctor::doctor_and_run_agree", Here("processor that loads all fixtures several times in reasonable time")),
    ("refusals::", Here("clang")),
    ("doctor::doctor_and_run_agree_on_sources", Here("clang")),
    ("maps::storage_of_cgroups", Here("clang")),
    ("variables::variables_in_an_arena", Linux(6, 9, "arenas")),
    ("doctor::causes_of_probes_are_those_of_errors", Matrix("probes functions of the kernel")),
    ("errors::an_arena_that_is_too_small", Linux(6, 9, "arenas")),
    ("readers::what_programs_count_is_lost", Linux(5, 17, LOOP)),
    // All three are in one fixture.
    ("commands::", Linux(6, 1, USER_RING)),
    ("maps::bloom_filters", Linux(6, 1, USER_RING)),
    ("maps::storage_of_tasks", Linux(6, 1, USER_RING)),
    ("programs::tcx_on_an_interface", Linux(6, 6, "tcx")),
    ("perf::a_cpu_goes_and_comes_back", Matrix("takes a CPU away")),
    ("perf::a_cpu_goes_and_comes_back", SpareCpu),
    ("perf::a_cpu_goes_and_comes_back", Linux(5, 17, LOOP)),
    ("perf::a_cpu_goes_while_it_is_polled", Matrix("takes a CPU away")),
    ("perf::a_cpu_goes_while_it_is_polled", SpareCpu),
    ("perf::losses_of_a_cpu_that_went_are_kept", Matrix("takes a CPU away")),
    ("perf::losses_of_a_cpu_that_went_are_kept", SpareCpu),
    ("perf::a_damaged_ring_is_opened_anew", Linux(5, 17, LOOP)),
    ("perf::short_and_long_samples", Linux(5, 17, LOOP)),
    ("callbacks::", Linux(5, 17, LOOP)),
    ("faults::", Linux(5, 17, LOOP)),
    ("soak::", Linux(5, 17, LOOP)),
    ("functions::", Matrix("hooks functions of the kernel")),
    ("functions::of_the_kernel", Linux(5, 15, "the cookie of a probe")),
    ("functions::many_of_the_kernel", Linux(6, 12, "CONFIG_FPROBE of Debian's kernels")),
    ("functions::system_calls", Linux(5, 15, "the cookie of a probe")),
    ("order::an_order_among_programs_of_an_interface", Linux(6, 6, "tcx")),
    ("order::an_order_among_programs_of_a_netkit_pair", Linux(6, 7, "netkit")),
    ("order::an_order_among_programs_of_a_netkit_pair", Netkit),
    ("settings::values_that_do_not_fit", Here("configuration of its kernel")),
    ("order::an_order_among_programs_of_a_cgroup", Linux(6, 17, "an order among the programs of a cgroup")),
    ("netfilter::", Linux(6, 4, "programs on netfilter")),
    ("hooks::many_functions_of_this_program", Linux(6, 6, "probes of many functions")),
    ("links::a_pinned_probe_goes_on", Linux(5, 15, "links of perf events")),
    ("links::tables_are_replaced", Linux(6, 4, "links of struct_ops")),
    ("missing::modules_of_filters", Matrix("removes modules of the kernel")),
    ("missing::types_of_the_kernel", Matrix("hides what the kernel shows")),
    ("missing::file_systems", Matrix("unmounts file systems")),
    ("privileges::a_kernel_that_is_locked_down", Matrix("locks the kernel down")),
    ("privileges::a_machine_that_is_set_up_for_users", Matrix("changes settings of the kernel")),
    ("privileges::a_token", Linux(6, 9, "BPF tokens")),
    ("hooks::a_program_that_is_only_run", Linux(5, 14, "programs that are system calls")),
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
