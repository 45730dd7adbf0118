//! Where events and answers go.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use clap::error::ErrorKind as Usage;

use super::{Failure, args::usage, input::is_stream};
use crate::{Error, Result};

/// Writes to standard output. Who closed the pipe behind it has read enough.
pub(super) fn print(out: &mut dyn Write, bytes: &[u8]) -> Result<(), Failure> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => Err(Error::File { path: "<stdout>".into(), source }.into()),
        _ => Ok(()),
    }
}

/// Takes events in batches: a batch is one write, and what fails in its midst leaves no part of an event in a file.
pub(super) struct Sink<'a> {
    to: To<'a>,
    path: PathBuf,
    /// Bytes of whole events in the file.
    written: u64,
    reader: Reader,
    failed: Option<Error>,
}

enum To<'a> {
    Stream(&'a mut dyn Write),
    File(Target),
}

/// A file that keeps what is in it until it is known that something will be written.
struct Target {
    file: File,
    path: PathBuf,
    /// Whether there was none before, and nothing is in it yet.
    empty: bool,
}

/// Whether there is still somebody to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    There,
    Gone,
}

/// A batch that is longer than this is written before the poll ends.
const BATCH: usize = 1 << 16;

impl<'a> Sink<'a> {
    /// A file, or standard output. The file must be none of the `inputs`, and is left as it is until [`Self::begin`].
    pub(super) fn new(path: Option<&Path>, inputs: &[&Path], out: &'a mut dyn Write) -> Result<Self, Failure> {
        let (to, path) = match path.filter(|path| !is_stream(path)) {
            None => (To::Stream(out), PathBuf::from("<stdout>")),
            Some(path) => {
                if inputs.iter().any(|input| is_same(path, input)) {
                    let what = format!("{} is read by this command and cannot be its output", path.display());
                    return Err(usage(Usage::ArgumentConflict, &what));
                }
                (To::File(Target::open(path)?), path.to_owned())
            }
        };
        Ok(Self { to, path, written: 0, reader: Reader::There, failed: None })
    }

    /// Empties the file: events will come.
    pub(super) fn begin(&mut self) {
        if let To::File(target) = &mut self.to {
            target.empty = false;
            target.cut(0);
        }
    }

    /// Takes a batch where it is long enough to be written now; whether there is sense in more.
    pub(super) fn offer(&mut self, batch: &mut Vec<u8>) -> bool {
        if batch.len() >= BATCH
            && let Err(error) = self.write(batch)
        {
            self.failed = Some(error);
        }
        self.failed.is_none() && self.reader == Reader::There
    }

    /// Writes what is left of a batch, unless nobody reads.
    pub(super) fn flush(&mut self, batch: &mut Vec<u8>) -> Result<Reader> {
        match self.failed.take() {
            Some(error) => return Err(error),
            None if self.reader == Reader::There && !batch.is_empty() => self.write(batch)?,
            None => {}
        }
        Ok(self.reader)
    }

    fn write(&mut self, batch: &mut Vec<u8>) -> Result<()> {
        let written = match &mut self.to {
            To::Stream(out) => out.write_all(batch).and_then(|()| out.flush()),
            To::File(target) => target.file.write_all(batch),
        };
        match written {
            Ok(()) => self.written += batch.len() as u64,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.reader = Reader::Gone,
            Err(source) => {
                if let To::File(target) = &self.to {
                    // The part of the batch that a full disk still had room for.
                    target.cut(self.written);
                }
                return Err(Error::File { path: self.path.clone(), source });
            }
        }
        batch.clear();
        Ok(())
    }
}

impl Target {
    fn open(path: &Path) -> Result<Self> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        let (file, empty) = match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                (OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(failed)?, false)
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { file, path: path.to_owned(), empty })
    }

    /// A file that cannot be cut is none: a device, a pipe.
    fn cut(&self, len: u64) {
        let _: io::Result<()> = self.file.set_len(len);
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.empty {
            let _: io::Result<()> = fs::remove_file(&self.path);
        }
    }
}

/// Whether two names are those of one file that has contents.
fn is_same(path: &Path, other: &Path) -> bool {
    match (fs::metadata(path), fs::metadata(other)) {
        (Ok(a), Ok(b)) => a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes and then fails.
    struct Full(usize, ErrorKind);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(self.1.into());
            }
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn sink<'a>(path: Option<&Path>, out: &'a mut dyn Write) -> Sink<'a> {
        Sink::new(path, &[], out).unwrap_or_else(|_| panic!("it can be written"))
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let mut closed = Full(3, ErrorKind::BrokenPipe);
        let mut to = sink(None, &mut closed);
        let mut batch = b"ab\n".to_vec();
        assert_eq!(to.flush(&mut batch).unwrap(), Reader::There);
        assert!(batch.is_empty());
        assert_eq!(to.flush(&mut b"cd\n".to_vec()).unwrap(), Reader::Gone);
        assert!(!to.offer(&mut Vec::new()));
        let mut full = Full(1, ErrorKind::StorageFull);
        let refused = sink(Some(Path::new("-")), &mut full).flush(&mut b"ab\n".to_vec()).unwrap_err();
        assert!(refused.to_string().starts_with("<stdout>: "), "{refused}");
    }

    #[test]
    fn files_are_touched_when_something_comes() {
        let folder = std::env::temp_dir().join(format!("eunomia-output-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let [new, old] = ["new", "old"].map(|name| folder.join(name));
        fs::write(&old, "kept").unwrap();
        drop(sink(Some(&new), &mut io::sink()));
        drop(sink(Some(&old), &mut io::sink()));
        assert_eq!((new.exists(), fs::read(&old).unwrap()), (false, b"kept".to_vec()));
        assert!(matches!(
            Sink::new(Some(&old), &[&new, &folder.join("../").join(folder.file_name().unwrap()).join("old")], &mut io::sink()),
            Err(Failure::Usage(_))
        ));
        for path in [&new, &old] {
            let mut out = io::sink();
            let mut to = sink(Some(path), &mut out);
            to.begin();
            to.flush(&mut b"x\n".to_vec()).unwrap();
            drop(to);
            assert_eq!(fs::read(path).unwrap(), b"x\n");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
