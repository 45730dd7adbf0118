//! Outputs of the command, and whether they are up to date.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use clap::error::ErrorKind as Usage;
use eunomia_runtime::__private::one_line;

use super::{
    CommandError,
    args::{is_stream, usage},
};
use crate::{Error, files};

/// Writes to standard output. If the reader closed the pipe, it has read enough, and that is no
/// error.
pub(super) fn print(out: &mut dyn Write, bytes: &[u8]) -> Result<(), Error> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => {
            Err(Error::File { tried: "write", path: PathBuf::from("<stdout>"), source })
        }
        _ => Ok(()),
    }
}

/// Returns a function that writes warnings to a stream.
pub(super) fn warnings(err: &mut dyn Write) -> impl FnMut(&str) {
    |warnings| {
        // If this write fails, no other place is left for the warnings.
        let _ = err.write_all(warnings.as_bytes());
    }
}

/// Gives notes to `write`, a line for each.
pub(super) fn notes(notes: &[String], write: &mut dyn FnMut(&str)) {
    notes.iter().for_each(|note| write(&format!("note: {}\n", one_line(note))));
}

/// Refuses an output that is one of the inputs, also by another path: it would overwrite the user's
/// file.
pub(super) fn apart<'a>(
    output: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), CommandError> {
    if inputs.into_iter().any(|input| !is_stream(input) && is_same(output, input)) {
        let message =
            format!("{} is read by this command and cannot be its output", output.display());
        return Err(usage(Usage::ArgumentConflict, &message));
    }
    Ok(())
}

/// Reports whether two paths lead to the same regular file.
fn is_same(path: &Path, other: &Path) -> bool {
    match (fs::metadata(path), fs::metadata(other)) {
        (Ok(a), Ok(b)) => a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// Returns one line for each file that does not hold the given bytes.
pub(super) fn stale(outputs: &[(&Path, &[u8])], input: &str) -> Result<Vec<String>, Error> {
    let mut stale = Vec::new();
    for (path, bytes) in outputs {
        let file = path.display();
        match files::written(path) {
            Ok(found) if found == *bytes => {}
            Ok(found) => {
                let same = found.iter().zip(*bytes).take_while(|(a, b)| a == b);
                let line = 1 + same.filter(|(byte, _)| **byte == b'\n').count();
                let at = if is_text(bytes) { format!("{file}:{line}") } else { file.to_string() };
                stale.push(format!(
                    "{at}: differs from the output for {input}; run the command without `--check`"
                ));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                stale.push(format!("{file}: does not exist; run the command without `--check`"));
            }
            Err(source) => {
                return Err(Error::File { tried: "read", path: path.to_path_buf(), source });
            }
        }
    }
    Ok(stale)
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
}
