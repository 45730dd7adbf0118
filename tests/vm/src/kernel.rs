//! The kernels there are, and where they are kept.

use std::{
    env,
    fmt::{self, Write as _},
    fs::{self, File},
    path::{Path, PathBuf},
    str::FromStr,
};

use rustix::fs::{FlockOperation, flock};

use crate::{Error, error::Tried as _, fetch};

/// The kernels of the matrix, and the suites of Debian that have them. 6.12 is not that of trixie, which crashes in one of ten boots under
/// the software emulation of QEMU 7.2.
const KNOWN: [(&str, &str); 4] = [("5.10", "bullseye-security"), ("6.1", "bookworm"), ("6.12", "bookworm-security"), ("7.2", "sid")];

/// A kernel of a suite of Debian: `6.1`, or `6.1@bookworm-security`.
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
    /// What it calls itself.
    pub(crate) release: String,
    /// Holds `vmlinuz`, and `modules`.
    pub(crate) folder: PathBuf,
}

impl Kernel {
    /// The kernels of the matrix, the oldest first.
    pub fn all() -> Vec<Kernel> {
        KNOWN.iter().map(|(version, suite)| Kernel { version: (*version).to_owned(), suite: (*suite).to_owned() }).collect()
    }

    /// Those that `VM_KERNELS` names: words as `6.1` or `6.1@bookworm-security`, or `all`. None where it is not set, or `none`.
    ///
    /// # Errors
    /// A word that names no kernel.
    pub fn requested() -> Result<Vec<Kernel>, Error> {
        let words = env::var("VM_KERNELS").unwrap_or_default();
        match words.trim() {
            "" | "none" => Ok(Vec::new()),
            words => Kernel::named(words).map_err(|error| Error::Usage(format!("VM_KERNELS: {error}; `none` is this machine's"))),
        }
    }

    /// Those that words name, with spaces between them: `6.1`, `6.1@bookworm-security`, or `all`.
    ///
    /// # Errors
    /// A word that names no kernel.
    pub fn named(words: &str) -> Result<Vec<Kernel>, Error> {
        let kernels = words.split_whitespace().map(|word| if word == "all" { Ok(Kernel::all()) } else { Ok(vec![word.parse()?]) });
        kernels.collect::<Result<Vec<_>, _>>().map(|kernels| kernels.concat())
    }

    /// Puts it into the cache where it is not there yet, and says what it calls itself.
    ///
    /// # Errors
    /// Where it cannot be fetched.
    pub fn fetch(&self) -> Result<String, Error> {
        self.cached().map(|cached| cached.release)
    }

    /// The kernel in the cache, fetched where it is not there yet.
    pub(crate) fn cached(&self) -> Result<Cached, Error> {
        let cache = cache()?;
        let folder = cache.join(self.to_string());
        let release = folder.join("release");
        if !release.exists() {
            let lock = cache.join("lock");
            let lock = File::create(&lock).tried(|| format!("create {}", lock.display()))?;
            flock(&lock, FlockOperation::LockExclusive).map_err(Into::into).tried(|| "lock the cache of kernels".to_owned())?;
            // Another process may have fetched it meanwhile.
            if !release.exists() {
                fetch::fetch(self, &cache, &folder)?;
            }
        }
        let release = fs::read_to_string(&release).tried(|| format!("read {}", release.display()))?;
        Ok(Cached { release: release.trim().to_owned(), folder })
    }
}

/// Where kernels are kept, apart from what `cargo clean` removes.
pub(crate) fn cache() -> Result<PathBuf, Error> {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    let base = base.ok_or_else(|| Error::Usage("neither HOME nor XDG_CACHE_HOME says where kernels can be kept".to_owned()))?;
    let cache = base.join("eunomia/kernels");
    fs::create_dir_all(&cache).tried(|| format!("create {}", cache.display()))?;
    Ok(cache)
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)?;
        if KNOWN.contains(&(&self.version, &self.suite)) { Ok(()) } else { write!(f, "@{}", self.suite) }
    }
}

impl FromStr for Kernel {
    type Err = Error;

    fn from_str(word: &str) -> Result<Kernel, Error> {
        let (version, suite) = match word.split_once('@') {
            Some((version, suite)) => (version, Some(suite)),
            None => (word, None),
        };
        let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_version = version.split_once('.').is_some_and(|(major, minor)| number(major) && number(minor));
        let known = || KNOWN.iter().find(|(known, _)| *known == version).map(|(_, suite)| *suite);
        let is_suite = |suite: &&str| !suite.is_empty() && suite.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        match suite.or_else(known).filter(is_suite) {
            Some(suite) if is_version => Ok(Kernel { version: version.to_owned(), suite: suite.to_owned() }),
            _ => {
                let mut text = format!("`{word}` is no kernel that is known; there are");
                KNOWN.iter().for_each(|(version, _)| _ = write!(text, " {version}"));
                Err(Error::Usage(text + ", `all`, and others as VERSION@SUITE of Debian, as in 6.1@bookworm-security"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kernel;

    #[test]
    fn words_name_kernels() {
        let shown = |word: &str| word.parse::<Kernel>().map(|kernel| (kernel.to_string(), kernel.suite)).map_err(|error| error.to_string());
        assert_eq!(shown("6.1"), Ok(("6.1".to_owned(), "bookworm".to_owned())));
        assert_eq!(shown("6.1@bookworm"), shown("6.1"));
        assert_eq!(shown("6.12@trixie"), Ok(("6.12@trixie".to_owned(), "trixie".to_owned())));
        for word in ["6", "6.2", "6.1.2", "6.", "../6.1", "6.1@", "6.1@../x", "six.one@sid"] {
            assert_eq!(
                shown(word),
                Err(format!(
                    "`{word}` is no kernel that is known; there are 5.10 6.1 6.12 7.2, `all`, and others as VERSION@SUITE of Debian, as in \
                     6.1@bookworm-security"
                ))
            );
        }
    }

    #[test]
    fn several_words() {
        let shown = |words: &str| Kernel::named(words).map(|kernels| kernels.iter().map(Kernel::to_string).collect::<Vec<_>>().join(" "));
        assert_eq!(shown("6.1  7.2\t5.10").unwrap(), "6.1 7.2 5.10");
        assert_eq!(shown("6.1@sid all").unwrap(), "6.1@sid 5.10 6.1 6.12 7.2");
        assert_eq!(shown(" ").unwrap(), "");
        assert!(shown("6.1 none").is_err());
    }
}
