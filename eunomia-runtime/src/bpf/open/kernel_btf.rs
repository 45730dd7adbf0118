//! Which file has the BTF of the running kernel, where the kernel itself has none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{Error, Result, environment, file};

/// What `CONFIG_DEBUG_INFO_BTF` brings.
pub(crate) const OF_KERNEL: &str = "/sys/kernel/btf/vmlinux";

/// Other loaders of the format read it, too.
const VARIABLE: &str = "BTF_FILE_PATH";

/// The file to open an object with: the one that the environment variable `BTF_FILE_PATH` names, unless it is empty or the process has more
/// rights than whoever started it (`AT_SECURE` of getauxval(3)); none where the kernel
/// has BTF of its own; else what `archive` has, a file or a folder in the layout of [`archived`].
///
/// [`named_btf`] is for a path that the user names.
///
/// # Errors
/// [`Error::Value`] where the variable names no file, or the archive has none for this kernel.
pub fn kernel_btf(archive: Option<&Path>) -> Result<Option<PathBuf>> {
    choose(environment::variable(VARIABLE).map(PathBuf::from), Path::new(OF_KERNEL).exists(), archive)
}

/// The file that a path stands for which the user named, in place of anything that [`kernel_btf`] would choose: itself, or what a folder in
/// the layout of [`archived`] has for the running kernel.
///
/// # Errors
/// [`Error::Value`] where there is no such file.
pub fn named_btf(path: &Path) -> Result<PathBuf> {
    let file = in_archive(path);
    let Err(error) = file::open(&file) else { return Ok(file) };
    let why = if path.is_dir() {
        format!("the folder has no BTF of this kernel: there is no file `{}`", file.display())
    } else if error.kind() == io::ErrorKind::NotFound {
        "there is no such file; name one with the BTF of this kernel, or an archive of that of many".to_owned()
    } else {
        format!("{error}; name a file with the BTF of this kernel, or an archive of that of many")
    };
    Err(Error::Value { name: format!("BTF of the kernel: `{}`", path.display()), why })
}

/// Where an archive of many kernels' BTF keeps that of the running one, as btfhub does: `<distribution>/<its version>/<machine>/<release>.btf`,
/// `ubuntu/20.04/x86_64/5.4.0-42-generic.btf` for example.
pub fn archived() -> PathBuf {
    let os = fs::read_to_string("/etc/os-release").or_else(|_| fs::read_to_string("/usr/lib/os-release")).unwrap_or_default();
    let kernel = rustix::system::uname();
    [of_os(&os, "ID"), of_os(&os, "VERSION_ID"), kernel.machine().to_string_lossy().into_owned()]
        .iter()
        .collect::<PathBuf>()
        .join(format!("{}.btf", kernel.release().to_string_lossy()))
}

/// A value of `/etc/os-release`, os-release(5).
fn of_os(text: &str, key: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
}

fn choose(named: Option<PathBuf>, has_own: bool, archive: Option<&Path>) -> Result<Option<PathBuf>> {
    // Empty is how scripts unset a variable.
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        let why = format!("`{}` is no file; name a file with the BTF of this kernel, or unset the variable", path.display());
        return if file::open(&path).is_ok() { Ok(Some(path)) } else { Err(Error::Value { name: VARIABLE.to_owned(), why }) };
    }
    let Some(archive) = archive.filter(|_| !has_own) else { return Ok(None) };
    let path = in_archive(archive);
    if file::open(&path).is_ok() {
        return Ok(Some(path));
    }
    let why = format!("there is no file `{}`, and the kernel has no BTF of its own ({OF_KERNEL})", path.display());
    Err(Error::Value { name: "BTF of the kernel".to_owned(), why })
}

/// The path itself, or where a folder keeps the BTF of this kernel.
fn in_archive(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(archived()) } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_the_user_names() {
        let (file, folder, none) = (Path::new("/proc/self/exe"), Path::new("/proc"), Path::new("/none"));
        assert_eq!(named_btf(file).unwrap(), file);
        let refused = named_btf(none).unwrap_err().to_string();
        assert!(refused.starts_with("BTF of the kernel: `/none`: there is no such file; "), "{refused}");
        // Nothing reads it: libbpf would wait for whoever writes to a FIFO, and never end with a device.
        for (path, why) in [("/dev/zero", "it is a device, and is not opened"), ("/proc/kmsg", "it is made up by the kernel, ")] {
            let refused = named_btf(Path::new(path)).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("BTF of the kernel: `{path}`: {why}")), "{refused}");
        }
        let refused = named_btf(folder).unwrap_err().to_string();
        let expected = "BTF of the kernel: `/proc`: the folder has no BTF of this kernel: there is no file `/proc/";
        assert!(refused.starts_with(expected), "{refused}");
    }

    #[test]
    fn a_named_file_goes_before_the_kernels_and_that_before_an_archive() {
        let (file, none) = (Path::new("/proc/self/exe"), Path::new("/none"));
        assert_eq!(choose(None, true, Some(none)).unwrap(), None);
        assert_eq!(choose(None, false, None).unwrap(), None);
        assert_eq!(choose(None, false, Some(file)).unwrap(), Some(file.to_owned()));
        assert_eq!(choose(Some(file.to_owned()), true, Some(none)).unwrap(), Some(file.to_owned()));
        assert_eq!(choose(Some(PathBuf::new()), false, Some(file)).unwrap(), Some(file.to_owned()));
        let refused = choose(Some("/proc".into()), true, None).unwrap_err().to_string();
        assert_eq!(refused, "BTF_FILE_PATH: `/proc` is no file; name a file with the BTF of this kernel, or unset the variable");
        let refused = choose(None, false, Some(Path::new("/proc"))).unwrap_err().to_string();
        assert!(refused.contains(&format!("no file `/proc/{}`", archived().display())), "{refused}");
    }

    #[test]
    fn names_of_systems() {
        let text = "NAME=\"Ubuntu\"\nVERSION_ID=\"20.04\"\nID=ubuntu\nVERSION_CODENAME='focal'\n";
        assert_eq!([of_os(text, "ID"), of_os(text, "VERSION_ID"), of_os(text, "NONE")], ["ubuntu", "20.04", ""]);
    }
}
