//! [`ErrorKind`]: errors in groups, for callers that do not tell all causes apart.

use super::Error;

/// The group of an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The skeleton, its object or a recording is invalid.
    InvalidInput,
    /// A name, file, interface, process, function or tracepoint was not found.
    NotFound,
    /// The process lacks a capability, or a security module, lockdown or a file's mode forbids it.
    PermissionDenied,
    /// This kernel, or its configuration, lacks a feature.
    Unsupported,
    /// The verifier refused a program; [`KernelError::verifier_log`](super::KernelError) says why.
    Verifier,
    /// Somebody has what was asked for: an interface, a map's only reader, a name.
    Busy,
    /// A limit was reached: memory, file descriptors, room in a map, ring or buffer.
    Limit,
    /// The call does not fit its object: a value, type or operation is wrong, whatever the kernel.
    InvalidCall,
    /// The memory of a ring is inconsistent.
    Damaged,
    /// A callback of the caller returned an error.
    Callback,
    /// None of the other groups.
    Other,
}

impl ErrorKind {
    pub(super) fn of(error: &Error) -> Self {
        match error {
            #[cfg(feature = "dynamic")]
            Error::Input(_) => Self::InvalidInput,
            Error::Recording(_) => Self::InvalidInput,
            Error::File { source, .. } => Self::of_io(source),
            Error::Kernel(error) if error.verifier_log.is_some() => Self::Verifier,
            Error::Kernel(error) => Self::of_io(&error.source),
            Error::NotFound { .. } => Self::NotFound,
            Error::NoTarget { .. }
            | Error::Value { .. }
            | Error::Mismatch { .. }
            | Error::NotLoaded { .. }
            | Error::Misuse { .. }
            | Error::Reentered { .. } => Self::InvalidCall,
            Error::Damaged { .. } => Self::Damaged,
            Error::Callback { .. } => Self::Callback,
            Error::InUse { .. } => Self::Busy,
            Error::Full { .. } | Error::Room { .. } => Self::Limit,
            Error::Incomplete { .. } => Self::Other,
        }
    }

    /// Groups an error of a system call. The numbers are those of errno(3); 524 is the kernel's own
    /// ENOTSUPP, which `include/linux/errno.h` defines and BPF returns.
    fn of_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Io;

        match (error.raw_os_error(), error.kind()) {
            (Some(524), _) | (_, Io::Unsupported) => Self::Unsupported,
            (_, Io::NotFound) => Self::NotFound,
            (_, Io::PermissionDenied) => Self::PermissionDenied,
            (_, Io::ResourceBusy | Io::AlreadyExists | Io::AddrInUse | Io::DirectoryNotEmpty) => {
                Self::Busy
            }
            (
                _,
                Io::OutOfMemory | Io::StorageFull | Io::QuotaExceeded | Io::ArgumentListTooLong,
            ) => Self::Limit,
            #[cfg(unix)]
            // ESRCH, ENXIO, ENODEV; EMFILE and ENFILE; none has a kind in the standard library.
            (Some(3 | 6 | 19), _) => Self::NotFound,
            #[cfg(unix)]
            (Some(23 | 24), _) => Self::Limit,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::KernelError;

    fn refused(errno: i32, log: Option<&str>) -> ErrorKind {
        Error::Kernel(Box::new(KernelError {
            tried: "load".to_owned(),
            source: io::Error::from_raw_os_error(errno),
            messages: String::new(),
            verifier_log: log.map(str::to_owned),
            hint: None,
        }))
        .kind()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn kernel_errors_are_grouped_by_errno() {
        // EPERM, EACCES, ENOENT, ESRCH, ENODEV, EBUSY, EEXIST, EOPNOTSUPP, ENOTSUPP, EMFILE, E2BIG.
        let expected = [
            (1, ErrorKind::PermissionDenied),
            (13, ErrorKind::PermissionDenied),
            (2, ErrorKind::NotFound),
            (3, ErrorKind::NotFound),
            (19, ErrorKind::NotFound),
            (16, ErrorKind::Busy),
            (17, ErrorKind::Busy),
            (95, ErrorKind::Unsupported),
            (524, ErrorKind::Unsupported),
            (24, ErrorKind::Limit),
            (7, ErrorKind::Limit),
            (22, ErrorKind::Other),
        ];
        for (errno, kind) in expected {
            assert_eq!(refused(errno, None), kind, "errno {errno}");
        }
        assert_eq!(refused(13, Some("0: R1 invalid mem access")), ErrorKind::Verifier);
    }
}
