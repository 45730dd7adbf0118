//! A cache of kernel BTF that is reduced to the types that one object uses. Reading all of the
//! kernel's BTF takes most of the time of loading an object.

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

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, renameat, unlinkat};

use super::kernel_btf::OF_KERNEL;
use crate::{
    Error, Result, Skeleton,
    checked::Checked,
    file::{self, is_own, is_private},
    object::{Kind, RelocationKind, cut, essential, is_whole, minimal},
};

/// A folder of reduced kernel BTF, one file for each object and kernel.
///
/// ```no_run
/// # fn main() -> eunomia_runtime::Result<()> {
/// use eunomia_runtime::{Skeleton, bpf::BtfCache};
///
/// let checked = Skeleton::from_file("bootstrap.json")?.check()?;
/// let object = checked.skeleton.object.as_deref().unwrap_or_default();
/// let btf = BtfCache::new("/var/cache/tracer")?.file(object)?;
/// let skel = checked.open(btf.as_deref())?.load()?.attach()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BtfCache {
    folder: PathBuf,
    /// The open folder. Files are found in it even if it is renamed.
    descriptor: Arc<OwnedFd>,
}

/// The maximum size of a kernel's BTF that is read. No kernel has more.
const MAX_SIZE: u64 = 64 << 20;

/// The file with the kernel's build id, among other notes; see
/// `Documentation/ABI/testing/sysfs-kernel-notes`.
const NOTES: &str = "/sys/kernel/notes";

impl BtfCache {
    /// Opens a cache in a folder, which is created for this user alone if it does not exist.
    ///
    /// Its files decide where programs find the fields of the kernel, so no other user may change
    /// them. The folder must not be a link, must belong to root or this user, and must not be
    /// writable for others. The folders above it must be so too, except that a sticky folder such
    /// as `/tmp` may be writable for others.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be created or opened, or if another user can change it
    /// or a folder above it.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        let failed = |source| Error::File { path: folder.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let open = |path: &Path| {
            openat(CWD, path, FOLDER, Mode::empty()).map_err(|error| failed(error.into()))
        };
        let descriptor = open(&folder)?;
        // The path without links, which nobody else can make lead elsewhere.
        let folder = folder.canonicalize().map_err(failed)?;
        let [opened, named] = [fstat(&descriptor), fstat(open(&folder)?)]
            .map(|about| about.map_err(|error| failed(error.into())));
        let (opened, named) = (opened?, named?);
        let is_same = (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino);
        if !is_same || !is_private(&opened) {
            return Err(refuse(&folder, "it"));
        }
        for above in folder.ancestors().skip(1) {
            let about = fs::metadata(above).map_err(failed)?;
            let is_sticky = about.mode() & 0o1000 != 0;
            if !is_own(about.uid()) || (about.mode() & 0o022 != 0 && !is_sticky) {
                return Err(refuse(&folder, &format!("`{}` above it", above.display())));
            }
        }
        Ok(Self { folder, descriptor: Arc::new(descriptor) })
    }

    /// Returns the file for an object and the running kernel, and creates it if it does not exist.
    ///
    /// Open the object with it: by [`Checked::open`], or the `open_for` of a generated module, whose
    /// object is its `OBJECT`. The object is read only if
    /// the file does not exist.
    ///
    /// Returns `None` if the object is to be opened without a file: it uses no types of the kernel,
    /// uses types of a module or type ids, or the kernel has no BTF of its own.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written; [`Error::Input`] if the object cannot be
    /// read.
    pub fn file(&self, object: &[u8]) -> Result<Option<PathBuf>> {
        let Some(kernel) = kernel_hash() else { return Ok(None) };
        let mut hasher = DefaultHasher::new();
        // Another version may keep other types.
        (env!("CARGO_PKG_VERSION"), object).hash(&mut hasher);
        let name = format!("{kernel:016x}-{:016x}.btf", hasher.finish());
        let path = self.folder.join(&name);
        // A file that a system crash left incomplete is created again.
        if self.read(&name).is_ok_and(|btf| is_whole(&btf)) {
            return Ok(Some(path));
        }
        let checked = Skeleton::from_object("object", object.to_vec(), "object")?.check()?;
        let Some(names) = names(&checked) else { return Ok(None) };
        // A process that cannot read the kernel's BTF cannot load the object either, and gets the
        // error then.
        let Some(btf) = read_kernel_btf().and_then(|btf| minimal(&btf, &names)) else {
            return Ok(None);
        };
        self.write(&name, &btf).map_err(|source| Error::File { path: path.clone(), source })?;
        Ok(Some(path))
    }

    /// Reads a file that no other user can have written.
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.descriptor, name, flags, Mode::empty())?;
        let about = fstat(&file)?;
        if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile || !is_private(&about) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut bytes = Vec::new();
        File::from(file).take(MAX_SIZE).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes a file completely or not at all, even if several processes write it at the same time.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = format!("{name}.{:016x}.tmp", RandomState::new().hash_one(name));
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.descriptor, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
        let written = File::from(file).write_all(bytes);
        let written = written
            .and_then(|()| Ok(renameat(&self.descriptor, &temporary, &self.descriptor, name)?));
        written.inspect_err(|_| {
            // The first error is the one to report.
            let _ = unlinkat(&self.descriptor, &temporary, AtFlags::empty());
        })
    }
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn refuse(folder: &Path, which: &str) -> Error {
    let why = format!(
        "others can write to {which}, or {which} belongs neither to root nor to this user, but its files decide where programs read in the \
         kernel; name a folder such as /var/cache/NAME"
    );
    Error::File {
        path: folder.to_owned(),
        source: io::Error::new(io::ErrorKind::PermissionDenied, why),
    }
}

/// Returns a hash of the kernel's build and of what else can differ between kernels.
fn kernel_hash() -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    fs::read(NOTES).ok()?.hash(&mut hasher);
    let uname = rustix::system::uname();
    for text in [uname.release(), uname.version(), uname.machine()] {
        text.hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// Returns the kernel's BTF, of at most [`MAX_SIZE`] bytes.
fn read_kernel_btf() -> Option<Vec<u8>> {
    file::read(Path::new(OF_KERNEL), MAX_SIZE).ok()
}

impl Checked {
    /// Returns the BTF of another kernel cut down to the types that the object uses. Returns `None`
    /// if it needs all of it, or if it is not BTF of a kernel.
    #[doc(hidden)]
    pub fn cut_btf(&self, btf: &[u8]) -> Option<Vec<u8>> {
        cut(btf, &names(self)?).map(|(btf, _)| btf)
    }
}

/// Returns the kernel types that the object uses, or `None` if it needs all of the kernel's BTF.
fn names(checked: &Checked) -> Option<HashSet<&str>> {
    let relocations = checked.relocations().ok()?;
    let mut names = HashSet::new();
    for relocation in &relocations {
        let name = essential(&checked.layouts.btf.get(relocation.ty).name);
        match relocation.kind {
            RelocationKind::TypeIdLocal => continue,
            // A type id is that in the whole BTF, and a match depends on the types that pointers
            // lead to.
            RelocationKind::TypeIdTarget | RelocationKind::TypeMatches => return None,
            // Whether a pointer, an array or a function exists depends on the types that it is made
            // of, too: libbpf compares them.
            RelocationKind::TypeExists | RelocationKind::TypeSize
                if !is_plain(&checked.layouts.btf.resolve(relocation.ty).1.kind) =>
            {
                return None;
            }
            _ if name.is_empty() => return None,
            _ => names.insert(name),
        };
    }
    (!names.is_empty()).then_some(names)
}

/// Reports whether a type exists if its name does, as in `__bpf_core_types_are_compat` of libbpf.
fn is_plain(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Struct { .. }
            | Kind::Union { .. }
            | Kind::Enum { .. }
            | Kind::Int { .. }
            | Kind::Float { .. }
            | Kind::Forward
    )
}
