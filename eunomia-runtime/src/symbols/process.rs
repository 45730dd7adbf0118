//! Where the addresses of a process lie, by /proc.

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
    fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2},
    io::Errno,
};

use super::{file, procmap::query};

/// A line of /proc/PID/maps, proc_pid_maps(5).
pub(super) struct Mapping {
    pub(super) range: Range<u64>,
    pub(super) offset: u64,
    pub(super) device: (u32, u32),
    /// The file; `[vdso]` and the like; nothing.
    pub(super) name: Vec<u8>,
}

/// A process may have 65530 mappings of long paths, and decides how many.
const MOST_MAPS: u64 = 16 << 20;
const MOST_MOUNTS: u64 = 4 << 20;

/// The mappings that hold the addresses.
pub(super) fn mappings(pid: u32, addresses: &[u64]) -> io::Result<Vec<Mapping>> {
    let maps = File::open(format!("/proc/{pid}/maps"))?;
    asked(&maps, addresses).map_or_else(|| listed(maps, addresses), Ok)
}

/// Asks the kernel for each (Linux 6.11): a process that has made tens of thousands of mappings costs no more than another. `None` if the
/// kernel does not know the question.
fn asked(maps: &File, addresses: &[u64]) -> Option<Vec<Mapping>> {
    let (mut found, mut left) = (Vec::new(), addresses.to_vec());
    while let Some(address) = left.pop() {
        match query(maps, address) {
            Ok(mapping) => {
                left.retain(|address| !mapping.range.contains(address));
                found.push(mapping);
            }
            // There is no mapping, or no process, or the mapping has a name that is no path.
            Err(Errno::NOENT | Errno::SRCH | Errno::NAMETOOLONG) => {}
            // ENOTTY, or a filter of system calls.
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
        Some(Self { range: hex(start)?..hex(end)?, offset: hex(offset)?, device, name: rest.to_vec() })
    }

    /// The file's name, as the process knew it.
    pub(super) fn path(&self) -> PathBuf {
        OsString::from_vec(self.name.strip_suffix(b" (deleted)").unwrap_or(&self.name).to_vec()).into()
    }

    /// Points to the file, whatever has become of its name. `None` if it is no regular file, or the kernel would have to ask a program of
    /// somebody else about it.
    pub(super) fn file(&self, pid: u32, mounts: &mut Mounts) -> Option<OwnedFd> {
        if !self.name.starts_with(b"/") || !mounts.are_of_the_kernel(self.device) {
            return None;
        }
        let Range { start, end } = self.range;
        file::open(format!("/proc/{pid}/map_files/{start:x}-{end:x}").as_bytes()).ok()
    }
}

/// Types of file systems by their device.
type Types = HashMap<(u32, u32), Vec<u8>>;

/// The file systems that a process sees, and those that this one does.
pub(super) struct Mounts {
    pid: u32,
    types: Option<[Types; 2]>,
}

impl Mounts {
    pub(super) fn new(pid: u32) -> Self {
        Self { pid, types: None }
    }

    /// Whether the process has the mounts and users of this one, and not those of a container.
    pub(super) fn are_shared(&self) -> bool {
        same_namespace(self.pid, "mnt") && same_namespace(self.pid, "user")
    }

    /// Whether no program of a user answers for the file system: a FUSE file system may never answer, and whoever waits for it cannot even
    /// be killed. Disks are mounted by root alone. An overlay may stand on FUSE if somebody mounted it in a user namespace of his own.
    fn are_of_the_kernel(&mut self, device: (u32, u32)) -> bool {
        if device.0 != 0 {
            return true;
        }
        let pid = self.pid;
        let [theirs, ours] = self.types.get_or_insert_with(|| [types(&pid.to_string()), types("self")]);
        match (theirs.get(&device), ours.get(&device)) {
            (None, None) => false,
            (their, our) if [their, our].into_iter().flatten().any(|name| name.starts_with(b"fuse")) => false,
            (_, Some(_)) => true,
            (Some(name), None) => name != b"overlay" || same_namespace(pid, "user"),
        }
    }
}

fn same_namespace(pid: u32, name: &str) -> bool {
    let own = fs::read_link(format!("/proc/self/ns/{name}"));
    matches!((own, fs::read_link(format!("/proc/{pid}/ns/{name}"))), (Ok(own), Ok(other)) if own == other)
}

/// The lines of proc_pid_mountinfo(5).
fn mounts(pid: &str) -> io::Result<impl Iterator<Item = Vec<u8>>> {
    let file = File::open(format!("/proc/{pid}/mountinfo"))?;
    Ok(BufReader::new(file.take(MOST_MOUNTS)).split(b'\n').map_while(Result::ok))
}

/// The type of each mounted file system by its device; none that cannot be read.
fn types(pid: &str) -> Types {
    let mut types = Types::new();
    for line in mounts(pid).into_iter().flatten() {
        let mut words = line.split(|byte| *byte == b' ');
        let device = words.nth(2).and_then(|device| std::str::from_utf8(device).ok()?.split_once(':'));
        let device = device.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        if let (Some(device), Some(name)) = (device, words.skip_while(|word| *word != b"-").nth(1)) {
            types.insert(device, name.to_vec());
        }
    }
    types
}

/// The file in which a program that compiles as it runs says what it has put where, by the kernel's
/// `tools/perf/Documentation/jit-interface.txt`: in `/tmp` of the process, by the number that it has in its own PID namespace, and only if
/// it is the process's own.
pub(super) fn perf_map(pid: u32) -> Option<OwnedFd> {
    // The way there must not lead to a FUSE file system, whose owner decides when it goes on.
    let is_on_fuse = |line: &[u8]| {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let point = words.get(4).copied().unwrap_or_default();
        let name = words.iter().skip_while(|word| **word != b"-").nth(1).copied().unwrap_or_default();
        name.starts_with(b"fuse") && (point == b"/" || point.starts_with(b"/tmp"))
    };
    if mounts(&pid.to_string()).ok()?.any(|line| is_on_fuse(&line)) {
        return None;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let words = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::split_ascii_whitespace);
    let effective = words("Uid:")?.nth(1)?.parse::<u32>().ok()?;
    let number = words("NStgid:")?.next_back()?;
    let root = open(format!("/proc/{pid}/root"), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let way = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = openat2(root, format!("tmp/perf-{number}.map"), flags, Mode::empty(), way).ok()?;
    let about = fstat(&file).ok()?;
    let is_own = about.st_uid == effective && about.st_mode & 0o022 == 0;
    (is_own && FileType::from_raw_mode(about.st_mode) == FileType::RegularFile).then_some(file)
}

/// The offset of the kernel's code in this process, which is the same file in every process of this class.
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
    fn lines_of_maps() {
        let mapping = Mapping::of(b"7f00a000-7f00b000 r-xp 0001f000 08:1e 131 /usr/lib/a b.so (deleted)").unwrap();
        assert_eq!((mapping.range.clone(), mapping.offset, mapping.device), (0x7f00_a000..0x7f00_b000, 0x1f000, (8, 0x1e)));
        assert_eq!(mapping.path(), Path::new("/usr/lib/a b.so"));
        assert!(Mapping::of(b"7f00a000-7f00b000 rw-p 00000000 00:00 0").unwrap().name.is_empty());
        assert!(Mapping::of(b"").is_none() && Mapping::of(b"zz-1 r 0 0:0 0").is_none());
    }

    #[test]
    fn the_kernel_answers_as_it_lists() {
        let addresses = [the_kernel_answers_as_it_lists as fn() as usize as u64, std::ptr::from_ref(&0_u64) as u64, own_vdso().unwrap(), 8];
        let maps = || File::open("/proc/self/maps").unwrap();
        let Some(mut asked) = asked(&maps(), &addresses) else { return };
        let mut listed = listed(maps(), &addresses).unwrap();
        [&mut asked, &mut listed].iter_mut().for_each(|found| found.sort_by_key(|mapping| mapping.range.start));
        let words = |found: &[Mapping]| found.iter().map(|m| (m.range.clone(), m.offset, m.device, m.name.clone())).collect::<Vec<_>>();
        assert_eq!(words(&asked), words(&listed));
        assert!(listed.len() > 1 && listed.iter().any(|mapping| mapping.name == b"[vdso]"));
    }

    #[test]
    fn files_of_the_kernel_are_told_apart_from_those_of_a_program() {
        let mut mounts = Mounts { pid: std::process::id(), types: None };
        assert!(mounts.are_of_the_kernel((8, 1)));
        assert!(!mounts.are_of_the_kernel((0, u32::MAX)), "nobody knows it");
        let table = |name: &[u8]| HashMap::from([((0, 7), name.to_vec())]);
        for (theirs, ours, expected) in [
            (table(b"tmpfs"), HashMap::new(), true),
            (table(b"fuse.sshfs"), HashMap::new(), false),
            (table(b"tmpfs"), table(b"fuse"), false),
            (table(b"overlay"), table(b"overlay"), true),
        ] {
            mounts.types = Some([theirs, ours]);
            assert_eq!(mounts.are_of_the_kernel((0, 7)), expected);
        }
    }
}
