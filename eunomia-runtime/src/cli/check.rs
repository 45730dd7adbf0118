//! `eunomia check`: checks a skeleton against its object and prints a summary.

use super::{CommandError, Streams, args::Check, input::Input, output};
use crate::plain::line;

pub(super) fn run(args: &Check, streams: &mut Streams<'_>) -> Result<(), CommandError> {
    let document = Input::read(&args.source, streams.input)?.document;
    let checked = document.check()?;
    checked.loadable(&document.file).map_err(|diagnostics| document.locate(diagnostics))?;
    output::print(
        streams.out,
        format!("{}: {}\n", line(&document.file), checked.summary()).as_bytes(),
    )
}
