//! Which file has the BTF of the running kernel, where the kernel itself has none.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// What `CONFIG_DEBUG_INFO_BTF` brings.
pub(super) const OF_KERNEL: &str = "/sys/kernel/btf/vmlinux";

/// Other loaders of the format read it, too.
const VARIABLE: &str = "BTF_FILE_PATH";

/// The file to open an object with: the one that the environment variable `BTF_FILE_PATH` names; none where the kernel has BTF of its own;
/// else what `archive` has, a file or a folder in the layout of [`archived`].
///
/// # Errors
/// [`Error::Value`] where the variable names no file, or the archive has none for this kernel.
pub fn kernel_btf(archive: Option<&Path>) -> Result<Option<PathBuf>> {
    choose(env::var_os(VARIABLE).map(PathBuf::from), Path::new(OF_KERNEL).exists(), archive)
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
    if let Some(path) = named {
        let why = format!("`{}` is no file; name a file with the BTF of this kernel, or unset the variable", path.display());
        return if path.is_file() { Ok(Some(path)) } else { Err(Error::Value { name: VARIABLE.to_owned(), why }) };
    }
    let Some(archive) = archive.filter(|_| !has_own) else { return Ok(None) };
    let path = if archive.is_dir() { archive.join(archived()) } else { archive.to_owned() };
    if path.is_file() {
        return Ok(Some(path));
    }
    let why = format!("there is no file `{}`, and the kernel has no BTF of its own ({OF_KERNEL})", path.display());
    Err(Error::Value { name: "BTF of the kernel".to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_goes_before_the_kernels_and_that_before_an_archive() {
        let (file, none) = (Path::new("/proc/self/status"), Path::new("/none"));
        assert_eq!(choose(None, true, Some(none)).unwrap(), None);
        assert_eq!(choose(None, false, None).unwrap(), None);
        assert_eq!(choose(None, false, Some(file)).unwrap(), Some(file.to_owned()));
        assert_eq!(choose(Some(file.to_owned()), true, Some(none)).unwrap(), Some(file.to_owned()));
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
