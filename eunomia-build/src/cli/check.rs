//! `cargo eunomia check`: checks a skeleton against its object and prints a summary.

use std::io::{Read, Write};

use eunomia_runtime::__private::one_line;

use super::{CommandError, args::Check, input::Input, output};
use crate::config::notes;

pub(super) fn run(
    args: &Check,
    stdin: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let Input { mut skeleton, .. } = Input::read(
        &args.input,
        args.object.as_deref(),
        args.target_arch.as_deref(),
        args.stale,
        stdin,
    )?;
    for (map, c_type) in &args.events {
        skeleton = skeleton.with_event(map, c_type);
    }
    let checked = skeleton.check()?;
    checked.setup()?;
    checked.loadable()?;
    let mut text = format!("{}: {}\n", one_line(checked.skeleton.file()), checked.summary());
    let notes: Vec<String> = notes(&checked).collect();
    output::notes(&notes, &mut |note| text.push_str(note));
    Ok(output::print(out, text.as_bytes())?)
}
