//! What a build script tells cargo: the files that it depends on, and warnings.

use std::{
    env,
    path::{Path, PathBuf},
};

use eunomia_runtime::__private::one_line;

/// Tells cargo, if this is a build script, to run the script again if one of the files changes.
pub(crate) fn watch(files: &[PathBuf]) {
    if env::var_os("OUT_DIR").is_some() {
        files
            .iter()
            .for_each(|file| println!("cargo::rerun-if-changed={}", watched(file).display()));
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
