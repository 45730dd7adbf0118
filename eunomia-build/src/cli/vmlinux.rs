//! `cargo eunomia vmlinux`: writes the types of a kernel as a header for BPF C.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use super::{CommandError, args, output};
use crate::{Vmlinux, files};

pub(super) fn run(args: &args::Vmlinux, out: &mut dyn Write) -> Result<(), CommandError> {
    let mut header = Vmlinux::new().only(&args.only);
    if let Some(btf) = &args.btf {
        header = header.btf(btf);
    }
    header = args.sources.iter().fold(header, Vmlinux::source);
    let text = header.text()?;
    match args.output() {
        Some(file) => {
            let inputs = args.sources.iter().chain(&args.btf);
            output::apart(file, inputs.map(PathBuf::as_path))?;
            Ok(files::write(&[(file as &Path, text.as_bytes())])?)
        }
        None => Ok(output::print(out, text.as_bytes())?),
    }
}
