//! Files with the BTF of a kernel, checked before libbpf relocates programs by them.
//!
//! libbpf (1.7) checks the ids and strings of such a file, but not its nesting: a typedef of itself
//! would keep it busy for ever, and types that nest in themselves many times for years. For each
//! relocation it walks the members of all types of one name, which would take hours if there were a
//! hundred thousand of them. It divides by the sizes of bit fields' types.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    ptr::NonNull,
    slice,
};

use libbpf_rs::libbpf_sys;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::strings::are_short;
use crate::{Error, Result, file, host::messages::listen};

/// A sealed copy of a file, which another user cannot change while libbpf uses it.
#[derive(Debug)]
pub(in crate::bpf) struct BtfFile(File);

/// The maximum depth of nested types, and the maximum number of types in one, counted each time
/// that they occur. Kernels have depths below 20 and some ten thousand types in one.
pub(in crate::bpf) const MAX_DEPTH: u8 = 64;
const MAX_NESTED: u64 = 1 << 20;
/// The maximum number of members of all types of one name. Kernels have below 500.
const MAX_ALIKE: u64 = 1 << 13;

impl BtfFile {
    /// Copies and checks a file with BTF: an ELF file with a section `.BTF`, or the contents of
    /// one.
    ///
    /// # Errors
    /// [`Error::File`] if the path does not lead to a regular file, if it cannot be read or copied,
    /// or if its types nest without end or too deep.
    pub(in crate::bpf) fn read(path: &Path) -> Result<Self> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        let copy = Self(copy(path).map_err(failed)?);
        if !are_short(&copy.0) {
            let why = "it is not the BTF of a kernel: it has names of more than 4096 bytes, or is a damaged ELF file";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        // If libbpf cannot parse it now, it tells why when the object is loaded.
        let checked = copy
            .parse()
            .map_or(Some(()), |btf| if btf.is_split() { None } else { check(btf.bytes()) });
        checked.map(|()| copy).ok_or_else(|| {
            let why =
                "it is not the BTF of a kernel: its types contain themselves, nest too deep, are too many of one name or in two parts (.BTF.base), or a bit field of them has no size";
            failed(io::Error::new(io::ErrorKind::InvalidData, why))
        })
    }

    /// Parses the copy. Returns `None` if libbpf refuses it.
    pub(in crate::bpf) fn parse(&self) -> Option<Parsed> {
        Parsed::new(&self.path())
    }

    /// Returns a path that leads to the copy as long as it lives.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/thread-self/fd/{}", self.0.as_raw_fd()).into()
    }
}

fn copy(path: &Path) -> io::Result<File> {
    let mut from = file::open(path)?.take(file::MOST + 1);
    let mut to = File::from(memfd_create("btf", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    if io::copy(&mut from, &mut to)? > file::MOST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&to, seals)?;
    Ok(to)
}

/// BTF that libbpf has parsed.
#[derive(Debug)]
pub(in crate::bpf) struct Parsed(NonNull<libbpf_sys::btf>);

impl Parsed {
    fn new(path: &Path) -> Option<Self> {
        let path = std::ffi::CString::new(path.to_str()?).ok()?;
        // SAFETY: the path is a C string that lives through the call, and null stands for no other
        // BTF that this one extends.
        let (btf, _) =
            listen(|| unsafe { libbpf_sys::btf__parse(path.as_ptr(), std::ptr::null_mut()) });
        NonNull::new(btf).map(Self)
    }

    /// Returns libbpf's pointer, which is valid as long as this value lives.
    #[cfg(feature = "dynamic")]
    pub(in crate::bpf) fn as_ptr(&self) -> *const libbpf_sys::btf {
        self.0.as_ptr()
    }

    /// Reports whether the BTF extends other BTF, of which [`Self::bytes`] has nothing. libbpf takes
    /// that from a section `.BTF.base`.
    fn is_split(&self) -> bool {
        // SAFETY: the pointer is that of live BTF.
        !unsafe { libbpf_sys::btf__base_btf(self.0.as_ptr()) }.is_null()
    }

    /// Returns the BTF without the ELF file around it.
    pub(in crate::bpf) fn bytes(&self) -> &[u8] {
        let mut size = 0;
        // SAFETY: the pointer is that of live BTF, and the size is written to a local.
        let bytes = unsafe { libbpf_sys::btf__raw_data(self.0.as_ptr(), &raw mut size) };
        let size = usize::try_from(size).unwrap_or(0);
        // SAFETY: libbpf returns `size` bytes that live as long as the BTF, or null.
        if bytes.is_null() { &[] } else { unsafe { slice::from_raw_parts(bytes.cast(), size) } }
    }
}

impl Drop for Parsed {
    fn drop(&mut self) {
        // SAFETY: the pointer is that of live BTF, which nothing uses afterwards.
        unsafe { libbpf_sys::btf__free(self.0.as_ptr()) }
    }
}

/// Checks that no type contains itself, neither as libbpf compares members nor as it compares the
/// parameters of functions, and that few types have the same name. Returns `None` if one does,
/// nests too deep, or is cut off.
fn check(btf: &[u8]) -> Option<()> {
    let types = Types::read(btf)?;
    let ids = 1..u32::try_from(types.starts.len()).ok()?;
    let (mut known, mut alike) = (vec![None; types.starts.len()], HashMap::new());
    for id in ids.clone() {
        let (_, members) = types.weigh(id, Follow::Nameless, MAX_DEPTH, &mut known)?;
        let name = types.name(id)?;
        // Types without a name are walked only as members.
        let others = if name.is_empty() { &mut 0 } else { alike.entry(name).or_insert(0_u64) };
        *others = others.saturating_add(members);
        if *others > MAX_ALIKE {
            return None;
        }
    }
    for follow in [Follow::Values, Follow::Functions] {
        let mut known = vec![None; types.starts.len()];
        ids.clone().try_for_each(|id| {
            types
                .weigh(id, follow, MAX_DEPTH, &mut known)
                .filter(|(_, nested)| *nested <= MAX_NESTED)
                .map(drop)
        })?;
    }
    types.starts.iter().skip(1).try_for_each(|at| types.check_bit_fields(*at))
}

/// The types that count as parts of a type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::bpf) enum Follow {
    /// Types of members and elements.
    Values,
    /// Types of members without a name, whose members libbpf looks through.
    Nameless,
    /// Types of parameters and results, also of functions that pointers lead to.
    Functions,
}

/// The types of a BTF file, as its bytes.
pub(in crate::bpf) struct Types<'a> {
    pub(in crate::bpf) bytes: &'a [u8],
    pub(in crate::bpf) strings: &'a [u8],
    /// The offset of each type by its id; that of `void` is not used.
    pub(in crate::bpf) starts: Vec<usize>,
}

impl<'a> Types<'a> {
    pub(in crate::bpf) fn read(btf: &'a [u8]) -> Option<Self> {
        let header = usize::try_from(word(btf, 4)?).ok()?;
        let start = header.checked_add(usize::try_from(word(btf, 8)?).ok()?)?;
        let bytes = btf.get(start..)?.get(..usize::try_from(word(btf, 12)?).ok()?)?;
        let strings = header.checked_add(usize::try_from(word(btf, 16)?).ok()?)?;
        let strings = btf.get(strings..)?.get(..usize::try_from(word(btf, 20)?).ok()?)?;
        let (mut starts, mut at) = (vec![0], 0);
        while at < bytes.len() {
            starts.push(at);
            let (kind, many) = kind(word(bytes, at + 4)?);
            at += RECORD
                + match kind {
                    INT | VAR | DECL_TAG => 4,
                    ARRAY => RECORD,
                    STRUCT | UNION | DATASEC | ENUM64 => 12 * many,
                    ENUM | FUNC_PROTO => 8 * many,
                    _ => 0,
                };
        }
        Some(Self { bytes, strings, starts })
    }

    /// Returns the name of a type up to its first `___`. libbpf compares names up to the last one, so
    /// no two types that it takes for alike have different names here.
    fn name(&self, id: u32) -> Option<&'a [u8]> {
        let at = *self.starts.get(usize::try_from(id).ok()?)?;
        let rest = self.strings.get(usize::try_from(word(self.bytes, at)?).ok()?..)?;
        let name = rest.split(|byte| *byte == 0).next()?;
        let end = name.windows(3).skip(1).position(|window| window == b"___");
        name.get(..end.map_or(name.len(), |end| end + 1))
    }

    /// Checks that each bit field of the type at this offset has a type with a size. No type contains
    /// itself.
    fn check_bit_fields(&self, at: usize) -> Option<()> {
        let info = word(self.bytes, at + 4)?;
        let (STRUCT | UNION, many) = kind(info) else { return Some(()) };
        if info >> 31 == 0 {
            return Some(());
        }
        (0..many).map(|member| at + RECORD + 12 * member).try_for_each(|member| {
            let width = word(self.bytes, member + 8)? >> 24;
            (width == 0 || self.size(word(self.bytes, member + 4)?)? > 0).then_some(())
        })
    }

    /// Returns what libbpf takes for the size of a type behind typedefs and modifiers.
    fn size(&self, id: u32) -> Option<u32> {
        let mut index = usize::try_from(id).ok()?;
        while index > 0 {
            let at = *self.starts.get(index)?;
            let size_or_type = word(self.bytes, at + 8)?;
            match kind(word(self.bytes, at + 4)?) {
                (TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG, _) => {
                    index = usize::try_from(size_or_type).ok()?;
                }
                _ => return Some(size_or_type),
            }
        }
        Some(0)
    }

    /// Returns the depth of a type and the number of types in it.
    pub(in crate::bpf) fn weigh(
        &self,
        id: u32,
        follow: Follow,
        depth: u8,
        known: &mut [Option<(u8, u64)>],
    ) -> Option<(u8, u64)> {
        let index = usize::try_from(id).ok()?;
        if index == 0 {
            return Some((0, 0));
        }
        if let Some(weight) = known.get(index).copied()? {
            return (weight.0 <= depth).then_some(weight);
        }
        let left = depth.checked_sub(1)?;
        let at = *self.starts.get(index)?;
        let (kind, many) = kind(word(self.bytes, at + 4)?);
        let (own, first, step, parts) = match (kind, follow) {
            (TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG, _) | (PTR, Follow::Functions) => {
                (true, at, 0, 0)
            }
            (ARRAY, Follow::Values | Follow::Functions) => (false, at + RECORD, 0, 1),
            (STRUCT | UNION, Follow::Values | Follow::Nameless) => {
                (false, at + RECORD + 4, 12, many)
            }
            (FUNC_PROTO, Follow::Functions) => (true, at + RECORD + 4, 8, many),
            _ => (false, at, 0, 0),
        };
        let own = own.then_some(at + 8);
        let (mut deepest, mut nested) = (0, 1_u64);
        if follow == Follow::Nameless && matches!(kind, ENUM | ENUM64) {
            nested = nested.saturating_add(many as u64);
        }
        for at in own.into_iter().chain((0..parts).map(|part| first + step * part)) {
            // The name of a member is before its type.
            let is_named = || word(self.bytes, at - 4).is_some_and(|name| name != 0);
            if follow == Follow::Nameless && parts > 0 && is_named() {
                nested = nested.saturating_add(1);
                continue;
            }
            let (depth, more) = self.weigh(word(self.bytes, at)?, follow, left, known)?;
            deepest = deepest.max(depth);
            nested = nested.saturating_add(more);
        }
        let weight = (deepest + 1, nested);
        *known.get_mut(index)? = Some(weight);
        Some(weight)
    }
}

pub(in crate::bpf) const RECORD: usize = 12;

// `uapi/linux/btf.h`
pub(in crate::bpf) const INT: u32 = 1;
pub(in crate::bpf) const PTR: u32 = 2;
pub(in crate::bpf) const ARRAY: u32 = 3;
pub(in crate::bpf) const STRUCT: u32 = 4;
pub(in crate::bpf) const UNION: u32 = 5;
pub(in crate::bpf) const ENUM: u32 = 6;
pub(in crate::bpf) const TYPEDEF: u32 = 8;
pub(in crate::bpf) const VOLATILE: u32 = 9;
pub(in crate::bpf) const CONST: u32 = 10;
pub(in crate::bpf) const RESTRICT: u32 = 11;
#[cfg(feature = "dynamic")]
pub(in crate::bpf) const FUNC: u32 = 12;
pub(in crate::bpf) const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
#[cfg(feature = "dynamic")]
pub(in crate::bpf) const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
pub(in crate::bpf) const TYPE_TAG: u32 = 18;
pub(in crate::bpf) const ENUM64: u32 = 19;

/// Returns the kind of a type, and the number of its members or parameters.
pub(in crate::bpf) fn kind(info: u32) -> (u32, usize) {
    (info >> 24 & 0x1f, (info & 0xffff) as usize)
}

/// Returns a word. libbpf converts BTF to the byte order of this machine.
pub(in crate::bpf) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::Path,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::bpf::open::kernel_btf::OF_KERNEL;

    fn btf(types: &[u32]) -> Vec<u8> {
        let strings = b"\0a\0";
        let size = size_of_val(types) as u32;
        let header = [0x0001_eb9f, 24, 0, size, size, strings.len() as u32];
        let words = header.iter().chain(types).flat_map(|word: &u32| word.to_ne_bytes());
        words.chain(*strings).collect()
    }

    fn said(types: &[u32]) -> Option<String> {
        said_of(&btf(types))
    }

    fn said_of(btf: &[u8]) -> Option<String> {
        // Tests run in threads of one process.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("eunomia-btf-file-{name}"));
        fs::write(&path, btf).unwrap();
        let said = BtfFile::read(&path).err().map(|error| error.to_string());
        fs::remove_file(path).unwrap();
        said
    }

    #[test]
    fn types_that_contain_themselves_are_refused() {
        const INT: [u32; 4] = [1, 1 << 24, 4, 32];
        let typedef = |to: u32| [1, 8 << 24, to];
        let pointer = |to: u32| [0, 2 << 24, to];
        // A struct with two members without names.
        let twice = |ty: u32| [1, 4 << 24 | 2, 8, 0, ty, 0, 0, ty, 0];
        // A function with two parameters.
        let function = |ty: u32| [0, 13 << 24 | 2, 0, 0, ty, 0, ty];
        let chain: Vec<u32> = (0..30).flat_map(|at| twice(at + 1)).collect();
        let functions: Vec<u32> = (0..30)
            .flat_map(|at| [&pointer(2 * at + 3)[..], &function(2 * at + 2)].concat())
            .collect();
        for (types, is_bad) in [
            ([&INT[..], &typedef(1), &typedef(2)].concat(), false),
            ([&INT[..], &typedef(3), &typedef(2)].concat(), true),
            ([&INT[..], &twice(1), &twice(2)].concat(), false),
            ([&INT[..], &twice(3), &twice(2)].concat(), true),
            ([&INT[..], &chain].concat(), true),
            ([&INT[..], &pointer(3), &twice(2)].concat(), false),
            ([&INT[..], &pointer(3), &function(1)].concat(), false),
            ([&INT[..], &pointer(3), &function(2)].concat(), true),
            ([&INT[..], &functions].concat(), true),
        ] {
            let said = said(&types);
            assert_eq!(
                said.as_ref().is_some_and(|said| said.contains("nest too deep")),
                is_bad,
                "{said:?} {types:?}"
            );
        }
    }

    #[test]
    fn bit_fields_without_size_are_refused() {
        const INT: [u32; 4] = [1, 1 << 24, 4, 32];
        let typedef = |to: u32| [1, 8 << 24, to];
        let pointer = |to: u32| [0, 2 << 24, to];
        let array = [0, 3 << 24, 0, 1, 1, 2];
        let of = |ty: u32, width: u32| [1, 1 << 31 | 4 << 24 | 1, 4, 1, ty, width << 24];
        for (types, is_bad) in [
            ([&INT[..], &of(1, 3)].concat(), false),
            ([&INT[..], &typedef(1), &of(2, 3)].concat(), false),
            ([&INT[..], &of(0, 3)].concat(), true),
            ([&INT[..], &of(0, 0)].concat(), false),
            ([&INT[..], &array, &of(2, 3)].concat(), true),
            ([&INT[..], &pointer(0), &typedef(2), &of(3, 3)].concat(), true),
        ] {
            let said = said(&types);
            assert_eq!(
                said.as_ref().is_some_and(|said| said.contains("has no size")),
                is_bad,
                "{said:?} {types:?}"
            );
        }
    }

    #[test]
    fn many_types_of_one_name_are_refused() {
        const INT: [u32; 4] = [1, 1 << 24, 4, 32];
        let members = |name: u32, count: u32, of: [u32; 3]| {
            [&[name, 4 << 24 | count, 4][..], &of.repeat(count as usize)].concat()
        };
        let one = members(1, 1, [1, 1, 0]);
        let inner = members(0, 5000, [1, 1, 0]);
        for (types, is_bad) in [
            ([&INT[..], &one.repeat(4000)].concat(), false),
            ([&INT[..], &one.repeat(5000)].concat(), true),
            ([&INT[..], &inner].concat(), false),
            ([&INT[..], &inner, &members(1, 2, [1, 2, 0])].concat(), false),
            ([&INT[..], &inner, &members(1, 2, [0, 2, 0])].concat(), true),
            ([&INT[..], &members(0, 9000, [1, 1, 0])].concat(), true),
        ] {
            let said = said(&types);
            assert_eq!(
                said.as_ref().is_some_and(|said| said.contains("too many of one name")),
                is_bad,
                "{said:?} {} words",
                types.len()
            );
        }
    }

    /// libbpf compares the names of each two types that follow each other.
    #[test]
    fn endless_names_are_refused_at_once() {
        let types = [1, 4 << 24, 0].repeat(1 << 18);
        let mut file = btf(&types);
        file.truncate(file.len() - 1);
        file.resize(file.len() + (3 << 20), b'x');
        file.push(0);
        let strings = (3 << 20) + 3_u32;
        file[20..24].copy_from_slice(&strings.to_ne_bytes());
        let start = std::time::Instant::now();
        let said = said_of(&file);
        assert!(said.is_some_and(|said| said.contains("names of more than 4096 bytes")));
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
    }

    #[test]
    fn types_of_the_running_kernel_are_accepted() {
        let path = Path::new(OF_KERNEL);
        if path.exists() {
            assert!(BtfFile::read(path).is_ok());
        }
    }
}
