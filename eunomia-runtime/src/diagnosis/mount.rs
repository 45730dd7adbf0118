//! File systems that BPF needs, mounted where they are missing. Nothing is mounted unless one of these is called.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::{
    fs::statfs,
    mount::{MountFlags, mount},
};

use super::privilege::{Need, lacking};
use crate::{Error, Hint, Result, hint::Advice, refusal::refusal};

/// Where maps, programs and links are pinned, and where tokens come from.
pub(crate) const BPFFS: &str = "/sys/fs/bpf";

/// A kind of file system.
pub(crate) struct Kind {
    name: &'static str,
    /// The function here that mounts it.
    function: &'static str,
    /// `f_type` of statfs(2), from `uapi/linux/magic.h`.
    magic: i64,
    /// Where it stands, the usual place first; all where libbpf looks for it.
    places: &'static [&'static str],
}

pub(crate) const OF_PINS: Kind = Kind { name: "bpf", function: "bpffs", magic: 0xcafe_4a11, places: &[BPFFS] };
pub(crate) const OF_TRACEPOINTS: Kind =
    Kind { name: "tracefs", function: "tracefs", magic: 0x7472_6163, places: &["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] };
pub(crate) const OF_CGROUPS: Kind =
    Kind { name: "cgroup2", function: "cgroup2", magic: 0x6367_7270, places: &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] };

/// Mounts a BPF file system (bpffs), for pins, on `/sys/fs/bpf` unless there is one. Returns the place.
///
/// # Errors
/// [`Error::Kernel`], EPERM without CAP_SYS_ADMIN; [`Error::Value`] where the folder has files of something else.
pub fn bpffs() -> Result<PathBuf> {
    OF_PINS.mounted_or_mount()
}

/// Mounts tracefs, for tracepoints, and for probes on kernels before 4.17, on `/sys/kernel/tracing` unless it is there or below debugfs.
/// Returns the place.
///
/// # Errors
/// As [`bpffs`]; ENODEV where the kernel has no tracepoints.
pub fn tracefs() -> Result<PathBuf> {
    OF_TRACEPOINTS.mounted_or_mount()
}

/// Mounts the file system of cgroups of version 2 on `/sys/fs/cgroup` unless it is mounted somewhere. Returns the place.
///
/// # Errors
/// As [`bpffs`]; [`Error::Value`] where cgroups of version 1 are there, which it would hide.
pub fn cgroup2() -> Result<PathBuf> {
    OF_CGROUPS.mounted_or_mount()
}

impl Kind {
    /// Whether a file or folder is in such a file system; none where there is no such file, or this user may not look.
    pub(crate) fn holds(&self, path: &Path) -> Option<bool> {
        statfs(path).ok().map(|found| found.f_type == self.magic)
    }

    /// Where it is mounted.
    pub(crate) fn mounted(&self) -> Option<PathBuf> {
        let usual = self.places.iter().map(Path::new).find(|place| self.holds(place) == Some(true));
        usual.map(Path::to_owned).or_else(|| self.elsewhere())
    }

    /// Somewhere else, where that does as well.
    fn elsewhere(&self) -> Option<PathBuf> {
        // libbpf has its own places for tracepoints, and pins and tokens of others are nobody's business.
        if self.name != OF_CGROUPS.name {
            return None;
        }
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let mut words = mounts.lines().map(|line| line.split(' ').skip(1));
        words.find_map(|mut words| words.next().filter(|_| words.next() == Some(self.name))).map(PathBuf::from)
    }

    /// How it comes to be there.
    pub(crate) fn remedy(&self) -> Hint {
        let by_hand = format!("`mount -t {0} {0} {1}`", self.name, self.place());
        // The command mounts what tracepoints and pins need.
        Advice::Mount { by_hand: &by_hand, function: self.function, option: self.name != OF_CGROUPS.name }.into()
    }

    /// What is to be said of a path that is in none.
    pub(crate) fn absent(&self) -> Hint {
        match self.mounted() {
            Some(place) => format!("the path is in no file system of type {}; there is one at {}", self.name, place.display()).into(),
            None => self.remedy().after(format_args!("no file system of type {} is mounted where it is looked for: ", self.name)),
        }
    }

    fn place(&self) -> &'static str {
        self.places.first().copied().unwrap_or_default()
    }

    fn mounted_or_mount(&self) -> Result<PathBuf> {
        if let Some(place) = self.mounted() {
            return Ok(place);
        }
        let place = self.place();
        let tried = format!("mount {} on {place}", self.name);
        if fs::read_dir(place).is_ok_and(|mut files| files.next().is_some()) {
            let why = "there are files of something else, which it would hide".to_owned();
            return Err(Error::Value { name: tried, why });
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let mounted = mount(self.name, place, self.name, flags, None);
        mounted.map_err(|errno| refusal(tried, errno.into()).without(|| lacking(&[Need::of_mounts()])))?;
        Ok(PathBuf::from(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_where() {
        assert_eq!([OF_PINS, OF_TRACEPOINTS, OF_CGROUPS].map(|kind| kind.holds(Path::new("/proc"))), [Some(false); 3]);
        assert_eq!(OF_PINS.holds(Path::new("/none")), None);
    }

    #[test]
    fn how_it_comes_there() {
        assert_eq!(OF_PINS.remedy(), "`mount -t bpf bpf /sys/fs/bpf` or `bpf::mount::bpffs()`");
        assert_eq!(OF_PINS.remedy().for_command(), "`mount -t bpf bpf /sys/fs/bpf`, or `--mount`");
        assert_eq!(OF_CGROUPS.remedy(), "`mount -t cgroup2 cgroup2 /sys/fs/cgroup` or `bpf::mount::cgroup2()`");
    }
}
