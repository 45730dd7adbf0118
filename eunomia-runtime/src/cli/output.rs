//! Destinations of events and answers: standard output, files and pipes.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    mem,
    os::{
        fd::AsFd as _,
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use clap::error::ErrorKind as Usage;

use super::{
    CommandError, Out,
    args::usage,
    input::is_stream,
    outlet::{Ending, Given, Outlet},
};
use crate::{Error, Result, file::refuse_planted};

/// Writes to standard output. If the reader closed the pipe, it has read enough, and that is no
/// error.
pub(super) fn print(out: &mut dyn Write, bytes: &[u8]) -> Result<(), CommandError> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => {
            Err(Error::File { path: "<stdout>".into(), source }.into())
        }
        _ => Ok(()),
    }
}

/// Takes events in batches. A batch is one write; if the write fails, no part of an event stays in
/// a file.
pub(super) struct Sink<'a> {
    to: To<'a>,
    path: PathBuf,
    /// The offsets in the batch at which events end.
    ends: VecDeque<usize>,
    /// The number of events that nobody read.
    unwritten: u64,
    /// The number of bytes of whole events in the file.
    written: u64,
    reader: Reader,
    failed: Option<Error>,
}

/// The destination of a sink.
enum To<'a> {
    Stream(&'a mut dyn Write),
    File(Target),
    /// A pipe or terminal, which may be stuck.
    Outlet(Outlet),
}

/// The users who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// The users that the process's umask allows.
    Usual,
    /// Only the owner.
    Owner,
}

/// A file that keeps its old contents until the first event is certain to come.
struct Target {
    file: File,
    path: PathBuf,
    /// True if this command made the file and nothing was written to it yet.
    empty: bool,
}

/// The state of the reader of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    There,
    Gone,
    /// The command is to end, and nobody has read for a while.
    Stuck,
}

/// The size of a batch from which it is written before the poll ends.
const BATCH: usize = 1 << 16;

impl<'a> Sink<'a> {
    /// Opens a file, or standard output without a `path`. Refuses a file that is one of the
    /// `inputs`. The file keeps its contents until [`Self::begin`].
    pub(super) fn new(
        path: Option<&Path>,
        readers: Readers,
        inputs: &[&Path],
        out: Out<'a>,
    ) -> Result<Self, CommandError> {
        let (to, path) = match path.filter(|path| !is_stream(path)) {
            None => (To::stream(out)?, PathBuf::from("<stdout>")),
            Some(path) => {
                if inputs.iter().any(|input| is_same(path, input)) {
                    let message = format!(
                        "{} is read by this command and cannot be its output",
                        path.display()
                    );
                    return Err(usage(Usage::ArgumentConflict, &message));
                }
                (To::path(path, readers)?, path.to_owned())
            }
        };
        Ok(Self {
            to,
            path,
            ends: VecDeque::new(),
            unwritten: 0,
            written: 0,
            reader: Reader::There,
            failed: None,
        })
    }

    /// Makes waits for the reader end with the command from now on.
    pub(super) fn end_with(&mut self, ending: Ending) {
        if let To::Outlet(outlet) = &mut self.to {
            outlet.end_with(ending);
        }
    }

    /// Empties the file; called when the first event is certain to come.
    pub(super) fn begin(&mut self) {
        if let To::File(target) = &mut self.to {
            target.empty = false;
            target.cut(0);
        }
    }

    /// Writes a batch if it is long enough. Returns false if no further event is of use.
    pub(super) fn offer(&mut self, batch: &mut Vec<u8>) -> bool {
        if matches!(self.to, To::Outlet(_)) {
            self.ends.push_back(batch.len());
        }
        if batch.len() >= BATCH
            && let Err(error) = self.write(batch)
        {
            self.failed = Some(error);
        }
        self.failed.is_none() && self.reader == Reader::There
    }

    /// Writes the rest of a batch, unless nobody reads. Returns the state of the reader.
    pub(super) fn flush(&mut self, batch: &mut Vec<u8>) -> Result<Reader> {
        match self.failed.take() {
            Some(error) => return Err(error),
            None if self.reader == Reader::There && !batch.is_empty() => self.write(batch)?,
            None => {}
        }
        if let To::Outlet(outlet) = &self.to
            && let Some(error) = outlet.failure()
        {
            self.fail(error)?;
        }
        Ok(self.reader)
    }

    /// Waits until everything is written. Returns the number of events that were not.
    pub(super) fn finish(&mut self, batch: &mut Vec<u8>) -> Result<u64> {
        self.flush(batch)?;
        let To::Outlet(outlet) = &self.to else { return Ok(0) };
        match outlet.finish() {
            Given::Failed(error) => self.fail(error)?,
            Given::Stuck => self.unwritten += outlet.unwritten(),
            Given::Taken => {}
        }
        Ok(mem::take(&mut self.unwritten))
    }

    /// A reader that closed the pipe has read enough; every other failure is an error.
    fn fail(&mut self, error: io::Error) -> Result<()> {
        if error.kind() == ErrorKind::BrokenPipe {
            self.reader = Reader::Gone;
            return Ok(());
        }
        Err(Error::File { path: self.path.clone(), source: error })
    }

    fn write(&mut self, batch: &mut Vec<u8>) -> Result<()> {
        let written = match &mut self.to {
            To::Stream(out) => out.write_all(batch).and_then(|()| out.flush()),
            To::File(target) => target.file.write_all(batch),
            To::Outlet(outlet) => match outlet.give(batch, &mut self.ends) {
                Given::Taken => Ok(()),
                Given::Failed(error) => Err(error),
                Given::Stuck => {
                    self.unwritten += self.ends.len() as u64;
                    self.reader = Reader::Stuck;
                    Ok(())
                }
            },
        };
        match written {
            Ok(()) => self.written += batch.len() as u64,
            Err(source) => {
                if let To::File(target) = &self.to {
                    // Removes the part of the batch for which a full disk still had room.
                    target.cut(self.written);
                }
                self.fail(source)?;
            }
        }
        batch.clear();
        self.ends.clear();
        Ok(())
    }
}

impl<'a> To<'a> {
    fn stream(out: Out<'a>) -> Result<Self> {
        let failed = |source| Error::File { path: "<stdout>".into(), source };
        if !out.own {
            return Ok(Self::Stream(out.to));
        }
        let stdout = io::stdout();
        let file = File::from(stdout.as_fd().try_clone_to_owned().map_err(failed)?);
        if file.metadata().map_err(failed)?.is_file() {
            return Ok(Self::Stream(out.to));
        }
        Outlet::new(file).map(Self::Outlet)
    }

    fn path(path: &Path, readers: Readers) -> Result<Self> {
        let target = Target::open(path, readers)?;
        match target.file.metadata() {
            Ok(about) if !about.is_file() => Outlet::new(target.into_file()?).map(Self::Outlet),
            _ => Ok(Self::File(target)),
        }
    }
}

impl Target {
    fn open(path: &Path, readers: Readers) -> Result<Self> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        refuse_planted(path).map_err(failed)?;
        let mode = if readers == Readers::Owner { 0o600 } else { 0o666 };
        let (file, empty) =
            match OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
                Ok(file) => (file, true),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => (
                    OpenOptions::new()
                        .write(true)
                        .create(true)
                        .truncate(false)
                        .mode(mode)
                        .open(path)
                        .map_err(failed)?,
                    false,
                ),
                Err(error) => return Err(failed(error)),
            };
        Ok(Self { file, path: path.to_owned(), empty })
    }

    /// Returns a file that existed before; a new one would be removed.
    fn into_file(self) -> Result<File> {
        self.file.try_clone().map_err(|source| Error::File { path: self.path.clone(), source })
    }

    /// Truncates the file. A device or a pipe cannot be truncated, so failures are ignored.
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

/// Reports whether two paths lead to the same regular file.
fn is_same(path: &Path, other: &Path) -> bool {
    match (fs::metadata(path), fs::metadata(other)) {
        (Ok(a), Ok(b)) => a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes this many bytes and then fails.
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
        Sink::new(path, Readers::Usual, &[], Out { to: out, own: false })
            .unwrap_or_else(|_| panic!("the output cannot be opened"))
    }

    #[test]
    fn closed_pipe_is_no_error_and_full_disk_is_one() {
        let mut closed = Full(3, ErrorKind::BrokenPipe);
        let mut to = sink(None, &mut closed);
        let mut batch = b"ab\n".to_vec();
        assert_eq!(to.flush(&mut batch).unwrap(), Reader::There);
        assert!(batch.is_empty());
        assert_eq!(to.flush(&mut b"cd\n".to_vec()).unwrap(), Reader::Gone);
        assert!(!to.offer(&mut Vec::new()));
        let mut full = Full(1, ErrorKind::StorageFull);
        let refused =
            sink(Some(Path::new("-")), &mut full).flush(&mut b"ab\n".to_vec()).unwrap_err();
        assert!(refused.to_string().starts_with("<stdout>: "), "{refused}");
    }

    #[test]
    fn file_keeps_contents_until_begin() {
        let folder = std::env::temp_dir().join(format!("eunomia-output-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let [new, old] = ["new", "old"].map(|name| folder.join(name));
        fs::write(&old, "kept").unwrap();
        drop(sink(Some(&new), &mut io::sink()));
        drop(sink(Some(&old), &mut io::sink()));
        assert_eq!((new.exists(), fs::read(&old).unwrap()), (false, b"kept".to_vec()));
        assert!(matches!(
            Sink::new(
                Some(&old),
                Readers::Usual,
                &[&new, &folder.join("../").join(folder.file_name().unwrap()).join("old")],
                Out { to: &mut io::sink(), own: false }
            ),
            Err(CommandError::Usage(_))
        ));
        for path in [&new, &old] {
            let mut out = io::sink();
            let mut to = sink(Some(path), &mut out);
            to.begin();
            to.flush(&mut b"x\n".to_vec()).unwrap();
            drop(to);
            assert_eq!(fs::read(path).unwrap(), b"x\n");
        }
        let recording = folder.join("recording");
        let mut out = io::sink();
        let mut to =
            Sink::new(Some(&recording), Readers::Owner, &[], Out { to: &mut out, own: false })
                .unwrap_or_else(|_| panic!());
        to.begin();
        assert_eq!(fs::metadata(&recording).unwrap().mode() & 0o777, 0o600);
        drop(to);
        fs::remove_dir_all(folder).unwrap();
    }
}
