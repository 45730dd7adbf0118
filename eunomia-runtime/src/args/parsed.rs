//! Parses command lines, with errors that are safe for a terminal.

use std::ffi::OsString;

use crate::plain::line;

/// Parses arguments. An error quotes each argument as one [`line`], because a shell replaces
/// patterns by names of files, which other users may have chosen.
///
/// # Errors
/// Those of `parse`, and errors of `command` in their place.
pub fn parsed<T>(
    args: &[OsString],
    command: impl FnOnce() -> clap::Command,
    parse: impl Fn(&[OsString]) -> Result<T, clap::Error>,
) -> Result<T, clap::Error> {
    let plain = |arg: &OsString| line(&arg.to_string_lossy()).into_owned().into();
    parse(args).map_err(|error| {
        let shown: Vec<OsString> = args.iter().map(plain).collect();
        if !error.use_stderr() || shown == args {
            return error;
        }
        // A value that was refused for such a character may be accepted without it.
        parse(&shown).err().filter(clap::Error::use_stderr).unwrap_or_else(|| {
            command().error(error.kind(), error.kind().as_str().unwrap_or("it is wrong"))
        })
    })
}
