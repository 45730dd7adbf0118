//! The running kernel: its version and its build configuration.

use std::fs;

use libbpf_rs::btf::{Btf, types::Enum};

use crate::host::messages::listen;

/// Returns the kernel release as file names contain it.
pub(crate) fn release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

/// Returns the first two numbers of the version.
pub(crate) fn version() -> Option<(u32, u32)> {
    let release = release();
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map_while(|digits| digits.parse().ok());
    numbers.next().zip(numbers.next())
}

/// Returns whether the kernel has a constant of its user space API. A backport to an older version
/// brings the constant along. `None` if the kernel's BTF cannot be read.
pub(crate) fn has_constant(name: &str) -> Option<bool> {
    let (btf, _) = listen(Btf::from_vmlinux);
    let constants: Enum<'_> = btf.as_ref().ok()?.type_by_name(enum_of(name))?;
    Some(constants.iter().any(|constant| constant.name.is_some_and(|known| known == name)))
}

/// Returns the enum in which the kernel defines a constant.
pub(crate) fn enum_of(constant: &str) -> &'static str {
    match constant {
        _ if constant.starts_with("BPF_FUNC_") => "bpf_func_id",
        _ if constant.starts_with("BPF_PROG_TYPE_") => "bpf_prog_type",
        _ => "bpf_attach_type",
    }
}

/// Returns the configuration and the path it was read from, in libbpf's search order; otherwise why
/// it cannot be read.
pub(crate) fn configuration() -> Result<(String, String), String> {
    let plain = format!("/boot/config-{}", release());
    match fs::read(&plain) {
        Ok(text) => Ok((plain, String::from_utf8_lossy(&text).into_owned())),
        Err(_) => packed().map_err(|why| format!("cannot read {plain}, and {why}")),
    }
}

/// Reads the configuration that the kernel itself provides.
#[cfg(feature = "dynamic")]
fn packed() -> Result<(String, String), String> {
    /// Far more than a configuration has.
    const MAX: usize = 16 << 20;
    const PACKED: &str = "/proc/config.gz";
    let packed = fs::read(PACKED).map_err(|error| format!("{PACKED}: {error}"))?;
    // The kernel's file has a gzip header without optional fields.
    let (Some([0x1f, 0x8b, 8, 0, ..]), Some(deflated)) = (packed.get(..10), packed.get(10..))
    else {
        return Err(format!("{PACKED} is not a gzip file without optional header fields"));
    };
    let text = miniz_oxide::inflate::decompress_to_vec_with_limit(deflated, MAX)
        .map_err(|error| format!("{PACKED}: {error}"))?;
    Ok((PACKED.to_owned(), String::from_utf8_lossy(&text).into_owned()))
}

/// An app that uses only generated modules does not link code that inflates.
#[cfg(not(feature = "dynamic"))]
fn packed() -> Result<(String, String), String> {
    Err("reading /proc/config.gz needs the feature `dynamic`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_kernel_has_version() {
        assert!(version().is_some_and(|version| version >= (5, 10)), "{}", release());
        // Not every kernel provides its configuration.
        if let Ok((path, text)) = configuration() {
            assert!(text.contains("CONFIG_"), "{path}");
        }
    }
}
