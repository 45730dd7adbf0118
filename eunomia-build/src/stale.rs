//! Whether a package is older than the C that it was made from.
//!
//! A package that is built here lists its sources and the headers beside them, each with a hash (`sources` of its metadata, by names
//! relative to the source's folder). Where the source stands beside the package, as in most projects, a change of it is noticed.

#[cfg(feature = "compile")]
use std::fs;
use std::path::{Component, Path, PathBuf};

#[cfg(feature = "compile")]
use eunomia_runtime::skeleton::model::Other;
use eunomia_runtime::{
    __private::read_file,
    Skeleton,
    fault::{Fault, Place},
};

/// The key of the list.
const SOURCES: &str = "sources";

/// What to do with C in the place of what is made from it.
pub const C_SOURCE: &str = "this is C, not a skeleton: give it to `Config::source` (feature `compile` of eunomia-build), or make the skeleton by \
                            `cargo eunomia build` and name that";

/// A larger file is no source.
const MAX_FILE: u64 = 64 << 20;
/// A package that lists more was not made here.
const MAX_FILES: usize = 4096;

/// What is known of the sources of a package.
#[derive(Debug, Default)]
pub struct Stale {
    /// The files that were looked at; a change of them may make the package stale.
    pub depends_on: Vec<PathBuf>,
    /// What is wrong.
    pub fault: Option<Fault>,
}

/// Holds the files beside a package against the ones that it was made from. `file` stands for the package in the command that is named.
pub fn stale(skeleton: &Skeleton, path: &Path, file: &str) -> Stale {
    let mut stale = Stale::default();
    let Some(sources) = skeleton.other.get(SOURCES).and_then(|sources| sources.as_object()) else { return stale };
    let folder = path.parent().unwrap_or(Path::new(""));
    let listed = sources.iter().take(MAX_FILES).filter_map(|(name, hash)| Some((name, Path::new(name), hash.as_str()?)));
    let listed: Vec<_> = listed.filter(|(_, name, _)| is_relative(name)).collect();
    let is_source = |name: &Path| name.to_str().is_some_and(|name| name.ends_with(".bpf.c"));
    // Who has the package and not the source is not asked for more.
    let there = listed.iter().filter(|(_, name, _)| is_source(name)).all(|(_, name, _)| folder.join(name).is_file());
    if !there || !listed.iter().any(|(_, name, _)| is_source(name)) {
        return stale;
    }
    let (mut changed, mut len) = (Vec::new(), 0);
    for (name, relative, hash) in &listed {
        let path = folder.join(relative);
        let Some(bytes) = read(&path) else { continue };
        len += bytes.len() as u64;
        if len > MAX_FILE {
            // Together they are no longer than one may be: a document may list a long file by many names.
            return Stale::default();
        }
        stale.depends_on.push(path);
        if self::hash(&bytes) != *hash {
            changed.push(format!("`{name}`"));
        }
    }
    if !changed.is_empty() {
        let sources = listed.iter().filter(|(_, name, _)| is_source(name));
        let beside = Path::new(file).parent().unwrap_or(Path::new(""));
        let sources: Vec<String> = sources.map(|(_, name, _)| beside.join(name).display().to_string()).collect();
        let what = format!("{} changed after the skeleton was made", changed.join(", "));
        let todo = format!(
            "make it anew: `cargo eunomia build {} -o {file}`, with the arguments that clang had; or accept it: `stale = true` of the macro, \
             `Config::stale(true)`, `--stale` of the command",
            sources.join(" ")
        );
        stale.fault = Some(Fault::at(Place::default(), what, todo));
    }
    stale
}

/// Lists what a package is made from.
#[cfg(feature = "compile")]
pub(crate) fn list(skeleton: &mut Skeleton, sources: &[PathBuf], depends_on: &[PathBuf]) {
    let Some(first) = sources.first() else { return };
    let (Ok(source), Ok(here)) = (fs::canonicalize(first), std::env::current_dir().and_then(fs::canonicalize)) else { return };
    let Some(folder) = source.parent() else { return };
    let out = std::env::var_os("OUT_DIR").and_then(|out| fs::canonicalize(out).ok());
    let mut sources = Other::new();
    for path in depends_on {
        let Ok(path) = fs::canonicalize(path) else { continue };
        // Headers of the system, and what a build script makes, are none of the project's.
        let own = (path.starts_with(folder) || path.starts_with(&here)) && !out.as_ref().is_some_and(|out| path.starts_with(out));
        let Some(name) = relative(&path, folder).filter(|_| own) else { continue };
        if let (Some(name), Some(bytes)) = (name.to_str(), read(&path)) {
            sources.insert(name.to_owned(), hash(&bytes).into());
        }
    }
    skeleton.other.insert(SOURCES.to_owned(), sources.into());
}

/// The way from a folder to a file.
#[cfg(feature = "compile")]
fn relative(path: &Path, folder: &Path) -> Option<PathBuf> {
    let shared = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    Some(up.chain(path.components().skip(shared)).collect())
}

/// Whether a name of a document is one of ours, and no place elsewhere in the file system.
fn is_relative(name: &Path) -> bool {
    name.components().all(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
}

/// A regular file that is not too long.
fn read(path: &Path) -> Option<Vec<u8>> {
    read_file(path, MAX_FILE).ok()
}

/// FNV-1a over the text, whose lines may end with a carriage return in one checkout and not in another.
fn hash(bytes: &[u8]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut next = bytes.iter().copied().peekable();
    while let Some(byte) = next.next() {
        if byte == b'\r' && next.peek() == Some(&b'\n') {
            continue;
        }
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_texts() {
        assert_eq!(hash(b""), "cbf29ce484222325");
        assert_eq!(hash(b"foobar"), "85944171f73967e8");
        assert_eq!(hash(b"a\r\nb\r"), hash(b"a\nb\r"));
        assert_ne!(hash(b"a\nb\r"), hash(b"a\nb"));
    }

    #[test]
    fn names_of_a_document_stay_beside_it() {
        assert!(is_relative(Path::new("../x.h")) && is_relative(Path::new("x.bpf.c")));
        assert!(!is_relative(Path::new("/etc/passwd")));
    }
}
