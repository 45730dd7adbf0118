//! `cargo eunomia headers`: writes the headers for BPF C.

use super::{CommandError, args};
use crate::headers;

pub(super) fn run(args: &args::Headers) -> Result<(), CommandError> {
    Ok(headers::write(&args.output)?)
}
