//! Places of the addresses of a process, from /proc.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _},
    ops::Range,
    os::{fd::OwnedFd, unix::ffi::OsStringExt as _},
    path::PathBuf,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, open, openat, openat2, readlinkat},
    io::Errno,
};

use super::{file, procmap::query};

/// A line of /proc/PID/maps, see proc_pid_maps(5).
pub(super) struct Mapping {
    pub(super) range: Range<u64>,
    pub(super) offset: u64,
    pub(super) device: (u32, u32),
    /// The path of the file, a name such as `[vdso]`, or empty.
    pub(super) name: Vec<u8>,
}

/// A process may have 65530 mappings with long paths, and decides how many.
const MOST_MAPS: u64 = 16 << 20;
const MOST_MOUNTS: u64 = 4 << 20;

/// The directory of a process in /proc. Everything that is opened through it is of this process,
/// and nothing can be opened after the process has ended, even if another one gets its number.
pub(super) struct Process(OwnedFd);

impl Process {
    pub(super) fn new(pid: u32) -> io::Result<Self> {
        Self::at(&format!("/proc/{pid}"))
    }

    fn own() -> io::Result<Self> {
        Self::at("/proc/self")
    }

    fn at(path: &str) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(open(path, flags, Mode::empty())?))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(openat(&self.0, name, flags, Mode::empty())?.into())
    }

    /// Returns the mappings that contain the addresses.
    pub(super) fn mappings(&self, addresses: &[u64]) -> io::Result<Vec<Mapping>> {
        let maps = self.open("maps")?;
        queried(&maps, addresses).map_or_else(|| listed(maps, addresses), Ok)
    }

    /// Returns the lines of proc_pid_mountinfo(5).
    fn mounts(&self) -> io::Result<impl Iterator<Item = Vec<u8>> + use<>> {
        let file = self.open("mountinfo")?;
        Ok(BufReader::new(file.take(MOST_MOUNTS)).split(b'\n').map_while(Result::ok))
    }

    /// Reports whether this process is in the same namespace.
    fn shares(&self, namespace: &str) -> bool {
        let own = readlinkat(CWD, format!("/proc/self/ns/{namespace}"), Vec::new());
        let other = readlinkat(&self.0, format!("ns/{namespace}"), Vec::new());
        matches!((own, other), (Ok(own), Ok(other)) if own == other)
    }
}

/// Queries the kernel for each address (Linux 6.11), so a process with tens of thousands of
/// mappings costs no more than another. Returns `None` if the kernel does not support the query.
fn queried(maps: &File, addresses: &[u64]) -> Option<Vec<Mapping>> {
    let (mut found, mut left) = (Vec::new(), addresses.to_vec());
    while let Some(address) = left.pop() {
        match query(maps, address) {
            Ok(mapping) => {
                left.retain(|address| !mapping.range.contains(address));
                found.push(mapping);
            }
            // No mapping, no process, or a name that is longer than any path.
            Err(Errno::NOENT | Errno::SRCH | Errno::NAMETOOLONG) => {}
            // ENOTTY from an older kernel, or an error from a seccomp filter.
            Err(_) => return None,
        }
    }
    Some(found)
}

/// Reads the mappings until all addresses are found.
fn listed(maps: File, addresses: &[u64]) -> io::Result<Vec<Mapping>> {
    let mut lines = BufReader::new(maps.take(MOST_MAPS));
    let (mut line, mut found, mut left) = (Vec::new(), Vec::new(), addresses.to_vec());
    while !left.is_empty() {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let Some(mapping) = Mapping::of(line.trim_ascii_end()) else { continue };
        let before = left.len();
        left.retain(|address| !mapping.range.contains(address));
        if left.len() < before {
            found.push(mapping);
        }
    }
    Ok(found)
}

impl Mapping {
    fn of(line: &[u8]) -> Option<Self> {
        let mut rest = line;
        let mut word = || {
            let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after.trim_ascii_start();
            std::str::from_utf8(word).ok()
        };
        let (range, _, offset, device, _) = (word()?, word()?, word()?, word()?, word()?);
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let (start, end) = range.split_once('-')?;
        let (major, minor) = device.split_once(':')?;
        let device = (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
        Some(Self {
            range: hex(start)?..hex(end)?,
            offset: hex(offset)?,
            device,
            name: rest.to_vec(),
        })
    }

    /// Returns the file's path as the process knew it.
    pub(super) fn path(&self) -> PathBuf {
        OsString::from_vec(self.name.strip_suffix(b" (deleted)").unwrap_or(&self.name).to_vec())
            .into()
    }

    /// Opens the file by `O_PATH`, even if it was renamed or deleted. Returns `None` if it is not a
    /// regular file, or if the kernel would have to ask another user's program about it (FUSE).
    pub(super) fn file(&self, process: &Process, mounts: &mut Mounts<'_>) -> Option<OwnedFd> {
        if !self.name.starts_with(b"/") || !mounts.is_served_by_kernel(self.device) {
            return None;
        }
        let Range { start, end } = self.range;
        file::open(&process.0, format!("map_files/{start:x}-{end:x}").as_bytes()).ok()
    }
}

/// File system types by device.
type Types = HashMap<(u32, u32), Vec<u8>>;

/// The file systems that a process sees, and those that this process sees.
pub(super) struct Mounts<'a> {
    process: &'a Process,
    types: Option<[Types; 2]>,
}

impl<'a> Mounts<'a> {
    pub(super) fn new(process: &'a Process) -> Self {
        Self { process, types: None }
    }

    /// Reports whether the process has the mounts and users of this one, and not those of a
    /// container.
    pub(super) fn are_shared(&self) -> bool {
        self.process.shares("mnt") && self.process.shares("user")
    }

    /// Reports whether the kernel alone serves the file system of a device. A FUSE file system is
    /// served by a program of a user and may never answer, and a process that waits for it cannot
    /// even be killed. Only root mounts disks. An overlay can lie on FUSE if a user mounted it in a
    /// user namespace of his own.
    fn is_served_by_kernel(&mut self, device: (u32, u32)) -> bool {
        if device.0 != 0 {
            return true;
        }
        let process = self.process;
        let [theirs, ours] = self.types.get_or_insert_with(|| {
            [types(process), Process::own().map(|own| types(&own)).unwrap_or_default()]
        });
        match (theirs.get(&device), ours.get(&device)) {
            (None, None) => false,
            (their, our)
                if [their, our].into_iter().flatten().any(|name| name.starts_with(b"fuse")) =>
            {
                false
            }
            (_, Some(_)) => true,
            (Some(name), None) => name != b"overlay" || process.shares("user"),
        }
    }
}

/// Returns the type of each mounted file system by its device; empty if the list cannot be read.
fn types(process: &Process) -> Types {
    let mut types = Types::new();
    for line in process.mounts().into_iter().flatten() {
        let mut words = line.split(|byte| *byte == b' ');
        let device =
            words.nth(2).and_then(|device| std::str::from_utf8(device).ok()?.split_once(':'));
        let device =
            device.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        if let (Some(device), Some(name)) = (device, words.skip_while(|word| *word != b"-").nth(1))
        {
            types.insert(device, name.to_vec());
        }
    }
    types
}

/// Opens the perf map of a process, in which a just-in-time compiler names its functions, as
/// described in the kernel's `tools/perf/Documentation/jit-interface.txt`. The file is in `/tmp` of
/// the process, is named by the pid in the process's own PID namespace, and is used only if it
/// belongs to the process's user.
pub(super) fn perf_map(process: &Process) -> Option<OwnedFd> {
    // The path must not lead to a FUSE file system, whose owner decides how long a read takes.
    let is_on_fuse = |line: &[u8]| {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let point = words.get(4).copied().unwrap_or_default();
        let name =
            words.iter().skip_while(|word| **word != b"-").nth(1).copied().unwrap_or_default();
        name.starts_with(b"fuse") && (point == b"/" || point.starts_with(b"/tmp"))
    };
    if process.mounts().ok()?.any(|line| is_on_fuse(&line)) {
        return None;
    }
    let status = io::read_to_string(process.open("status").ok()?).ok()?;
    let words = |key: &str| {
        status.lines().find_map(|line| line.strip_prefix(key)).map(str::split_ascii_whitespace)
    };
    let effective = words("Uid:")?.nth(1)?.parse::<u32>().ok()?;
    let number = words("NStgid:")?.next_back()?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(&process.0, "root", flags, Mode::empty()).ok()?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file =
        openat2(root, format!("tmp/perf-{number}.map"), flags, Mode::empty(), resolve).ok()?;
    let about = fstat(&file).ok()?;
    let is_own = about.st_uid == effective && about.st_mode & 0o022 == 0;
    (is_own && FileType::from_raw_mode(about.st_mode) == FileType::RegularFile).then_some(file)
}

/// Returns the start of the vDSO in this process. The vDSO is the same file in every process of the
/// same class (32 or 64 bits).
pub(super) fn own_vdso() -> Option<u64> {
    let maps = fs::read("/proc/self/maps").ok()?;
    let line = maps.split(|byte| *byte == b'\n').find(|line| line.ends_with(b"[vdso]"))?;
    Some(Mapping::of(line)?.range.start)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn mapping_parses_lines_of_maps() {
        let mapping =
            Mapping::of(b"7f00a000-7f00b000 r-xp 0001f000 08:1e 131 /usr/lib/a b.so (deleted)")
                .unwrap();
        assert_eq!(
            (mapping.range.clone(), mapping.offset, mapping.device),
            (0x7f00_a000..0x7f00_b000, 0x1f000, (8, 0x1e))
        );
        assert_eq!(mapping.path(), Path::new("/usr/lib/a b.so"));
        assert!(Mapping::of(b"7f00a000-7f00b000 rw-p 00000000 00:00 0").unwrap().name.is_empty());
        assert!(Mapping::of(b"").is_none() && Mapping::of(b"zz-1 r 0 0:0 0").is_none());
    }

    #[test]
    fn query_finds_the_mappings_of_the_list() {
        let function = query_finds_the_mappings_of_the_list as fn() as usize as u64;
        let addresses = [function, std::ptr::from_ref(&0_u64) as u64, own_vdso().unwrap(), 8];
        let maps = || File::open("/proc/self/maps").unwrap();
        let Some(mut queried) = queried(&maps(), &addresses) else { return };
        let mut listed = listed(maps(), &addresses).unwrap();
        [&mut queried, &mut listed]
            .iter_mut()
            .for_each(|found| found.sort_by_key(|mapping| mapping.range.start));
        let words = |found: &[Mapping]| {
            found
                .iter()
                .map(|m| (m.range.clone(), m.offset, m.device, m.name.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&queried), words(&listed));
        assert!(listed.len() > 1 && listed.iter().any(|mapping| mapping.name == b"[vdso]"));
    }

    #[test]
    fn nothing_is_read_of_a_process_that_has_ended() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::new(child.id()).unwrap();
        assert!(process.mappings(&[8]).is_ok() && process.shares("mnt"));
        child.kill().unwrap();
        child.wait().unwrap();
        // The descriptor does not lead to a process that gets the number.
        assert!(process.mappings(&[8]).is_err() && !process.shares("mnt"));
    }

    #[test]
    fn fuse_is_not_served_by_kernel() {
        let process = Process::own().unwrap();
        let mut mounts = Mounts::new(&process);
        assert!(mounts.is_served_by_kernel((8, 1)));
        assert!(!mounts.is_served_by_kernel((0, u32::MAX)), "the device is unknown");
        let table = |name: &[u8]| HashMap::from([((0, 7), name.to_vec())]);
        for (theirs, ours, expected) in [
            (table(b"tmpfs"), HashMap::new(), true),
            (table(b"fuse.sshfs"), HashMap::new(), false),
            (table(b"tmpfs"), table(b"fuse"), false),
            (table(b"overlay"), table(b"overlay"), true),
        ] {
            mounts.types = Some([theirs, ours]);
            assert_eq!(mounts.is_served_by_kernel((0, 7)), expected);
        }
    }
}
