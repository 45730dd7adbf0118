//! Fetches a kernel's packages with apt and keeps the files that boot it.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, Kernel, command, error::Tried as _, sources};

/// Modules that tests attach programs to (interfaces and traffic control) and that kernels for
/// virtual machines do not build in.
const MODULES: [&str; 4] = ["dummy", "veth", "sch_ingress", "cls_bpf"];

/// Fetches a kernel into `folder`, which appears only when it is complete.
pub(crate) fn fetch(kernel: &Kernel, cache: &Path, folder: &Path) -> Result<(), Error> {
    eprintln!("kernel {kernel}: fetching it from Debian suite {}", kernel.suite);
    let work = tempfile::Builder::new()
        .prefix(".fetch-")
        .tempdir_in(cache)
        .tried(|| format!("create a folder in {}", cache.display()))?;
    let refused = |why| Error::Fetch { kernel: kernel.to_string(), why };
    let apt = Apt::new(work.path(), &kernel.suite).map_err(|error| refused(error.to_string()))?;
    // An error is not final: of several sources that may have the suite, one is enough.
    let updated = apt.run("apt-get", &["update"]);
    let names = apt.run("apt-cache", &["pkgnames", "linux-"])?;
    let Some(release) = newest(&names, &kernel.version) else {
        let others: Vec<_> =
            names.lines().filter_map(release).filter_map(|name| name.split('-').next()).collect();
        return Err(refused(match updated {
            Err(error) if others.is_empty() => error.to_string(),
            _ if others.is_empty() => {
                format!("suite {} has no kernels for virtual machines", kernel.suite)
            }
            _ => format!(
                "suite {} has no kernel {}; it has {}",
                kernel.suite,
                kernel.version,
                others.join(", ")
            ),
        }));
    };
    for part in ["image", "base", "binary", "modules"] {
        // The image package holds everything, or it is empty and the other packages hold the files.
        let package = format!("linux-{part}-{release}");
        if names.lines().any(|name| name == package) {
            apt.run("apt-get", &["download", "-q", &package])
                .map_err(|error| refused(error.to_string()))?;
        }
    }
    let unpacked = work.path().join("unpacked");
    for package in
        files(work.path())?.iter().filter(|file| file.extension() == Some(OsStr::new("deb")))
    {
        command::output(Command::new("dpkg-deb").arg("--extract").args([package, &unpacked]))?;
    }
    let kept = work.path().join("kept");
    keep(&files(&unpacked)?, release, &kept)?;
    fs::rename(&kept, folder).tried(|| format!("rename {} to {}", kept.display(), folder.display()))
}

/// apt with the host's configuration, but with its own list of sources and its own state.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(folder: &Path, suite: &str) -> Result<Apt, Error> {
        let write = |name: &str, text: &str| {
            fs::write(folder.join(name), text)
                .tried(|| format!("write {name} in {}", folder.display()))
        };
        for name in ["sources", "state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(name))
                .tried(|| format!("create {name} in {}", folder.display()))?;
        }
        write("sources/debian.sources", &sources::of_suite(suite)?)?;
        write("state/status", "")?;
        let place = folder.display();
        // The hooks and pins of the host concern its own packages, and the fetched files belong to
        // the current user.
        let settings = format!(
            "Dir::Etc::SourceList \"/dev/null\";\nDir::Etc::SourceParts \"{place}/sources\";\nDir::State \"{place}/state\";\n\
             Dir::State::status \"{place}/state/status\";\nDir::Cache \"{place}/cache\";\nDir::Etc::Preferences \"/dev/null\";\n\
             Dir::Etc::PreferencesParts \"/dev/null\";\nAPT::Architecture \"amd64\";\nAPT::Architectures \"amd64\";\n\
             APT::Sandbox::User \"root\";\nAPT::Update::Error-Mode \"any\";\nAcquire::Languages \"none\";\nAcquire::IndexTargets::deb::Contents-deb::DefaultEnabled \"false\";\n\
             Acquire::Retries \"3\";\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n\
             #clear APT::Update::Pre-Invoke;\n"
        );
        write("apt.conf", &settings)?;
        Ok(Apt { folder: folder.to_owned() })
    }

    fn run(&self, program: &str, words: &[&str]) -> Result<String, Error> {
        let settings = self.folder.join("apt.conf");
        command::text(
            Command::new(program)
                .arg("-c")
                .arg(settings)
                .args(words)
                .current_dir(&self.folder)
                .env("LC_ALL", "C"),
        )
    }
}

/// Returns the release in the name of a package with a kernel for virtual machines.
fn release(package: &str) -> Option<&str> {
    package.strip_prefix("linux-image-").filter(|name| {
        name.ends_with("-cloud-amd64") && name.starts_with(|first: char| first.is_ascii_digit())
    })
}

/// Returns the newest release of a version among packages.
fn newest<'a>(packages: &'a str, version: &str) -> Option<&'a str> {
    let of_version =
        |release: &&str| release.strip_prefix(version).is_some_and(|rest| rest.starts_with('.'));
    packages.lines().filter_map(release).filter(of_version).max_by_key(|release| numbers(release))
}

/// Returns the numbers in a text, in order.
fn numbers(text: &str) -> Vec<u64> {
    text.split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Returns all files in a folder and its subfolders.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let tried = || format!("read the folder {}", folder.display());
        for entry in fs::read_dir(&folder).tried(tried)? {
            let entry = entry.tried(tried)?;
            let kind = entry.file_type().tried(tried)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                all.push(entry.path());
            }
        }
    }
    Ok(all)
}

/// Copies the kernel, its configuration and the modules. The modules are decompressed, since not
/// every kernel loads compressed ones.
fn keep(files: &[PathBuf], release: &str, into: &Path) -> Result<(), Error> {
    let write = |name: &str, bytes: &[u8]| {
        fs::write(into.join(name), bytes).tried(|| format!("write {name} in {}", into.display()))
    };
    let find = |matches: &dyn Fn(&str) -> bool, what: &str| {
        let found =
            files.iter().find(|file| file.file_name().and_then(OsStr::to_str).is_some_and(matches));
        found
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it is not in the packages"))
            .tried(|| format!("find {what} of {release}"))
    };
    fs::create_dir_all(into.join("modules")).tried(|| format!("create {}", into.display()))?;
    let kernel = find(&|name| name.starts_with("vmlinuz"), "the kernel")?;
    let copy = |name: &str, file: &Path| {
        write(name, &fs::read(file).tried(|| format!("read {}", file.display()))?)
    };
    copy("vmlinuz", kernel)?;
    copy(
        "config",
        find(&|name| name == format!("config-{release}") || name == "config", "the configuration")?,
    )?;
    for (index, module) in MODULES.iter().enumerate() {
        let (plain, packed) = (format!("{module}.ko"), format!("{module}.ko.xz"));
        let file = find(&|name| name == plain || name == packed, module)?;
        let bytes = match file.extension().and_then(OsStr::to_str) {
            Some("xz") => command::output(Command::new("xz").arg("-dc").arg(file))?,
            _ => fs::read(file).tried(|| format!("read {}", file.display()))?,
        };
        // `init.sh` loads them in the order of their names.
        write(&format!("modules/{index}-{plain}"), &bytes)?;
    }
    write("release", release.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn newest_takes_highest_release_of_version() {
        let packages = "linux-image-6.1.0-9-cloud-amd64\nlinux-image-6.1.0-50-cloud-amd64\nlinux-image-6.1.0-51-amd64\n\
                        linux-image-6.1.0-52-cloud-amd64-unsigned\nlinux-image-6.12.9+deb12-cloud-amd64\nlinux-image-6.12.117+deb12-cloud-amd64\n\
                        linux-image-cloud-amd64\nlinux-headers-6.1.0-99-cloud-amd64\n";
        assert_eq!(newest(packages, "6.1"), Some("6.1.0-50-cloud-amd64"));
        assert_eq!(newest(packages, "6.12"), Some("6.12.117+deb12-cloud-amd64"));
        assert_eq!(newest(packages, "6"), Some("6.12.117+deb12-cloud-amd64"));
        assert_eq!(newest(packages, "5.10"), None);
    }
}
