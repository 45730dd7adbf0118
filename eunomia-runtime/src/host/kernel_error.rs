//! Makes [`KernelError`]s, with a hint if the machine shows the cause.

use std::{ffi::CStr, io};

use rustix::process::{Resource, getrlimit};

use super::{
    Advice,
    mount::{OF_PINS, OF_TRACEPOINTS},
    privilege::{Need, lacking},
    running,
};
use crate::error::{Error, Hint, KernelError};

/// Returns the error of a system call.
pub(crate) fn kernel_error(tried: impl Into<String>, source: io::Error) -> Error {
    refused_by(tried.into(), source, String::new(), None)
}

/// Returns the error of a call of libbpf, with what libbpf printed.
pub(crate) fn refused_by(
    tried: String,
    source: io::Error,
    messages: String,
    verifier_log: Option<String>,
) -> Error {
    let source = named(source);
    let hint = hint(&source, &messages, verifier_log.as_deref());
    Error::Kernel(Box::new(KernelError { tried, source, messages, verifier_log, hint }))
}

/// Names libbpf's own errors. Their numbers (`enum libbpf_errno`) are above those of the kernel, so
/// the standard library does not know them.
fn named(error: io::Error) -> io::Error {
    use libbpf_rs::libbpf_sys::{libbpf_strerror, size_t};

    /// `__LIBBPF_ERRNO__START`.
    const FIRST: i32 = 4000;

    let Some(code) = error.raw_os_error().filter(|code| *code >= FIRST) else { return error };
    let mut text = [0u8; 128];
    // SAFETY: the call writes at most as many bytes as the length says, and ends them with a NUL.
    let failed = unsafe { libbpf_strerror(code, text.as_mut_ptr().cast(), text.len() as size_t) };
    match CStr::from_bytes_until_nul(&text) {
        Ok(text) if failed == 0 => {
            io::Error::other(format!("{} (libbpf error {code})", text.to_string_lossy()))
        }
        _ => error,
    }
}

/// Returns what to do about an error, if the machine shows its cause.
fn hint(source: &io::Error, messages: &str, log: Option<&str>) -> Option<Hint> {
    let code = source.raw_os_error();
    if messages.contains("failed to find valid kernel BTF")
        || messages.contains("failed to load BTF from")
    {
        let why = "the kernel offers no BTF at /sys/kernel/btf/vmlinux: it needs CONFIG_DEBUG_INFO_BTF, which distributions have set since 2021. Otherwise,";
        return Some(Hint::from(Advice::KernelBtf).after(format_args!("{why} ")));
    } else if messages.contains("user context value is not supported") {
        return Some("cookies of probes and tracepoints need Linux 5.15".into());
    } else if messages.contains("tracefs")
        || (messages.contains("tracepoint") && code == Some(libc::ENOENT))
    {
        return Some(no_tracepoint());
    } else if messages.contains("is not on BPF FS") {
        return Some(OF_PINS.absent());
    } else if messages.contains("BPF token from") {
        let why = "LIBBPF_BPF_TOKEN_PATH must name a bpffs that delegates to the user namespace of this process (mounted with delegate_cmds=any \
                   or similar options), on Linux 6.9 or later; unset it or leave it empty to use no token";
        return Some(why.into());
    }
    match code? {
        libc::EPERM => lacking(&[Need::any()]).or_else(|| {
            let why = "this process has the required capabilities, but a security module or the seccomp profile of a container may \
                       still forbid it. ";
            Some(Hint::from(Advice::Preflight).after(why))
        }),
        _ if log.is_some_and(|log| log.contains(UNRESOLVED)) => Some(unresolved(log.unwrap_or_default())),
        _ if log.is_some() => Some("the verifier's log ends with the instruction that it refused".into()),
        libc::EOPNOTSUPP => Some("this kernel or libbpf does not support a feature that the object uses".into()),
        libc::ENOMEM if running::version().is_some_and(|version| version < (5, 11)) => {
            Some("before Linux 5.11, BPF memory counts against RLIMIT_MEMLOCK: raise it with `ulimit -l unlimited`".into())
        }
        libc::EMFILE => Some(no_descriptors()),
        libc::ENFILE => Some("the system has reached its limit of open files: raise fs.file-max with sysctl".into()),
        _ => None,
    }
}

/// The start of libbpf's message about an instruction that uses a field, type or constant missing
/// from the kernel.
const UNRESOLVED: &str = "failed to resolve CO-RE relocation ";

/// Returns the hint for a CO-RE relocation that failed.
fn unresolved(log: &str) -> Hint {
    // The line looks like this: `<byte_off> [7] struct task_struct.none (0:1 @ offset 4)`
    let subject =
        log.split_once(UNRESOLVED).and_then(|(_, rest)| rest.lines().next()).unwrap_or_default();
    let subject = subject.split_once("] ").map_or(subject, |(_, subject)| subject);
    let subject =
        subject.split(" (").next().unwrap_or_default().split(" = ").next().unwrap_or_default();
    format!(
        "this kernel does not have `{subject}`, which the program uses: test for it first with bpf_core_field_exists, \
         bpf_core_type_exists or bpf_core_enum_value_exists"
    )
    .into()
}

/// Returns the hint for EMFILE. Each map, program and link takes a file descriptor, and so does
/// each ring of a perf event array.
fn no_descriptors() -> Hint {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.map_or("unlimited".to_owned(), |hard| hard.to_string());
    let soft = limit.current.map_or("unlimited".to_owned(), |soft| soft.to_string());
    format!(
        "this process has reached its limit of open file descriptors (RLIMIT_NOFILE is {soft}, and may be raised to {hard}): raise it with \
         `ulimit -n`, setrlimit(2), or `LimitNOFILE=` in systemd's unit"
    )
    .into()
}

/// Returns the hint for a tracepoint that was not found.
fn no_tracepoint() -> Hint {
    match OF_TRACEPOINTS.mounted() {
        Some(place) => format!(
            "this kernel does not have the tracepoint; {}/events lists those that it has",
            place.display()
        )
        .into(),
        None => OF_TRACEPOINTS
            .remedy()
            .after("tracefs, which lists the ids of tracepoints, is not mounted: "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libbpf_errors_are_named() {
        let text = |code| kernel_error("open it", io::Error::from_raw_os_error(code)).to_string();
        assert_eq!(text(4001), "open it: BPF object format invalid (libbpf error 4001)");
        assert_eq!(text(4005), "open it: Relocation failed (libbpf error 4005)");
        assert!((4000..4014).all(|code| !text(code).contains("Unknown")));
        assert_eq!(text(libc::ENOENT), "open it: No such file or directory (os error 2)");
        assert_eq!(text(4999), "open it: Unknown error 4999 (os error 4999)");
    }
}
