//! The kernel's symbols, and which of them can be probed.

use std::{
    cell::OnceCell,
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::host::mount::OF_TRACEPOINTS;

/// The symbols in `/proc/kallsyms`, read once on first use.
#[derive(Default)]
pub(crate) struct Symbols {
    all: OnceCell<io::Result<HashMap<String, usize>>>,
}

impl Symbols {
    /// Returns the symbols, including those of modules, with the number of symbols of each name.
    pub(crate) fn all(&self) -> Result<&HashMap<String, usize>, &io::Error> {
        let read = || {
            let text = fs::read("/proc/kallsyms")?;
            let mut names = HashMap::new();
            for line in text.split(|byte| *byte == b'\n') {
                // `address type name`, then `[module]` after a tab.
                let Some(name) =
                    line.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty()).nth(2)
                else {
                    continue;
                };
                *names.entry(String::from_utf8_lossy(name).into_owned()).or_default() += 1;
            }
            Ok(names)
        };
        self.all.get_or_init(read).as_ref()
    }
}

/// The list of functions that must not be probed.
pub(super) const FORBIDDEN: &str = "/sys/kernel/debug/kprobes/blacklist";

/// Returns whether the kernel forbids probes in a function; false if this user cannot read the
/// list.
pub(super) fn is_forbidden(function: &str) -> bool {
    let list = fs::read_to_string(FORBIDDEN).unwrap_or_default();
    // `0xffffffff81000000-0xffffffff81000010	function`
    list.lines().any(|line| line.split_whitespace().nth(1) == Some(function))
}

/// Returns whether a traceable function satisfies the predicate, or `None` if tracefs cannot be
/// read.
pub(super) fn traceable(is: impl Fn(&str) -> bool) -> Option<bool> {
    let list =
        fs::read_to_string(OF_TRACEPOINTS.mounted()?.join("available_filter_functions")).ok()?;
    // `function [module]`
    Some(list.lines().filter_map(|line| line.split_whitespace().next()).any(is))
}

/// Returns the directories of tracepoints, or of their categories.
pub(super) fn folders(place: &Path) -> Vec<String> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|ty| ty.is_dir()));
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

/// Returns whether the running kernel has an installed module of this name. If something that it
/// provides is missing, the module is not loaded.
pub(super) fn is_module(name: &str) -> bool {
    let folder = PathBuf::from("/lib/modules").join(crate::host::running::release());
    let Ok(list) = fs::read_to_string(folder.join("modules.dep")) else { return false };
    // File names may contain either character.
    let plain = |text: &str| text.replace('-', "_");
    let files = list.lines().filter_map(|line| line.split(':').next()?.rsplit('/').next());
    files.filter_map(|file| file.split_once(".ko")).any(|(module, _)| plain(module) == plain(name))
}
