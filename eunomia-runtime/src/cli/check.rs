//! `eunomia check`: checks a skeleton against its object and prints a summary.

use super::{CommandError, Streams, args::Check, choice::name_events, input::Input, output};
use crate::plain::line;

pub(super) fn run(args: &Check, streams: &mut Streams<'_>) -> Result<(), CommandError> {
    let mut input = Input::read(&args.source, streams.input)?;
    name_events(&args.events, &mut input.skeleton);
    let checked = input.check()?;
    checked.loadable()?;
    let summary = format!("{}: {}\n", line(checked.skeleton.file()), checked.summary());
    output::print(streams.out, summary.as_bytes())
}
