//! Where events and answers go.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use super::{Failure, input::is_stream};
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
}

enum To<'a> {
    Stream(&'a mut dyn Write),
    File(File),
}

/// Whether there is still somebody to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    There,
    Gone,
}

impl<'a> Sink<'a> {
    /// A file, which is emptied, or standard output.
    pub(super) fn new(path: Option<&Path>, out: &'a mut dyn Write) -> Result<Self> {
        let Some(path) = path.filter(|path| !is_stream(path)) else {
            return Ok(Self { to: To::Stream(out), path: "<stdout>".into(), written: 0 });
        };
        let file = File::create(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        Ok(Self { to: To::File(file), path: path.to_owned(), written: 0 })
    }

    /// Writes a batch and empties it.
    pub(super) fn write(&mut self, batch: &mut Vec<u8>) -> Result<Reader> {
        let written = match &mut self.to {
            To::Stream(out) => out.write_all(batch).and_then(|()| out.flush()),
            To::File(file) => file.write_all(batch),
        };
        match written {
            Ok(()) => {
                self.written += batch.len() as u64;
                batch.clear();
                Ok(Reader::There)
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(source) => {
                self.restore();
                Err(Error::File { path: self.path.clone(), source })
            }
        }
    }

    /// Takes out the part of a batch that a full disk still had room for. A file that cannot be cut is none: a device, a pipe.
    fn restore(&self) {
        if let To::File(file) = &self.to {
            let _: io::Result<()> = file.set_len(self.written);
        }
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

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let mut closed = Full(3, ErrorKind::BrokenPipe);
        let mut sink = Sink::new(None, &mut closed).unwrap();
        let mut batch = b"ab\n".to_vec();
        assert_eq!(sink.write(&mut batch).unwrap(), Reader::There);
        assert!(batch.is_empty());
        assert_eq!(sink.write(&mut b"cd\n".to_vec()).unwrap(), Reader::Gone);
        let mut full = Full(1, ErrorKind::StorageFull);
        let refused = Sink::new(Some(Path::new("-")), &mut full).unwrap().write(&mut b"ab\n".to_vec()).unwrap_err();
        assert!(refused.to_string().starts_with("<stdout>: "), "{refused}");
    }
}
