//! The kernels of the matrix, and the cache that keeps them.

use std::{
    env,
    fmt::{self, Write as _},
    fs::{self, File},
    path::{Path, PathBuf},
    str::FromStr,
};

use rustix::fs::{FlockOperation, flock};

use crate::{Error, error::Tried as _, fetch};

/// The kernels of the matrix and the Debian suites that have them. 6.12 does not come from trixie,
/// whose kernel crashes in one of ten boots under the software emulation of QEMU 7.2.
const KNOWN: [(&str, &str); 4] = [
    ("5.10", "bullseye-security"),
    ("6.1", "bookworm"),
    ("6.12", "bookworm-security"),
    ("7.2", "sid"),
];

/// A kernel of a Debian suite: `6.1`, or `6.1@bookworm-security`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The first two numbers of its version.
    pub(crate) version: String,
    /// The suite that has it.
    pub(crate) suite: String,
}

/// A kernel in the cache.
#[derive(Debug)]
pub(crate) struct Cached {
    /// The kernel's release, as `uname -r` prints it.
    pub(crate) release: String,
    /// The folder with `vmlinuz`, `config` and `modules`.
    pub(crate) folder: PathBuf,
}

impl Kernel {
    /// Returns the kernels of the matrix, oldest first.
    pub fn all() -> Vec<Kernel> {
        KNOWN
            .iter()
            .map(|(version, suite)| Kernel {
                version: (*version).to_owned(),
                suite: (*suite).to_owned(),
            })
            .collect()
    }

    /// Returns the kernels that `VM_KERNELS` names: words such as `6.1` or `6.1@bookworm-security`,
    /// or `all`. The list is empty if the variable is unset or `none`.
    ///
    /// # Errors
    /// [`Error::Usage`] if a word does not name a kernel.
    pub fn requested() -> Result<Vec<Kernel>, Error> {
        let words = env::var("VM_KERNELS").unwrap_or_default();
        match words.trim() {
            "" | "none" => Ok(Vec::new()),
            words => Kernel::named(words).map_err(|error| {
                Error::Usage(format!("VM_KERNELS: {error}, or `none` for this machine's"))
            }),
        }
    }

    /// Returns the kernels that space-separated words name: `6.1`, `6.1@bookworm-security`, or
    /// `all`.
    ///
    /// # Errors
    /// [`Error::Usage`] if a word does not name a kernel.
    pub fn named(words: &str) -> Result<Vec<Kernel>, Error> {
        let kernels = words
            .split_whitespace()
            .map(|word| if word == "all" { Ok(Kernel::all()) } else { Ok(vec![word.parse()?]) });
        kernels.collect::<Result<Vec<_>, _>>().map(|kernels| kernels.concat())
    }

    /// Fetches the kernel into the cache if it is not there yet, and returns its release.
    ///
    /// # Errors
    /// [`Error::Fetch`] if the kernel cannot be fetched, [`Error::Command`] if a program of the
    /// host fails, [`Error::Io`] if the cache cannot be read or written, and [`Error::Usage`] if
    /// there is no place for a cache or apt has no Debian archive.
    pub fn fetch(&self) -> Result<String, Error> {
        self.cached().map(|cached| cached.release)
    }

    /// Returns the kernel in the cache, after fetching it if it is not there yet.
    pub(crate) fn cached(&self) -> Result<Cached, Error> {
        let cache = cache()?;
        let folder = cache.join(self.to_string());
        let release = folder.join("release");
        if !release.exists() {
            let lock = cache.join("lock");
            let lock = File::create(&lock).tried(|| format!("create {}", lock.display()))?;
            flock(&lock, FlockOperation::LockExclusive)
                .map_err(Into::into)
                .tried(|| "lock the cache of kernels".to_owned())?;
            // Another process may have fetched it meanwhile.
            if !release.exists() {
                fetch::fetch(self, &cache, &folder)?;
            }
        }
        let release =
            fs::read_to_string(&release).tried(|| format!("read {}", release.display()))?;
        Ok(Cached { release: release.trim().to_owned(), folder })
    }
}

/// Returns the folder that keeps kernels. It is outside `target`, so `cargo clean` leaves it alone.
pub(crate) fn cache() -> Result<PathBuf, Error> {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    let base = base.ok_or_else(|| {
        Error::Usage("no folder to keep kernels in: set HOME or XDG_CACHE_HOME".to_owned())
    })?;
    let cache = base.join("eunomia/kernels");
    fs::create_dir_all(&cache).tried(|| format!("create {}", cache.display()))?;
    Ok(cache)
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)?;
        if KNOWN.contains(&(&self.version, &self.suite)) {
            Ok(())
        } else {
            write!(f, "@{}", self.suite)
        }
    }
}

impl FromStr for Kernel {
    type Err = Error;

    fn from_str(word: &str) -> Result<Kernel, Error> {
        let (version, suite) = match word.split_once('@') {
            Some((version, suite)) => (version, Some(suite)),
            None => (word, None),
        };
        let number =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_version =
            version.split_once('.').is_some_and(|(major, minor)| number(major) && number(minor));
        let known = || KNOWN.iter().find(|(known, _)| *known == version).map(|(_, suite)| *suite);
        let is_suite = |suite: &&str| {
            !suite.is_empty() && suite.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        match suite.or_else(known).filter(is_suite) {
            Some(suite) if is_version => {
                Ok(Kernel { version: version.to_owned(), suite: suite.to_owned() })
            }
            _ => {
                let mut text = format!("unknown kernel `{word}`; expected ");
                KNOWN.iter().for_each(|(version, _)| _ = write!(text, "{version}, "));
                Err(Error::Usage(
                    text + "VERSION@SUITE of Debian as in 6.1@bookworm-security, or `all`",
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kernel;

    #[test]
    fn word_is_parsed_as_kernel() {
        let shown = |word: &str| {
            word.parse::<Kernel>()
                .map(|kernel| (kernel.to_string(), kernel.suite))
                .map_err(|error| error.to_string())
        };
        assert_eq!(shown("6.1"), Ok(("6.1".to_owned(), "bookworm".to_owned())));
        assert_eq!(shown("6.1@bookworm"), shown("6.1"));
        assert_eq!(shown("6.12@trixie"), Ok(("6.12@trixie".to_owned(), "trixie".to_owned())));
        for word in ["6", "6.2", "6.1.2", "6.", "../6.1", "6.1@", "6.1@../x", "six.one@sid"] {
            assert_eq!(
                shown(word),
                Err(format!(
                    "unknown kernel `{word}`; expected 5.10, 6.1, 6.12, 7.2, VERSION@SUITE of Debian as in 6.1@bookworm-security, or `all`"
                ))
            );
        }
    }

    #[test]
    fn several_words_name_several_kernels() {
        let shown = |words: &str| {
            Kernel::named(words)
                .map(|kernels| kernels.iter().map(Kernel::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(shown("6.1  7.2\t5.10").unwrap(), "6.1 7.2 5.10");
        assert_eq!(shown("6.1@sid all").unwrap(), "6.1@sid 5.10 6.1 6.12 7.2");
        assert_eq!(shown(" ").unwrap(), "");
        assert!(shown("6.1 none").is_err());
    }
}
