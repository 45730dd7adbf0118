//! What tests need of a machine that not every one has. They are reported as ignored there, with the reason.

use std::fs;

use Need::{Before, Cargo, Linux};

/// Something that not every machine has.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// What kernels have from this version on.
    Linux(u32, u32, &'static str),
    /// A kernel that lacks what came with this version.
    Before(u32, u32, &'static str),
    /// Cargo, and the sources.
    Cargo,
}

const USER_RING: &str = "the ring buffer that programs read, of the fixture `newer`,";

/// Each test that needs something, or all of a module whose name ends with `::`.
const NEEDS: &[(&str, Need)] = &[
    ("bootstrap::the_demo_shows_its_own_processes", Cargo),
    ("variables::variables_in_an_arena", Linux(6, 9, "arenas")),
    ("errors::an_arena_that_is_too_small", Linux(6, 9, "arenas")),
    ("readers::what_programs_count_is_lost", Linux(5, 17, "bpf_loop, of the fixture `flood`,")),
    // All three are in one fixture.
    ("commands::", Linux(6, 1, USER_RING)),
    ("maps::bloom_filters", Linux(6, 1, USER_RING)),
    ("maps::storage_of_tasks", Linux(6, 1, USER_RING)),
    ("programs::cookies_reach_programs", Linux(5, 15, "the cookie of a probe")),
    ("programs::tcx_on_an_interface", Linux(6, 6, "tcx")),
    ("programs::tcx_before_linux_6_6", Before(6, 6, "tcx")),
];

/// Looks at the machine, once for all tests.
pub(crate) struct Machine {
    release: String,
    version: (u32, u32),
}

impl Machine {
    pub(crate) fn this() -> Machine {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("procfs is mounted").trim().to_owned();
        let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map_while(|digits| digits.parse().ok());
        let version = numbers.next().zip(numbers.next()).expect("a release begins with the version");
        Machine { release, version }
    }

    /// Why the test cannot run here.
    pub(crate) fn lacks(&self, test: &str) -> Option<String> {
        let of_test = NEEDS.iter().filter(|(name, _)| *name == test || (name.ends_with("::") && test.starts_with(name)));
        of_test.map(|(_, need)| need).find_map(|need| match *need {
            Linux(major, minor, what) if self.version < (major, minor) => {
                Some(format!("{what} came with Linux {major}.{minor}, this is {}", self.release))
            }
            Before(major, minor, what) if self.version >= (major, minor) => Some(format!("this kernel has {what}")),
            Cargo if eunomia_vm::kernel().is_some() => Some("the virtual machine has no cargo".to_owned()),
            Linux(..) | Before(..) | Cargo => None,
        })
    }
}

/// A need of a test that is no longer there would ignore nothing.
pub(crate) fn check(tests: impl Iterator<Item = &'static str> + Clone) {
    for (name, _) in NEEDS {
        assert!(tests.clone().any(|test| test == *name || (name.ends_with("::") && test.starts_with(name))), "no test is called {name}");
    }
}
