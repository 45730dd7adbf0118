//! `cargo eunomia check`: checks a skeleton against its object and prints a summary.

use std::io::{Read, Write};

use eunomia_runtime::__private::one_line;

use super::{CommandError, args::Check, input::Input, output};

pub(super) fn run(
    args: &Check,
    stdin: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let Input { document, .. } =
        Input::read(&args.input, args.object.as_deref(), args.stale, stdin)?;
    let file = &document.file;
    let checked = document.check()?;
    checked.loadable(file).map_err(|diagnostics| document.locate(diagnostics))?;
    Ok(output::print(out, format!("{}: {}\n", one_line(file), checked.summary()).as_bytes())?)
}
