//! Looks up attach targets in the kernel and in files.

use std::{io, path::Path};

#[cfg(feature = "dynamic")]
use super::super::{binary, list};
use super::{
    super::{
        Kernel,
        pattern::matches_pattern,
        preflight::tracefs,
        similar::similar,
        symbols::{folders, is_forbidden, is_module, traceable},
    },
    Finding,
};
use crate::Hint;

pub(super) const OTHER_TARGET: &str = "name a target that this kernel has";
#[cfg(feature = "dynamic")]
const INSTALL: &str = "install the file, or name another";
const AS_ROOT: &str = "run this as root";

/// Formats `did you mean ..?`, or returns the alternative.
fn suggestion(similar: &[&str], otherwise: &'static str) -> Hint {
    if similar.is_empty() {
        return otherwise.into();
    }
    let names: Vec<String> = similar.iter().map(|name| format!("`{name}`")).collect();
    format!("did you mean {}?", names.join(" or ")).into()
}

/// Looks up a tracepoint, which has a directory in tracefs.
pub(super) fn tracepoint(target: &str) -> Finding {
    let root = tracefs();
    if !root.ok {
        let why = format!("tracefs is {}", root.found);
        return if root.found.contains("not readable") {
            Finding::Untold(why, root.todo)
        } else {
            Finding::Missing(why, root.todo)
        };
    }
    let root = Path::new(&root.found);
    let place = root.join(target).join("id");
    match std::fs::metadata(&place) {
        Ok(_) => Finding::There(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Finding::Untold(format!("{}: {error}", place.display()), AS_ROOT.into())
        }
        Err(_) => {
            let why = format!("not in {}", root.display());
            let (category, name) = target.split_once('/').unwrap_or((target, ""));
            let categories = folders(root);
            if categories.iter().any(|known| known == category) {
                let names = folders(&root.join(category));
                return Finding::Missing(
                    why,
                    suggestion(&similar(name, names.iter().map(String::as_str)), OTHER_TARGET),
                );
            }
            let elsewhere: Vec<String> = categories
                .iter()
                .filter(|other| root.join(other).join(name).is_dir())
                .map(|other| format!("{other}/{name}"))
                .collect();
            let near = similar(category, categories.iter().map(String::as_str));
            let todo = if !elsewhere.is_empty() {
                suggestion(&elsewhere.iter().map(String::as_str).collect::<Vec<_>>(), OTHER_TARGET)
            } else if is_module(category) {
                format!("the module {category} is installed but not loaded: `modprobe {category}`")
                    .into()
            } else {
                suggestion(&near, OTHER_TARGET)
            };
            Finding::Missing(why, todo)
        }
    }
}

/// Finishes a lookup in BTF; a miss suggests symbols with this prefix.
pub(super) fn in_types(kernel: &Kernel, prefix: &str, name: &str, there: Option<bool>) -> Finding {
    match there {
        Some(true) => Finding::There(None),
        Some(false) => {
            let symbols = kernel.symbols.all().ok();
            let names = symbols
                .iter()
                .flat_map(|symbols| symbols.keys())
                .filter_map(|symbol| symbol.strip_prefix(prefix));
            // `sched/sched_switch` is the form of the other kind of tracepoint.
            let short = name.rsplit_once('/').map(|(_, short)| short);
            let short = short.filter(|short| names.clone().any(|known| known == *short));
            let similar = short.map_or_else(|| similar(name, names), |short| vec![short]);
            Finding::Missing(
                "not in the kernel's BTF".to_owned(),
                suggestion(&similar, OTHER_TARGET),
            )
        }
        None => Finding::Untold(
            "cannot read the kernel's BTF".to_owned(),
            "see `kernel BTF` above".into(),
        ),
    }
}

/// Looks up a function in the kernel's BTF.
pub(super) fn traced(kernel: &Kernel, target: &str) -> Finding {
    let (module, name) =
        target.split_once(':').map_or((None, target), |(module, name)| (Some(module), name));
    // libbpf searches only that module.
    let module = module.filter(|module| *module != "vmlinux");
    if let Some(module) =
        module.filter(|module| !Path::new("/sys/module").join(module.replace('-', "_")).exists())
    {
        let todo = if is_module(module) {
            format!("`modprobe {module}`")
        } else {
            "this kernel has no such module".to_owned()
        };
        return Finding::Missing(format!("the module {module} is not loaded"), todo.into());
    }
    let finding = in_types(kernel, "", name, kernel.has_function(name));
    let Finding::Missing(why, todo) = finding else { return finding };
    match kernel.symbols.all() {
        Ok(symbols) if symbols.contains_key(name) => Finding::Missing(
            "the kernel has this function, but its BTF does not, since it omits functions that it cannot describe".to_owned(),
            "use a kprobe, or a function that calls it".into(),
        ),
        _ => Finding::Missing(why, todo),
    }
}

/// Looks up a function in the kernel's symbols.
pub(super) fn kprobe(kernel: &Kernel, function: &str, offset: &str) -> Finding {
    match symbol(kernel, function, &[""]) {
        Finding::There(_) if is_forbidden(function) => Finding::Missing(
            "the kernel forbids probes in it (/sys/kernel/debug/kprobes/blacklist)".to_owned(),
            "probe a function that calls it".into(),
        ),
        Finding::There(_) if !offset.is_empty() => Finding::Untold(
            format!(
                "the function exists; only the kernel knows whether an instruction begins at {offset}"
            ),
            "attach the programs to find out".into(),
        ),
        finding => finding,
    }
}

/// Looks up a symbol with any of these prefixes.
pub(super) fn symbol(kernel: &Kernel, name: &str, before: &[&str]) -> Finding {
    match kernel.symbols.all() {
        Ok(symbols)
            if before.iter().any(|before| symbols.contains_key(&format!("{before}{name}"))) =>
        {
            Finding::There(None)
        }
        Ok(symbols) => {
            let names = || {
                symbols.keys().flat_map(|symbol| {
                    before.iter().filter_map(move |before| symbol.strip_prefix(before))
                })
            };
            let names: Vec<&str> = names().collect();
            Finding::Missing(
                "not in /proc/kallsyms".to_owned(),
                suggestion(&similar(name, names.into_iter()), OTHER_TARGET),
            )
        }
        Err(error) => Finding::Untold(format!("/proc/kallsyms: {error}"), AS_ROOT.into()),
    }
}

/// Looks up functions by a pattern: libbpf attaches to those that can be traced.
pub(super) fn kprobes(kernel: &Kernel, pattern: &str) -> Finding {
    let is = |name: &str| matches_pattern(name, pattern);
    match kernel.symbols.all() {
        Ok(symbols) if !symbols.keys().any(|name| is(name)) => {
            Finding::Missing("not in /proc/kallsyms".to_owned(), OTHER_TARGET.into())
        }
        Ok(_) if traceable(is) == Some(false) => Finding::Missing(
            "no matching function is in available_filter_functions of tracefs".to_owned(),
            OTHER_TARGET.into(),
        ),
        Ok(_) => Finding::There(None),
        Err(error) => Finding::Untold(format!("/proc/kallsyms: {error}"), AS_ROOT.into()),
    }
}

#[cfg(feature = "dynamic")]
pub(super) fn in_file(
    kernel: &Kernel,
    file: &str,
    look: impl FnOnce(&binary::Binary) -> binary::Answer,
) -> Finding {
    use binary::Answer;

    match kernel.binaries.look(file, look) {
        Answer::There(place) => Finding::There(Some(place)),
        Answer::NoFile(why) => Finding::Missing(why, INSTALL.into()),
        Answer::Missing { why, near, all } => {
            let todo = if near.is_empty() && !all.is_empty() {
                format!("the file has {}", list(all.iter().map(String::as_str))).into()
            } else {
                suggestion(&near.iter().map(String::as_str).collect::<Vec<_>>(), INSTALL)
            };
            Finding::Missing(why, todo)
        }
        Answer::Untold(why) => Finding::Untold(why, "attach the programs to find out".into()),
    }
}
