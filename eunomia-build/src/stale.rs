//! Detection of packages that are older than their C source.
//!
//! A package that this crate builds lists its sources and the headers beside them, each with a hash
//! (`sources` in its metadata, by paths relative to the source's directory). If the source lies
//! beside the package, as in most projects, a change of it is detected.

#[cfg(feature = "compile")]
use std::fs;
use std::path::{Component, Path, PathBuf};

#[cfg(feature = "compile")]
use eunomia_runtime::skeleton::model::Other;
use eunomia_runtime::{
    __private::read_file,
    Skeleton,
    error::{Diagnostic, Diagnostics, JsonPath},
};

/// The key of the list in the metadata.
const SOURCES: &str = "sources";

/// The hint for C source that was given in place of a skeleton.
pub const C_SOURCE: &str = "this is C, not a skeleton; pass it to `Config::source` (feature `compile` of eunomia-build), or build a skeleton with \
                            `cargo eunomia build` and name the skeleton";

/// The size limit of a source file.
const MAX_FILE: u64 = 64 << 20;
/// The limit of listed files; a package that lists more was not built by this crate.
const MAX_FILES: usize = 4096;

/// The state of the sources of a package.
#[derive(Debug, Default)]
pub struct Stale {
    /// The files that were compared; if one changes, the package may become stale.
    pub depends_on: Vec<PathBuf>,
    /// The fault, if a source has changed.
    pub diagnostics: Option<Diagnostics>,
}

/// Compares the files beside a package, whose path is `path`, with those that it was built from.
pub fn stale(skeleton: &Skeleton, path: &Path) -> Stale {
    let mut stale = Stale::default();
    let Some(sources) = skeleton.other.get(SOURCES).and_then(|sources| sources.as_object()) else {
        return stale;
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let listed = sources
        .iter()
        .take(MAX_FILES)
        .filter_map(|(name, hash)| Some((name, Path::new(name), hash.as_str()?)));
    let listed: Vec<_> = listed.filter(|(_, name, _)| is_relative(name)).collect();
    let is_source = |name: &Path| name.to_str().is_some_and(|name| name.ends_with(".bpf.c"));
    // A user who has the package without the source gets no fault.
    let has_sources = listed
        .iter()
        .filter(|(_, name, _)| is_source(name))
        .all(|(_, name, _)| folder.join(name).is_file());
    if !has_sources || !listed.iter().any(|(_, name, _)| is_source(name)) {
        return stale;
    }
    let (mut changed, mut len) = (Vec::new(), 0);
    for (name, relative, hash) in &listed {
        let path = folder.join(relative);
        let Some(bytes) = read(&path) else { continue };
        len += bytes.len() as u64;
        if len > MAX_FILE {
            // The sum is bounded, too: a document may list a large file by many names.
            return Stale::default();
        }
        stale.depends_on.push(path);
        if self::hash(&bytes) != *hash {
            changed.push(format!("`{name}`"));
        }
    }
    if !changed.is_empty() {
        let sources = listed.iter().filter(|(_, name, _)| is_source(name));
        let file = skeleton.file();
        let beside = Path::new(file).parent().unwrap_or(Path::new(""));
        let sources: Vec<String> =
            sources.map(|(_, name, _)| beside.join(name).display().to_string()).collect();
        let what = format!("{} changed after the skeleton was built", changed.join(", "));
        let todo = format!(
            "rebuild it with `cargo eunomia build {} -o {file}` and the same arguments for clang, or accept it with `stale = true` of the macro, \
             `Config::stale(true)` or `--stale` of the command",
            sources.join(" ")
        );
        let diagnostic = Diagnostic::at(JsonPath::default(), what, todo);
        stale.diagnostics = Some(skeleton.diagnostics(vec![diagnostic]));
    }
    stale
}

/// Reports whether a package lists this source, and all files that it lists are there and have not
/// changed.
#[cfg(feature = "cli")]
pub(crate) fn is_current(skeleton: &Skeleton, path: &Path, source: &Path) -> bool {
    let listed = skeleton.other.get(SOURCES).and_then(|sources| sources.as_object());
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    let stale = stale(skeleton, path);
    listed
        .is_some_and(|listed| listed.contains_key(&*name) && listed.len() == stale.depends_on.len())
        && stale.diagnostics.is_none()
}

/// Lists the files that a package is built from.
#[cfg(feature = "compile")]
pub(crate) fn list(skeleton: &mut Skeleton, sources: &[PathBuf], depends_on: &[PathBuf]) {
    let Some(first) = sources.first() else { return };
    let (Some(source), Ok(here)) =
        (in_place(first), std::env::current_dir().and_then(fs::canonicalize))
    else {
        return;
    };
    let Some(folder) = source.parent() else { return };
    let out = std::env::var_os("OUT_DIR").and_then(|out| fs::canonicalize(out).ok());
    let mut sources = Other::new();
    for path in depends_on {
        let Some(path) = in_place(path) else { continue };
        // Headers of the system and outputs of a build script do not belong to the project.
        let own = (path.starts_with(folder) || path.starts_with(&here))
            && !out.as_ref().is_some_and(|out| path.starts_with(out));
        let Some(name) = relative(&path, folder).filter(|_| own) else { continue };
        if let (Some(name), Some(bytes)) = (name.to_str(), read(&path)) {
            sources.insert(name.to_owned(), hash(&bytes).into());
        }
    }
    skeleton.other.insert(SOURCES.to_owned(), sources.into());
}

/// Returns the absolute path of a file. A link is not followed: the package lies beside the link,
/// and clang looks for headers there, not beside the file that the link leads to.
#[cfg(feature = "compile")]
fn in_place(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Some(fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?.join(name))
}

/// Returns the path from a directory to a file.
#[cfg(feature = "compile")]
fn relative(path: &Path, folder: &Path) -> Option<PathBuf> {
    let shared = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    Some(up.chain(path.components().skip(shared)).collect())
}

/// Reports whether a name in a document is a relative path.
fn is_relative(name: &Path) -> bool {
    name.components().all(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
}

/// Reads a regular file within the size limit.
fn read(path: &Path) -> Option<Vec<u8>> {
    read_file(path, MAX_FILE).ok()
}

/// Returns the FNV-1a hash of a text. A carriage return before a line feed is skipped, because
/// checkouts differ in line ends.
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
    fn hash_is_fnv1a_without_carriage_returns() {
        assert_eq!(hash(b""), "cbf29ce484222325");
        assert_eq!(hash(b"foobar"), "85944171f73967e8");
        assert_eq!(hash(b"a\r\nb\r"), hash(b"a\nb\r"));
        assert_ne!(hash(b"a\nb\r"), hash(b"a\nb"));
    }

    #[test]
    fn is_relative_refuses_absolute_paths() {
        assert!(is_relative(Path::new("../x.h")) && is_relative(Path::new("x.bpf.c")));
        assert!(!is_relative(Path::new("/etc/passwd")));
    }
}
