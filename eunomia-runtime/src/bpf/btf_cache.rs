//! Kernel BTF cut down to what one object looks at, kept in files: loading an object takes most of its time for reading all of it.

use std::{
    collections::HashSet,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use super::kernel_btf::OF_KERNEL;
use crate::{
    Error, Result, Skeleton,
    object::{Checked, Kind, RelocationKind, essential, is_whole, minimal},
};

/// A folder with the BTF that objects look at, one file for each object and kernel.
///
/// ```no_run
/// # fn main() -> eunomia_runtime::Result<()> {
/// use eunomia_runtime::{Skeleton, bpf::BtfCache};
///
/// let checked = Skeleton::from_file("bootstrap.json")?.check("bootstrap.json")?;
/// let object = checked.skeleton.object.as_deref().unwrap_or_default();
/// let btf = BtfCache::new("/var/cache/tracer")?.file(object)?;
/// let skel = checked.open(btf.as_deref())?.load()?.attach()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BtfCache {
    folder: PathBuf,
}

/// Holds the kernel's build id, among other notes; see `Documentation/ABI/testing/sysfs-kernel-notes`.
const NOTES: &str = "/sys/kernel/notes";

impl BtfCache {
    /// Keeps files in a folder, which is made where there is none, for this user alone.
    ///
    /// Where programs find the fields of the kernel is read from there, so it must be a folder that nobody else can write to.
    ///
    /// # Errors
    /// [`Error::File`] where the folder cannot be made, [`Error::Value`] where it is not this user's or others can write to it.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        let failed = |source| Error::File { path: folder.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let about = fs::metadata(&folder).map_err(failed)?;
        let own = about.uid() == rustix::process::geteuid().as_raw();
        if about.is_dir() && own && about.mode() & 0o022 == 0 {
            return Ok(Self { folder });
        }
        let why = "others can write to it, or it is not this user's: what is in it decides where programs read in the kernel".to_owned();
        Err(Error::Value { name: folder.display().to_string(), why })
    }

    /// The file for an object and the running kernel, to open the object with ([`Checked::open`], [`super::Open::for_kernel`], and a generated
    /// module's `open_for`, whose object is its `OBJECT`); it is made where there is none, and only then the object is read. `None` where the object is to be opened without one: it looks at no types of the kernel, at those of a module or
    /// at their numbers, or the kernel has no BTF of its own.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be written, [`Error::Input`] where the object cannot be read.
    pub fn file(&self, object: &[u8]) -> Result<Option<PathBuf>> {
        let Some(kernel) = kernel() else { return Ok(None) };
        let mut hasher = DefaultHasher::new();
        // Another version may keep other types.
        (env!("CARGO_PKG_VERSION"), object).hash(&mut hasher);
        let path = self.folder.join(format!("{kernel:016x}-{:016x}.btf", hasher.finish()));
        // What a crash of the system has left of a file is made anew.
        if fs::read(&path).is_ok_and(|btf| is_whole(&btf)) {
            return Ok(Some(path));
        }
        let checked = Skeleton::from_object("object", object.to_vec(), "object")?.check("object")?;
        let Some(names) = names(&checked) else { return Ok(None) };
        // Whoever cannot read it cannot load either, and is told so then.
        let Some(btf) = fs::read(OF_KERNEL).ok().and_then(|btf| minimal(&btf, &names)) else { return Ok(None) };
        write(&path, &btf).map_err(|source| Error::File { path: path.clone(), source })?;
        Ok(Some(path))
    }
}

/// The kernel's build, with what it can differ in beside.
fn kernel() -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    fs::read(NOTES).ok()?.hash(&mut hasher);
    let uname = rustix::system::uname();
    for text in [uname.release(), uname.version(), uname.machine()] {
        text.hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// The types of the kernel that the object looks at; `None` where a part of the kernel's BTF is not enough.
fn names(checked: &Checked) -> Option<HashSet<&str>> {
    let relocations = checked.relocations().ok()?;
    let mut names = HashSet::new();
    for relocation in &relocations {
        let name = essential(&checked.layouts.btf.get(relocation.ty).name);
        match relocation.kind {
            RelocationKind::TypeIdLocal => continue,
            // The number is that of the whole; whether types match depends on what their pointers lead to.
            RelocationKind::TypeIdTarget | RelocationKind::TypeMatches => return None,
            // So does whether there is a pointer, an array or a function of a name: libbpf compares what it is made of.
            RelocationKind::TypeExists | RelocationKind::TypeSize if !is_plain(&checked.layouts.btf.resolve(relocation.ty).1.kind) => {
                return None;
            }
            _ if name.is_empty() => return None,
            _ => names.insert(name),
        };
    }
    (!names.is_empty()).then_some(names)
}

/// Types that are there when their name is, `__bpf_core_types_are_compat` of libbpf.
fn is_plain(kind: &Kind) -> bool {
    matches!(kind, Kind::Struct { .. } | Kind::Union { .. } | Kind::Enum { .. } | Kind::Int { .. } | Kind::Float { .. } | Kind::Forward)
}

/// Whole or not at all, also where several processes do the same.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.inspect_err(|_| {
        // The other error is the one to tell.
        let _ = fs::remove_file(&temporary);
    })
}
