//! The file with the BTF of the running kernel, if the kernel has none itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{Error, Result, environment, file};

/// The file that exists on kernels with `CONFIG_DEBUG_INFO_BTF`.
pub(crate) const OF_KERNEL: &str = "/sys/kernel/btf/vmlinux";

/// The variable that other loaders of the format read, too.
const VARIABLE: &str = "BTF_FILE_PATH";

/// Returns the file with the kernel's BTF to open an object with, in this order:
///
/// - the file that the environment variable `BTF_FILE_PATH` names, unless it is empty or the
///   process has more rights than the user who started it (`AT_SECURE` of getauxval(3));
/// - none, if the kernel has BTF of its own;
/// - the file in `archive`, which is a file or a folder in the layout of [`archived`].
///
/// [`named_btf`] is for a path that the user names.
///
/// # Errors
/// [`Error::Value`] if the file that the variable names cannot be opened, or if the archive has no
/// file for this kernel.
pub fn kernel_btf(archive: Option<&Path>) -> Result<Option<PathBuf>> {
    choose(environment::variable(VARIABLE).map(PathBuf::from), Path::new(OF_KERNEL).exists(), archive)
}

/// Returns the file for a path that the user names: the path itself, or for a folder in the layout
/// of [`archived`] the file for the running kernel. [`kernel_btf`] is not consulted.
///
/// # Errors
/// [`Error::Value`] if the file cannot be opened.
pub fn named_btf(path: &Path) -> Result<PathBuf> {
    let file = in_archive(path);
    let Err(error) = file::open(&file) else { return Ok(file) };
    let why = if path.is_dir() {
        format!("the folder has no BTF of this kernel: no file `{}`", file.display())
    } else if error.kind() == io::ErrorKind::NotFound {
        "file not found; name a file with the BTF of this kernel, or a BTF archive".to_owned()
    } else {
        format!("{error}; name a file with the BTF of this kernel, or a BTF archive")
    };
    Err(Error::Value { name: format!("BTF of the kernel: `{}`", path.display()), why })
}

/// Returns the path of the running kernel's BTF in an archive for many kernels, in the layout of
/// btfhub: `<distribution>/<its version>/<machine>/<release>.btf`, for example
/// `ubuntu/20.04/x86_64/5.4.0-42-generic.btf`.
pub fn archived() -> PathBuf {
    let os = fs::read_to_string("/etc/os-release").or_else(|_| fs::read_to_string("/usr/lib/os-release")).unwrap_or_default();
    let kernel = rustix::system::uname();
    [os_release(&os, "ID"), os_release(&os, "VERSION_ID"), kernel.machine().to_string_lossy().into_owned()]
        .iter()
        .collect::<PathBuf>()
        .join(format!("{}.btf", kernel.release().to_string_lossy()))
}

/// Returns a value of `/etc/os-release`, see os-release(5).
fn os_release(text: &str, key: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
}

fn choose(named: Option<PathBuf>, has_own: bool, archive: Option<&Path>) -> Result<Option<PathBuf>> {
    // Scripts unset a variable by making it empty.
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        let why = format!("cannot open the file `{}`; name a file with the BTF of this kernel, or unset the variable", path.display());
        return if file::open(&path).is_ok() { Ok(Some(path)) } else { Err(Error::Value { name: VARIABLE.to_owned(), why }) };
    }
    let Some(archive) = archive.filter(|_| !has_own) else { return Ok(None) };
    let path = in_archive(archive);
    if file::open(&path).is_ok() {
        return Ok(Some(path));
    }
    let why = format!("cannot open the file `{}`, and the kernel has no BTF of its own ({OF_KERNEL})", path.display());
    Err(Error::Value { name: "BTF of the kernel".to_owned(), why })
}

/// Returns the path itself, or the path of this kernel's BTF in a folder.
fn in_archive(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(archived()) } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_btf_accepts_only_regular_files() {
        let (file, folder, none) = (Path::new("/proc/self/exe"), Path::new("/proc"), Path::new("/none"));
        assert_eq!(named_btf(file).unwrap(), file);
        let refused = named_btf(none).unwrap_err().to_string();
        assert!(refused.starts_with("BTF of the kernel: `/none`: file not found; "), "{refused}");
        // Such a path is not read: libbpf would wait for a writer of a FIFO, and would never finish
        // with a device.
        for (path, why) in [("/dev/zero", "it is a device, and is not opened"), ("/proc/kmsg", "it is made up by the kernel, ")] {
            let refused = named_btf(Path::new(path)).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("BTF of the kernel: `{path}`: {why}")), "{refused}");
        }
        let refused = named_btf(folder).unwrap_err().to_string();
        let expected = "BTF of the kernel: `/proc`: the folder has no BTF of this kernel: no file `/proc/";
        assert!(refused.starts_with(expected), "{refused}");
    }

    #[test]
    fn variable_precedes_kernel_and_kernel_precedes_archive() {
        let (file, none) = (Path::new("/proc/self/exe"), Path::new("/none"));
        assert_eq!(choose(None, true, Some(none)).unwrap(), None);
        assert_eq!(choose(None, false, None).unwrap(), None);
        assert_eq!(choose(None, false, Some(file)).unwrap(), Some(file.to_owned()));
        assert_eq!(choose(Some(file.to_owned()), true, Some(none)).unwrap(), Some(file.to_owned()));
        assert_eq!(choose(Some(PathBuf::new()), false, Some(file)).unwrap(), Some(file.to_owned()));
        let refused = choose(Some("/proc".into()), true, None).unwrap_err().to_string();
        assert_eq!(refused, "BTF_FILE_PATH: cannot open the file `/proc`; name a file with the BTF of this kernel, or unset the variable");
        let refused = choose(None, false, Some(Path::new("/proc"))).unwrap_err().to_string();
        assert!(refused.contains(&format!("cannot open the file `/proc/{}`", archived().display())), "{refused}");
    }

    #[test]
    fn os_release_values_are_unquoted() {
        let text = "NAME=\"Ubuntu\"\nVERSION_ID=\"20.04\"\nID=ubuntu\nVERSION_CODENAME='focal'\n";
        assert_eq!([os_release(text, "ID"), os_release(text, "VERSION_ID"), os_release(text, "NONE")], ["ubuntu", "20.04", ""]);
    }
}
