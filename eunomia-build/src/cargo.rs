//! What a build script and cargo tell each other: the architecture, the files that the output depends
//! on, and warnings.

use std::{
    env,
    path::{Path, PathBuf},
};

use eunomia_runtime::{__private::one_line, Skeleton, error::Diagnostic};

/// Tells cargo, if this is a build script, to run the script again if one of the files changes.
pub(crate) fn watch(files: &[PathBuf]) {
    if env::var_os("OUT_DIR").is_some() {
        files
            .iter()
            .for_each(|file| println!("cargo::rerun-if-changed={}", watched(file).display()));
    }
}

/// Tells cargo, if this is a build script, to run the script again if one of the environment
/// variables changes.
#[cfg(feature = "compile")]
pub(crate) fn watch_environment(names: &[&str]) {
    if env::var_os("OUT_DIR").is_some() {
        names.iter().for_each(|name| println!("cargo::rerun-if-env-changed={name}"));
    }
}

/// Returns the file, or its directory if the file's name cannot be passed to cargo: a name must be
/// one line of UTF-8.
fn watched(file: &Path) -> &Path {
    match file.to_str() {
        Some(name) if !name.contains(['\n', '\r']) => file,
        _ => {
            file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
        }
    }
}

/// Prints clang's warnings as warnings of cargo, or to standard error outside of a build script.
pub(crate) fn warn(text: &str) {
    match env::var_os("OUT_DIR") {
        Some(_) => text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .for_each(|line| println!("cargo::warning={}", one_line(line))),
        None => eprint!("{text}"),
    }
}

/// Gives warnings of keys that mean nothing to `warn`, a line for each.
pub(crate) fn report(skeleton: &Skeleton, warnings: Vec<Diagnostic>, warn: &mut dyn FnMut(&str)) {
    for warning in warnings {
        warn(&format!("{}\n", skeleton.diagnostics(vec![warning])));
    }
}

/// Returns the architecture of the build, or of this machine outside of a build script.
pub(crate) fn target_arch() -> String {
    // Cargo sets it for build scripts.
    env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_else(|_| env::consts::ARCH.to_owned())
}
