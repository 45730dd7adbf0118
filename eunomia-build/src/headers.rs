//! The headers for BPF C: `eunomia.bpf.h` and those of libbpf.

use std::{fs, path::Path};

use libbpf_rs::libbpf_sys::API_HEADERS;

use crate::{Error, files};

/// The header of this crate.
const OWN: (&str, &str) = ("eunomia.bpf.h", include_str!("../include/eunomia.bpf.h"));

/// Headers of libbpf for user space, which programs cannot include.
const USER: [&str; 4] = ["bpf.h", "btf.h", "libbpf.h", "libbpf_common.h"];

/// Returns the header that an `#include` in a BPF program names, with its file name.
pub(crate) fn named(name: &str) -> Option<(&'static str, &'static str)> {
    let name = name.strip_prefix("bpf/").unwrap_or(name);
    let libbpf = API_HEADERS.into_iter().filter(|(known, _)| !USER.contains(known));
    libbpf.chain([OWN]).find(|(known, _)| *known == name)
}

/// Writes `eunomia.bpf.h` into a folder, and the headers of libbpf into its folder `bpf`. Files that
/// are there already are replaced.
pub(crate) fn write(folder: &Path) -> Result<(), Error> {
    let libbpf = folder.join("bpf");
    let failed = |source| Error::File { tried: "write", path: libbpf.clone(), source };
    fs::create_dir_all(&libbpf).map_err(failed)?;
    let headers = API_HEADERS.into_iter().map(|(name, text)| (libbpf.join(name), text));
    let headers: Vec<_> = headers.chain([(folder.join(OWN.0), OWN.1)]).collect();
    let headers: Vec<_> =
        headers.iter().map(|(path, text)| (path.as_path(), text.as_bytes())).collect();
    files::write(&headers)
}
