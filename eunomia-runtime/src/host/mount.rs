//! Mounts the file systems that BPF needs if they are missing. Nothing is mounted unless one of
//! these functions is called.

use std::{
    ffi::CStr,
    fs, io,
    path::{Path, PathBuf},
};

use rustix::{
    fs::statfs,
    mount::{MountFlags, mount},
};

use crate::{
    Error, Hint, Result,
    host::{
        Advice, kernel_error,
        privilege::{Need, lacking},
    },
};

/// The directory in which maps, programs and links are pinned, and from which tokens are created.
pub(crate) const BPFFS: &str = "/sys/fs/bpf";

/// A file system type.
pub(crate) struct Kind {
    name: &'static str,
    /// The function of this module that mounts it.
    function: &'static str,
    /// `f_type` of statfs(2), from `uapi/linux/magic.h`.
    magic: i64,
    /// Its mount points, the usual one first; these are all that libbpf looks at.
    places: &'static [&'static str],
    /// The options to mount it with.
    options: Option<&'static CStr>,
}

pub(crate) const OF_PINS: Kind = Kind {
    name: "bpf",
    function: "bpffs",
    magic: 0xcafe_4a11,
    places: &[BPFFS],
    // Without it every user can make files in it, and so take the names of pins.
    options: Some(c"mode=700"),
};
pub(crate) const OF_TRACEPOINTS: Kind = Kind {
    name: "tracefs",
    function: "tracefs",
    magic: 0x7472_6163,
    places: &["/sys/kernel/tracing", "/sys/kernel/debug/tracing"],
    options: None,
};
pub(crate) const OF_CGROUPS: Kind = Kind {
    name: "cgroup2",
    function: "cgroup2",
    magic: 0x6367_7270,
    places: &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"],
    options: None,
};

/// Mounts a BPF file system (bpffs), for pins, on `/sys/fs/bpf` unless one is mounted there. Only
/// this user can make files in it. Returns the mount point.
///
/// # Errors
/// [`Error::Kernel`] if mounting fails, with EPERM without CAP_SYS_ADMIN; [`Error::File`] if the
/// directory is not empty.
pub fn bpffs() -> Result<PathBuf> {
    OF_PINS.mounted_or_mount()
}

/// Mounts tracefs, for tracepoints, and for probes on kernels before 4.17, on `/sys/kernel/tracing`
/// unless it is mounted there or below debugfs. Returns the mount point.
///
/// # Errors
/// Those of [`bpffs`]; ENODEV if the kernel has no tracepoints.
pub fn tracefs() -> Result<PathBuf> {
    OF_TRACEPOINTS.mounted_or_mount()
}

/// Mounts the cgroup v2 file system on `/sys/fs/cgroup` unless it is mounted anywhere. Returns the
/// mount point.
///
/// # Errors
/// Those of [`bpffs`]; [`Error::File`] if cgroups of version 1 are mounted there, which it would
/// hide.
pub fn cgroup2() -> Result<PathBuf> {
    OF_CGROUPS.mounted_or_mount()
}

impl Kind {
    /// Returns whether a path is on such a file system, or `None` if the path does not exist or
    /// this user may not look it up.
    pub(crate) fn holds(&self, path: &Path) -> Option<bool> {
        statfs(path).ok().map(|found| found.f_type == self.magic)
    }

    /// Returns where it is mounted.
    pub(crate) fn mounted(&self) -> Option<PathBuf> {
        let usual = self.places.iter().map(Path::new).find(|place| self.holds(place) == Some(true));
        usual.map(Path::to_owned).or_else(|| self.elsewhere())
    }

    /// Returns another mount point, if any is as good as the usual ones.
    fn elsewhere(&self) -> Option<PathBuf> {
        // libbpf only looks for tracepoints in its own places, and pins and tokens elsewhere belong
        // to others.
        if self.name != OF_CGROUPS.name {
            return None;
        }
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let mut words = mounts.lines().map(|line| line.split(' ').skip(1));
        words
            .find_map(|mut words| words.next().filter(|_| words.next() == Some(self.name)))
            .map(PathBuf::from)
    }

    /// Returns how to mount it.
    pub(crate) fn remedy(&self) -> Hint {
        let options = self
            .options
            .map_or_else(String::new, |options| format!("-o {} ", options.to_string_lossy()));
        let by_hand = format!("`mount -t {0} {options}{0} {1}`", self.name, self.place());
        // The command mounts what tracepoints and pins need.
        Advice::Mount {
            by_hand: &by_hand,
            function: self.function,
            option: self.name != OF_CGROUPS.name,
        }
        .into()
    }

    /// Returns the hint for a path that is not on such a file system.
    pub(crate) fn absent(&self) -> Hint {
        match self.mounted() {
            Some(place) => format!(
                "the path is not on a file system of type {}; one is mounted at {}",
                self.name,
                place.display()
            )
            .into(),
            None => self.remedy().after(format_args!(
                "no file system of type {} is mounted at the usual places: ",
                self.name
            )),
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
            let why = format!(
                "cannot mount {} on it: the directory is not empty, and mounting would hide its files",
                self.name
            );
            return Err(Error::File {
                path: PathBuf::from(place),
                source: io::Error::new(io::ErrorKind::DirectoryNotEmpty, why),
            });
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let mounted = mount(self.name, place, self.name, flags, self.options);
        mounted.map_err(|errno| {
            kernel_error(tried, errno.into()).without(|| lacking(&[Need::of_mounts()]))
        })?;
        Ok(PathBuf::from(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_checks_file_system_type() {
        assert_eq!(
            [OF_PINS, OF_TRACEPOINTS, OF_CGROUPS].map(|kind| kind.holds(Path::new("/proc"))),
            [Some(false); 3]
        );
        assert_eq!(OF_PINS.holds(Path::new("/none")), None);
    }

    #[test]
    fn remedy_names_mount_command() {
        assert_eq!(
            OF_PINS.remedy(),
            "`mount -t bpf -o mode=700 bpf /sys/fs/bpf` or `bpf::mount::bpffs()`"
        );
        assert_eq!(
            OF_PINS.remedy().for_command(),
            "`mount -t bpf -o mode=700 bpf /sys/fs/bpf`, or `--mount`"
        );
        assert_eq!(
            OF_CGROUPS.remedy(),
            "`mount -t cgroup2 cgroup2 /sys/fs/cgroup` or `bpf::mount::cgroup2()`"
        );
    }
}
