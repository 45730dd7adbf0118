//! Advice that names calls to callers of the library and options to users of the command. It
//! becomes a [`Hint`], which keeps both wordings.

use std::fmt;

use crate::Hint;

/// Advice that a caller follows by a call, and a user of the command by an option.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Advice<'a> {
    /// Set the number of entries of a map.
    Entries { map: &'a str },
    /// Define the inner map of a map of maps.
    InnerMap { map: &'a str },
    /// Name the target of a program before it is loaded.
    TargetToLoad { program: &'a str },
    /// Name the target of a program.
    Target { program: &'a str },
    /// Leave out a program.
    Without { program: &'a str },
    /// Leave out programs.
    #[cfg(feature = "dynamic")]
    WithoutPrograms,
    /// Give the program a type.
    Type { program: &'a str },
    /// Attach an XDP program in generic mode.
    GenericXdp { program: &'a str, interface: &'a str },
    /// Open with a file that holds the kernel's BTF.
    KernelBtf,
    /// Mount a file system, by a command or by the function in
    /// [`bpf::mount`](crate::host::mount).
    Mount { by_hand: &'a str, function: &'a str, option: bool },
    /// Give capabilities to the process, in the notation of setcap(8).
    Capabilities { setcap: &'a str },
    /// Ask what works on this machine.
    Preflight,
}

impl From<Advice<'_>> for Hint {
    fn from(advice: Advice<'_>) -> Self {
        let (library, command) = advice.wordings();
        Self::worded(library, command)
    }
}

impl Advice<'_> {
    /// Returns the advice as a hint that begins with the reason for it.
    pub(crate) fn because(self, why: impl fmt::Display) -> Hint {
        Hint::from(self).after(format_args!("{why}: "))
    }

    /// Returns the wording for callers of the library and that for users of the command. Both are
    /// kept, because the library does not know which is needed until the text is shown.
    fn wordings(self) -> (String, String) {
        let both = |text: String| (text.clone(), text);
        match self {
            Self::Entries { map } => (
                format!("set the number of entries before loading, `set_max_entries(\"{map}\", ..)`"),
                format!("set the number of entries with `--map {map}=ENTRIES`"),
            ),
            Self::InnerMap { map } => (
                format!("define its inner map before loading, `set_inner_map(\"{map}\", ..)`, or in the source, `__array(values, ..)`"),
                "define its inner map in the source, `__array(values, ..)`".to_owned(),
            ),
            Self::TargetToLoad { program } => (
                format!("name the target before loading, `program(\"{program}\")?.set_attach_target(..)`, or in the section"),
                format!("name the target with `--attach {program}=TARGET`"),
            ),
            Self::Target { program } => (
                format!(
                    "call `attach_to` on the handle of `{program}`, and exclude it from `attach` with `set_autoattach(false)` before loading"
                ),
                format!("name the target with `--attach {program}=TARGET`"),
            ),
            Self::Without { program } => (
                format!("leave the program out before loading, `program(\"{program}\")?.set_autoload(false)`"),
                format!("leave the program out with `--without {program}`"),
            ),
            #[cfg(feature = "dynamic")]
            Self::WithoutPrograms => (
                "leave out the programs that need it, with `set_autoload(false)` before loading".to_owned(),
                "leave out the programs that need it, with `--without PROGRAM`".to_owned(),
            ),
            Self::Type { program } => {
                both(format!("give `{program}` a section name that libbpf knows, for example `tp/sched/sched_switch`"))
            }
            Self::GenericXdp { program, interface } => (
                "generic mode works on any interface: `XdpMode::Generic`, or `XdpMode::Best`, which falls back to it".to_owned(),
                format!("generic mode works on any interface: `--attach {program}=xdp:{interface}:generic`"),
            ),
            Self::KernelBtf => (
                "provide a file with the BTF of exactly this kernel: `open_for`, or the environment variable BTF_FILE_PATH".to_owned(),
                "provide a file with the BTF of exactly this kernel: `--btf FILE`, or the environment variable BTF_FILE_PATH".to_owned(),
            ),
            Self::Mount { by_hand, function, option } => {
                let command = if option { format!("{by_hand}, or `--mount`") } else { by_hand.to_owned() };
                (format!("{by_hand} or `bpf::mount::{function}()`"), command)
            }
            Self::Capabilities { setcap } => (
                format!(
                    "run it as root or, if it loads only its own programs, run `setcap {setcap}+ep` on its file, which lets every \
                     user of the machine do what it does"
                ),
                // A command that loads whatever it is given must never get capabilities from its
                // file.
                "run it as root (`sudo`), or give it these as ambient capabilities of a service (`AmbientCapabilities=`, setpriv(1))"
                    .to_owned(),
            ),
            Self::Preflight => (
                "`eunomia_runtime::preflight()`, or the command `eunomia doctor`, reports what works here".to_owned(),
                "`eunomia doctor` reports what works here".to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_wordings_keep_the_reason() {
        let hint = Advice::Entries { map: "counts" }.because("its max_entries is 0");
        assert_eq!(
            hint,
            "its max_entries is 0: set the number of entries before loading, `set_max_entries(\"counts\", ..)`"
        );
        let command = "its max_entries is 0: set the number of entries with `--map counts=ENTRIES`";
        assert_eq!(hint.for_command(), command);
        let neutral = Hint::from("boot with lsm=..,bpf");
        assert_eq!(neutral.for_command(), &*neutral);
    }

    /// Such capabilities would let every local user load any program.
    #[test]
    fn command_hint_never_suggests_setcap() {
        let hint = Advice::Capabilities { setcap: "cap_bpf" }.because("this process lacks CAP_BPF");
        assert!(hint.contains("setcap cap_bpf+ep"), "{hint}");
        assert!(!hint.for_command().contains("setcap"), "{}", hint.for_command());
    }
}
