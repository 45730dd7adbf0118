//! What to do about a refusal, in the words of the library and in those of the command.

use std::{borrow::Cow, fmt, ops::Deref};

/// What to do about a refusal, or about something that is missing.
///
/// As a text it speaks to those who call this library. Those who use the command `eunomia` have options in place of calls:
/// [`Self::for_command`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hint {
    library: Cow<'static, str>,
    /// Only if it differs.
    command: Option<String>,
}

impl Hint {
    /// Returns the text for users of the command `eunomia`.
    pub fn for_command(&self) -> &str {
        self.command.as_deref().unwrap_or(&self.library)
    }

    /// A reason and what to do about it.
    #[cfg(feature = "load")]
    pub(crate) fn of(why: impl fmt::Display, advice: Advice<'_>) -> Self {
        Self::from(advice).after(format_args!("{why}: "))
    }

    /// This hint after another text.
    #[cfg(feature = "load")]
    pub(crate) fn after(self, text: impl fmt::Display) -> Self {
        let command = self.command.map(|command| format!("{text}{command}"));
        Self { library: format!("{text}{}", self.library).into(), command }
    }
}

impl Deref for Hint {
    type Target = str;

    fn deref(&self) -> &str {
        &self.library
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl PartialEq<&str> for Hint {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self { library: text.into(), command: None }
    }
}

impl From<&'static str> for Hint {
    fn from(text: &'static str) -> Self {
        Self { library: text.into(), command: None }
    }
}

/// What this crate can do, which its callers ask for by a call and users of the command by an option.
#[cfg(feature = "load")]
#[derive(Debug, Clone, Copy)]
pub(crate) enum Advice<'a> {
    /// Set the entries of a map.
    Entries { map: &'a str },
    /// Say how the maps in a map of maps are made.
    InnerMap { map: &'a str },
    /// Name the target of a program before it is loaded.
    TargetToLoad { program: &'a str },
    /// Name the target of a program.
    Target { program: &'a str },
    /// Leave a program out.
    Without { program: &'a str },
    /// Leave programs out.
    #[cfg(feature = "dynamic")]
    WithoutPrograms,
    /// Say of which type a program is.
    Type { program: &'a str },
    /// Attach an XDP program in generic mode.
    GenericXdp { program: &'a str, interface: &'a str },
    /// Open with a file of the kernel's BTF.
    KernelBtf,
    /// Mount a file system; by hand, and by the function of [`bpf::mount`](crate::diagnosis::mount).
    Mount { by_hand: &'a str, function: &'a str, option: bool },
    /// Give the process capabilities, as setcap(8) has them.
    Capabilities { setcap: &'a str },
    /// Ask what works.
    Preflight,
}

#[cfg(feature = "load")]
impl From<Advice<'_>> for Hint {
    fn from(advice: Advice<'_>) -> Self {
        let (library, command) = advice.words();
        Self { library: library.into(), command: Some(command) }
    }
}

#[cfg(feature = "load")]
impl Advice<'_> {
    /// In the words of the library and of the command. The library does not know that it serves the command until the text is shown.
    fn words(self) -> (String, String) {
        let both = |text: String| (text.clone(), text);
        match self {
            Self::Entries { map } => (
                format!("set the number of entries before loading, `set_max_entries(\"{map}\", ..)`"),
                format!("set the number of entries with `--map {map}=ENTRIES`"),
            ),
            Self::InnerMap { map } => (
                format!("give it one before loading, `set_inner_map(\"{map}\", ..)`, or declare it in the source, `__array(values, ..)`"),
                "declare it in the source, `__array(values, ..)`".to_owned(),
            ),
            Self::TargetToLoad { program } => (
                format!("name it before loading, `program(\"{program}\")?.set_attach_target(..)`, or in the section"),
                format!("name it with `--attach {program}=TARGET`"),
            ),
            Self::Target { program } => (
                format!(
                    "call `attach_to` of the handle of `{program}`, and keep `attach` from trying with `set_autoattach(false)` before loading"
                ),
                format!("name it with `--attach {program}=TARGET`"),
            ),
            Self::Without { program } => (
                format!("leave the program out before loading, `program(\"{program}\")?.set_autoload(false)`"),
                format!("leave the program out with `--without {program}`"),
            ),
            #[cfg(feature = "dynamic")]
            Self::WithoutPrograms => (
                "leave out what needs it, with `set_autoload(false)` before loading".to_owned(),
                "leave out what needs it, with `--without PROGRAM`".to_owned(),
            ),
            Self::Type { program } => {
                both(format!("name the section of `{program}` as libbpf has it, `tp/sched/sched_switch` for example"))
            }
            Self::GenericXdp { program, interface } => (
                "generic mode works on any interface: `XdpMode::Generic`, or `XdpMode::Best`, which falls back to it".to_owned(),
                format!("generic mode works on any interface: `--attach {program}=xdp:{interface}:generic`"),
            ),
            Self::KernelBtf => (
                "give it a file with the BTF of this very kernel: `open_for`, or the environment variable BTF_FILE_PATH".to_owned(),
                "give it a file with the BTF of this very kernel: `--btf FILE`, or the environment variable BTF_FILE_PATH".to_owned(),
            ),
            Self::Mount { by_hand, function, option } => {
                let command = if option { format!("{by_hand}, or `--mount`") } else { by_hand.to_owned() };
                (format!("{by_hand} or `bpf::mount::{function}()`"), command)
            }
            Self::Capabilities { setcap } => (
                format!(
                    "run it as root, or, if it loads no programs but its own, `setcap {setcap}+ep` its file, which gives every user of \
                     the machine what it does"
                ),
                // A command that loads whatever it is given must never have them of its file.
                "run it as root (`sudo`), or with these as ambient capabilities of a service (`AmbientCapabilities=`, setpriv(1))"
                    .to_owned(),
            ),
            Self::Preflight => (
                "`eunomia_runtime::preflight()`, or the command `eunomia doctor`, tells what works here".to_owned(),
                "`eunomia doctor` tells what works here".to_owned(),
            ),
        }
    }
}

#[cfg(all(test, feature = "load"))]
mod tests {
    use super::*;

    #[test]
    fn both_wordings_keep_the_reason() {
        let hint = Hint::of("its max_entries is 0", Advice::Entries { map: "counts" });
        assert_eq!(hint, "its max_entries is 0: set the number of entries before loading, `set_max_entries(\"counts\", ..)`");
        let command = "its max_entries is 0: set the number of entries with `--map counts=ENTRIES`";
        assert_eq!(hint.for_command(), command);
        let neutral = Hint::from("boot with lsm=..,bpf");
        assert_eq!(neutral.for_command(), &*neutral);
    }

    /// It would hand every local user whatever programs that user likes.
    #[test]
    fn the_command_is_given_no_capabilities_of_its_file() {
        let hint = Hint::of("this process lacks CAP_BPF", Advice::Capabilities { setcap: "cap_bpf" });
        assert!(hint.contains("setcap cap_bpf+ep"), "{hint}");
        assert!(!hint.for_command().contains("setcap"), "{}", hint.for_command());
    }
}
