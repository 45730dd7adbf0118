//! What objects take from the kernel by name: its configuration (`.kconfig`), its functions and variables (`.ksyms`).

use std::collections::HashSet;

use super::{Kernel, list, place::Finding, similar::similar};
use crate::{Hint, bpf::running::configuration};

const WEAK: &str = "declare them __weak, which makes them 0 where they are not set";

/// Whether the kernel's configuration has these settings (`CONFIG_HZ`), which an object cannot do without.
pub(crate) fn settings<'a>(names: impl Iterator<Item = &'a str>) -> Finding {
    let (path, text) = match configuration() {
        Ok(found) => found,
        Err(why) => {
            let todo =
                "libbpf does not load the object without it: the kernel needs CONFIG_IKCONFIG_PROC, or its configuration a file in /boot";
            return Finding::Missing(why, todo.into());
        }
    };
    let set: HashSet<&str> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let unset: Vec<&str> = names.filter(|name| !set.contains(name)).collect();
    if unset.is_empty() {
        return Finding::There(Some(path));
    }
    Finding::Missing(format!("{path} does not set {}", list(unset.into_iter())), format!("libbpf does not load the object: {WEAK}").into())
}

/// Why libbpf did not load an object that takes something by name, going by what it said.
pub(crate) fn reason(said: &str) -> Option<Hint> {
    let quoted = |before: &str, behind: &str| said.split_once(before)?.1.split_once(behind).map(|(name, _)| name);
    if said.contains("failed to open system Kconfig") {
        return unset("");
    }
    if let Some(hint) = said.lines().find_map(unfit) {
        return Some(hint);
    }
    let strong = said.lines().find_map(|line| line.split_once("extern '")?.1.split_once("' (strong): not resolved").map(|(name, _)| name));
    match strong {
        Some(name) if name.starts_with("CONFIG_") => return unset(name),
        Some(name) => return Some(unknown("symbol", name, "/proc/kallsyms")),
        None => {}
    }
    if let Some(name) = quoted("extern (func ksym) '", "': func_proto") {
        let why = "the kernel declares it in another way: compile with the vmlinux.h of a kernel like this one";
        return Some(format!("function `{name}`: {why}").into());
    }
    let variable = quoted("extern (var ksym) '", "': not found in kernel BTF").map(|name| ("variable", name));
    let (what, name) = variable.or_else(|| quoted("extern (func ksym) '", "': not found in kernel").map(|name| ("function", name)))?;
    Some(unknown(what, name, "the types of this kernel or of a module that is loaded"))
}

/// What to do about a setting whose value does not fit the type that the object declares, if a line of libbpf says so:
/// `extern (kcfg) 'CONFIG_HZ': value '250' isn't boolean compatible`.
fn unfit(said: &str) -> Option<Hint> {
    let (name, rest) = said.split_once("extern (kcfg) '")?.1.split_once("': value '")?;
    // Texts may have quotes of their own.
    let (value, why) = rest.rsplit_once("' ")?;
    let todo = if why.starts_with("doesn't fit") {
        format!("`extern unsigned long {name} __kconfig`, a wider integer")
    } else if value.starts_with('"') {
        // The quotes are not part of the text, which ends with a NUL.
        format!("`extern char {name}[{}] __kconfig`, a text", value.len().saturating_sub(1))
    } else {
        match value {
            "y" | "n" => format!("`extern bool {name} __kconfig`"),
            "m" => format!("`extern enum libbpf_tristate {name} __kconfig`"),
            _ => format!("`extern unsigned long {name} __kconfig`, an integer"),
        }
    };
    Some(format!("kernel configuration: {name} is {value}, which the declared type cannot hold: declare it {todo}").into())
}

fn unset(name: &str) -> Option<Hint> {
    match settings([name].into_iter().filter(|name| !name.is_empty())) {
        Finding::Missing(why, todo) => Some(todo.after(format_args!("kernel configuration: {why}; "))),
        _ => None,
    }
}

fn unknown(what: &str, name: &str, place: &str) -> Hint {
    let kernel = Kernel::default();
    let names = kernel.symbols.all();
    let near = names.map(|symbols| similar(name, symbols.keys().map(String::as_str))).unwrap_or_default();
    let near = if near.is_empty() { String::new() } else { format!(" (there is `{}`)", near.join("`, `")) };
    format!(
        "the {what} `{name}` is not in {place}{near}: declare it __weak and ask for it (bpf_ksym_exists) before it is used, load the module that \
         has it, or run a kernel that does"
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_do_not_fit() {
        for (said, todo) in [
            (
                "value '250' isn't boolean compatible",
                "is 250, which the declared type cannot hold: declare it `extern unsigned long CONFIG_X __kconfig`, an integer",
            ),
            (
                "value '250' doesn't fit in 1 bytes",
                "is 250, which the declared type cannot hold: declare it `extern unsigned long CONFIG_X __kconfig`, a wider integer",
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
            let hint = reason(&format!("libbpf: extern (kcfg) 'CONFIG_X': {said}\nlibbpf: another line"));
            assert_eq!(hint.as_deref(), Some(format!("kernel configuration: CONFIG_X {todo}").as_str()), "{said}");
        }
        assert_eq!(reason("extern (kcfg) 'CONFIG_X': set to 5"), None);
    }
}
