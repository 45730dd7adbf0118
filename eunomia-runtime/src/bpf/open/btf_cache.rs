//! Kernel BTF cut down to what one object looks at, kept in files: loading an object takes most of its time for reading all of it.

use std::{
    collections::HashSet,
    fs::{self, File},
    hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState},
    io::{self, Read as _, Write as _},
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, openat, renameat, unlinkat};

use super::kernel_btf::OF_KERNEL;
use crate::{
    Error, Result, Skeleton,
    checked::Checked,
    file,
    object::{Kind, RelocationKind, essential, is_whole, minimal},
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
    /// Files are found in it whatever becomes of its name.
    descriptor: Arc<OwnedFd>,
}

/// More than any kernel's BTF has.
const MOST: u64 = 64 << 20;

/// Holds the kernel's build id, among other notes; see `Documentation/ABI/testing/sysfs-kernel-notes`.
const NOTES: &str = "/sys/kernel/notes";

impl BtfCache {
    /// Keeps files in a folder, which is made where there is none, for this user alone.
    ///
    /// Where programs find the fields of the kernel is read from there, so nobody else may decide what is in it: the folder must be no
    /// link, it must be root's or this user's, and nobody else may write to it; those above it must be so, too, or sticky as `/tmp` is.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be made or opened, [`Error::Value`] if somebody else can change it or a folder above it.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        let failed = |source| Error::File { path: folder.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let open = |path: &Path| openat(CWD, path, FOLDER, Mode::empty()).map_err(|error| failed(error.into()));
        let descriptor = open(&folder)?;
        // The name without links: nobody can make it lead elsewhere.
        let folder = folder.canonicalize().map_err(failed)?;
        let [opened, named] = [fstat(&descriptor), fstat(open(&folder)?)].map(|about| about.map_err(|error| failed(error.into())));
        let (opened, named) = (opened?, named?);
        let is_same = (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino);
        if !is_same || !is_private(&opened) {
            return Err(others(&folder, "it"));
        }
        for above in folder.ancestors().skip(1) {
            let about = fs::metadata(above).map_err(failed)?;
            let is_sticky = about.mode() & 0o1000 != 0;
            if !is_own(about.uid()) || (about.mode() & 0o022 != 0 && !is_sticky) {
                return Err(others(&folder, &format!("`{}` above it", above.display())));
            }
        }
        Ok(Self { folder, descriptor: Arc::new(descriptor) })
    }

    /// The file for an object and the running kernel, to open the object with ([`Checked::open`], [`crate::bpf::Open::for_kernel`], and a generated
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
        let name = format!("{kernel:016x}-{:016x}.btf", hasher.finish());
        let path = self.folder.join(&name);
        // What a crash of the system has left of a file is made anew.
        if self.read(&name).is_ok_and(|btf| is_whole(&btf)) {
            return Ok(Some(path));
        }
        let checked = Skeleton::from_object("object", object.to_vec(), "object")?.check("object")?;
        let Some(names) = names(&checked) else { return Ok(None) };
        // Whoever cannot read it cannot load either, and is told so then.
        let Some(btf) = kernels().and_then(|btf| minimal(&btf, &names)) else { return Ok(None) };
        self.write(&name, &btf).map_err(|source| Error::File { path: path.clone(), source })?;
        Ok(Some(path))
    }

    /// A file that nobody else can have written.
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.descriptor, name, flags, Mode::empty())?;
        let about = fstat(&file)?;
        if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile || !is_private(&about) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut bytes = Vec::new();
        File::from(file).take(MOST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whole or not at all, also where several processes do the same.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = format!("{name}.{:016x}.tmp", RandomState::new().hash_one(name));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.descriptor, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
        let written = File::from(file).write_all(bytes);
        let written = written.and_then(|()| Ok(renameat(&self.descriptor, &temporary, &self.descriptor, name)?));
        written.inspect_err(|_| {
            // The other error is the one to tell.
            let _ = unlinkat(&self.descriptor, &temporary, AtFlags::empty());
        })
    }
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Whether a user may decide what this process reads.
fn is_own(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}

fn is_private(about: &Stat) -> bool {
    is_own(about.st_uid) && about.st_mode & 0o022 == 0
}

fn others(folder: &Path, which: &str) -> Error {
    let why = format!(
        "others can write to {which}, or {which} is neither root's nor this user's: what is in the folder decides where programs read in the \
         kernel; name a folder such as /var/cache/NAME"
    );
    Error::Value { name: folder.display().to_string(), why }
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

/// The BTF of the kernel, of which there is not more than [`MOST`].
fn kernels() -> Option<Vec<u8>> {
    file::read(Path::new(OF_KERNEL), MOST).ok()
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
