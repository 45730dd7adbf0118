//! Externs of objects: the kernel's configuration (`.kconfig`), and its functions and variables
//! (`.ksyms`).

use std::collections::HashMap;

use crate::{
    Hint,
    diagnosis::{Kernel, list, place::Finding, similar::similar},
    host::running::configuration,
};

const WEAK: &str = "declare them __weak, which makes them 0 if they are not set";

/// A configuration option that an object reads: `CONFIG_HZ`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    pub(crate) name: &'a str,
    /// True if the object works without it.
    pub(crate) weak: bool,
    /// The declared type, or `None` if it is not known here.
    pub(crate) holds: Option<Holds>,
}

/// What a declared variable of `.kconfig` can hold, `enum kcfg_type` of libbpf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "dynamic"),
    allow(dead_code, reason = "the types of an object's variables are read by the doctor")
)]
pub(crate) enum Holds {
    /// `bool`.
    Switch,
    /// `enum libbpf_tristate`.
    Tristate,
    /// An array of `char`.
    Text,
    /// An integer of this many bytes. An integer of one byte is a `char`, which also holds the
    /// letter of a switch.
    Number { size: u32, signed: bool },
}

impl Holds {
    /// Returns true if libbpf stores the value in a variable of this type: `set_kcfg_value_tri` and
    /// the related functions.
    fn takes(self, value: &str) -> bool {
        match (value.as_bytes().first(), self) {
            (Some(b'm'), Self::Switch) => false,
            (Some(b'y' | b'n' | b'm'), held) => {
                matches!(held, Self::Switch | Self::Tristate | Self::Number { size: 1, .. })
            }
            (Some(b'"'), held) => held == Self::Text,
            (_, Self::Number { size, signed }) => {
                // Every number fits into 8 bytes.
                let Some((bits, number)) =
                    size.checked_mul(8).filter(|bits| *bits < 64).zip(number(value))
                else {
                    return true;
                };
                let number = if signed { number.wrapping_add(1 << (bits - 1)) } else { number };
                number >> bits == 0
            }
            _ => false,
        }
    }
}

/// Parses a number as `strtoull` does; `None` if the text is not one.
fn number(text: &str) -> Option<u64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let number = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    number.ok().map(|number| if negative { number.wrapping_neg() } else { number })
}

/// Checks that the kernel's configuration has these options and that their values fit the declared
/// types.
pub(crate) fn settings(requested: &[Setting<'_>]) -> Finding {
    let (path, text) = match configuration() {
        Ok(found) => found,
        Err(why) => {
            let todo = "libbpf does not load the object without it: the kernel needs CONFIG_IKCONFIG_PROC, or a configuration file in /boot";
            return Finding::Missing(why, todo.into());
        }
    };
    let set: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    for setting in requested {
        if let (Some(value), Some(holds)) = (set.get(setting.name), setting.holds)
            && !holds.takes(value)
        {
            let why = format!("{path}: {}", cannot_hold(setting.name, value));
            return Finding::Missing(
                why,
                format!(
                    "libbpf does not load the object: declare it {}",
                    declaration(setting.name, value)
                )
                .into(),
            );
        }
    }
    let unset: Vec<&str> = requested
        .iter()
        .filter(|setting| !setting.weak)
        .map(|setting| setting.name)
        .filter(|name| !set.contains_key(name))
        .collect();
    if unset.is_empty() {
        return Finding::There(Some(path));
    }
    Finding::Missing(
        format!("{path} does not set {}", list(unset.into_iter())),
        format!("libbpf does not load the object: {WEAK}").into(),
    )
}

/// Returns why libbpf did not load an object with externs, derived from its messages.
pub(crate) fn reason(messages: &str) -> Option<Hint> {
    let quoted = |before: &str, after: &str| {
        messages.split_once(before)?.1.split_once(after).map(|(name, _)| name)
    };
    if messages.contains("failed to open system Kconfig") {
        return unset("");
    }
    if let Some(hint) = messages.lines().find_map(unfit) {
        return Some(hint);
    }
    let strong = messages.lines().find_map(|line| {
        line.split_once("extern '")?.1.split_once("' (strong): not resolved").map(|(name, _)| name)
    });
    match strong {
        Some(name) if name.starts_with("CONFIG_") => return unset(name),
        Some(name) => return Some(unknown("symbol", name, "/proc/kallsyms")),
        None => {}
    }
    if let Some(name) = quoted("extern (func ksym) '", "': func_proto") {
        let why = "the kernel declares it with another prototype: compile with the vmlinux.h of a similar kernel";
        return Some(format!("function `{name}`: {why}").into());
    }
    let variable =
        quoted("extern (var ksym) '", "': not found in kernel BTF").map(|name| ("variable", name));
    let (what, name) = variable.or_else(|| {
        quoted("extern (func ksym) '", "': not found in kernel").map(|name| ("function", name))
    })?;
    Some(unknown(what, name, "the BTF of this kernel or of a loaded module"))
}

/// Returns the hint if a line of libbpf says that a value does not fit the declared type:
/// `extern (kcfg) 'CONFIG_HZ': value '250' isn't boolean compatible`.
fn unfit(line: &str) -> Option<Hint> {
    let (name, rest) = line.split_once("extern (kcfg) '")?.1.split_once("': value '")?;
    // String values may contain quotes.
    let (value, _) = rest.rsplit_once("' ")?;
    Some(
        format!(
            "kernel configuration: {}: declare it {}",
            cannot_hold(name, value),
            declaration(name, value)
        )
        .into(),
    )
}

fn cannot_hold(name: &str, value: &str) -> String {
    format!("{name} is {value}, which the declared type cannot hold")
}

/// Returns a declaration that can hold the value.
fn declaration(name: &str, value: &str) -> String {
    if value.starts_with('"') {
        // The quotes are not part of the string, which ends with a NUL.
        format!("`extern char {name}[{}] __kconfig`, a text", value.len().saturating_sub(1))
    } else {
        match value {
            "y" | "n" => format!("`extern bool {name} __kconfig`"),
            "m" => format!("`extern enum libbpf_tristate {name} __kconfig`"),
            _ => format!("`extern unsigned long {name} __kconfig`, an integer"),
        }
    }
}

fn unset(name: &str) -> Option<Hint> {
    let requested = Setting { name, weak: name.is_empty(), holds: None };
    match settings(&[requested]) {
        Finding::Missing(why, todo) => {
            Some(todo.after(format_args!("kernel configuration: {why}; ")))
        }
        _ => None,
    }
}

fn unknown(what: &str, name: &str, place: &str) -> Hint {
    let kernel = Kernel::default();
    let names = kernel.symbols.all();
    let near =
        names.map(|symbols| similar(name, symbols.keys().map(String::as_str))).unwrap_or_default();
    let near = if near.is_empty() {
        String::new()
    } else {
        format!(" (similar: `{}`)", near.join("`, `"))
    };
    format!(
        "the {what} `{name}` is not in {place}{near}: declare it __weak and check bpf_ksym_exists before using it, load the module that \
         has it, or run a kernel that does"
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfit_values_get_declaration() {
        for (messages, todo) in [
            (
                "value '250' isn't boolean compatible",
                "is 250, which the declared type cannot hold: declare it `extern unsigned long CONFIG_X __kconfig`, an integer",
            ),
            (
                "value '250' doesn't fit in 1 bytes",
                "is 250, which the declared type cannot hold: declare it `extern unsigned long CONFIG_X __kconfig`, an integer",
            ),
            (
                "value 'y' implies bool, tristate, or char type",
                "is y, which the declared type cannot hold: declare it `extern bool CONFIG_X __kconfig`",
            ),
            (
                "value 'm' implies tristate or char type",
                "is m, which the declared type cannot hold: declare it `extern enum libbpf_tristate CONFIG_X __kconfig`",
            ),
            (
                "value '\"it's\"' implies char array type",
                "is \"it's\", which the declared type cannot hold: declare it `extern char CONFIG_X[5] __kconfig`, a text",
            ),
        ] {
            let hint = reason(&format!(
                "libbpf: extern (kcfg) 'CONFIG_X': {messages}\nlibbpf: another line"
            ));
            assert_eq!(
                hint.as_deref(),
                Some(format!("kernel configuration: CONFIG_X {todo}").as_str()),
                "{messages}"
            );
        }
        assert_eq!(reason("extern (kcfg) 'CONFIG_X': set to 5"), None);
    }

    #[test]
    fn types_take_fitting_values() {
        use Holds::{Number, Switch, Text, Tristate};
        let number = |size, signed| Number { size, signed };
        for (value, holds, does_not) in [
            (
                "y",
                &[Switch, Tristate, number(1, false), number(1, true)][..],
                &[Text, number(4, true), number(8, false)][..],
            ),
            ("m", &[Tristate, number(1, true)], &[Switch, Text, number(4, true)]),
            ("\"text\"", &[Text], &[Switch, Tristate, number(1, true), number(8, true)]),
            ("1", &[number(1, true), number(8, false)], &[Switch, Tristate, Text]),
            ("250", &[number(1, false), number(2, true)], &[number(1, true)]),
            (
                "-1",
                &[number(1, true), number(4, true), number(8, false)],
                &[number(1, false), number(4, false)],
            ),
            (
                "0xdead000000000000",
                &[number(8, true), number(8, false)],
                &[number(4, true), number(4, false), Text, Switch],
            ),
        ] {
            for (expected, all) in [(true, holds), (false, does_not)] {
                for held in all {
                    assert_eq!(held.takes(value), expected, "{value} {held:?}");
                }
            }
        }
    }
}
