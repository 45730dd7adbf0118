//! Errors of the kernel and of libbpf, with a hint where the cause is known.

use std::io;

use super::messages;
use crate::{Error, Refusal};

/// An error of a system call.
pub(crate) fn refusal(tried: impl Into<String>, source: io::Error) -> Error {
    build(tried.into(), source, "")
}

/// An error of libbpf, with what it said.
pub(super) fn libbpf(tried: impl Into<String>, error: &libbpf_rs::Error, said: &str) -> Error {
    build(tried.into(), errno(error), said)
}

fn build(tried: String, source: io::Error, said: &str) -> Error {
    let (messages, verifier_log) = messages::split_log(said);
    let hint = hint(&source, said).map(str::to_owned);
    Error::Kernel(Box::new(Refusal { tried, source, messages, verifier_log, hint }))
}

/// libbpf-rs keeps the errno in an `io::Error` that it shows to nobody but the formatter: it is read back from the text that the
/// standard library gives such an error, `.. (os error 95)`.
fn errno(error: &libbpf_rs::Error) -> io::Error {
    let text = format!("{error:#}");
    let code = text.rsplit_once("(os error ").and_then(|(_, code)| code.strip_suffix(')')).and_then(|code| code.parse().ok());
    code.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error)
}

fn hint(source: &io::Error, said: &str) -> Option<&'static str> {
    let code = source.raw_os_error();
    if said.contains("failed to find valid kernel BTF") || said.contains("failed to load BTF from") {
        Some("the kernel offers no BTF at /sys/kernel/btf/vmlinux: it needs CONFIG_DEBUG_INFO_BTF, which distributions set since 2021")
    } else if said.contains("tracefs") || (said.contains("tracepoint") && code == Some(libc::ENOENT)) {
        Some(
            "the tracepoint is not on this kernel, or tracefs is not mounted: \
             `mount -t tracefs tracefs /sys/kernel/tracing`, then look below /sys/kernel/tracing/events",
        )
    } else if said.contains("Permission denied") && said.contains("RLIMIT_MEMLOCK") || code == Some(libc::ENOMEM) {
        Some("on kernels before 5.11 BPF memory counts against RLIMIT_MEMLOCK: raise it with `ulimit -l unlimited`")
    } else {
        match code? {
            libc::EPERM => Some(
                "BPF needs root, or CAP_BPF with CAP_PERFMON (tracing) and CAP_NET_ADMIN (networking); a locked-down kernel refuses \
                 some programs even then. `eunomia_runtime::preflight()` tells what is missing here",
            ),
            libc::EACCES if said.contains("PROG LOAD LOG") => Some("the verifier's log ends with the instruction that it refused"),
            libc::EOPNOTSUPP => Some("this kernel or libbpf does not support what the object asks for"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use libbpf_rs::ErrorExt as _;

    use super::*;

    #[test]
    fn the_errno_survives_libbpf_rs() {
        let error = libbpf_rs::Error::from_raw_os_error(libc::EOPNOTSUPP).context("failed to attach BPF program");
        assert_eq!(errno(&error).raw_os_error(), Some(libc::EOPNOTSUPP));
    }
}
