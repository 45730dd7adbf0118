//! Formats of members: how the one-line form shows a number or bytes. `EUNOMIA_FORMAT` of
//! `eunomia.bpf.h` sets them.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use super::{Line, Plain, access::number};

/// How the one-line form shows a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A hexadecimal number.
    Hex,
    /// An IPv4 or IPv6 address in network byte order.
    Ip,
    /// The name of an error number, with a minus sign if the number is negative.
    Errno,
    /// The function of the running kernel at an address. It is a hexadecimal number if the function
    /// is unknown, or if the feature `symbolize` is not enabled.
    Ksym,
    /// A duration in nanoseconds, in the unit that suits it.
    Ns,
}

impl Format {
    /// The names of the formats in C.
    #[cfg(feature = "dynamic")]
    const NAMES: [(&str, Self); 5] = [
        ("hex", Self::Hex),
        ("ip", Self::Ip),
        ("errno", Self::Errno),
        ("ksym", Self::Ksym),
        ("ns", Self::Ns),
    ];

    /// Returns the format with this name for a member of some bytes, or what is wrong with it.
    #[cfg(feature = "dynamic")]
    pub(crate) fn named(name: &str, bytes: u64) -> Result<Self, String> {
        let known = || Self::NAMES.into_iter().map(|(known, _)| known);
        let Some((_, format)) = Self::NAMES.into_iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = known().collect();
            return Err(format!("no format `{name}`, known are {}", known.join(", ")));
        };
        let sizes: &[u64] = match format {
            Self::Hex => &[1, 2, 4, 8],
            Self::Ip => &[4, 16],
            Self::Errno | Self::Ns => &[4, 8],
            Self::Ksym => &[8],
        };
        if sizes.contains(&bytes) {
            return Ok(format);
        }
        let sizes: Vec<String> = sizes.iter().map(u64::to_string).collect();
        Err(format!(
            "format `{name}` is for {} bytes, but the member has {bytes}",
            sizes.join(" or ")
        ))
    }
}

/// The bytes of a member, shown in a format.
#[derive(Clone, Copy)]
pub struct Formatted<'a>(Format, &'a [u8]);

impl<'a> Formatted<'a> {
    /// Shows a value in a format.
    pub fn new<T: Plain>(format: Format, value: &'a T) -> Self {
        Self(format, value.bytes())
    }

    /// Shows bytes in a format.
    #[cfg(feature = "dynamic")]
    pub(crate) fn of_bytes(format: Format, bytes: &'a [u8]) -> Self {
        Self(format, bytes)
    }

    /// Returns the bytes, at most 8, as a number.
    fn number(&self, is_signed: bool) -> i128 {
        let bytes = self.1.get(..self.1.len().min(8)).unwrap_or_default();
        number(bytes, 0, 8 * u32::from(bytes.len().max(1).to_le_bytes()[0]), is_signed)
    }

    /// Returns the bytes, at most 8, as an unsigned number.
    fn unsigned(&self) -> u64 {
        u64::try_from(self.number(false)).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Formatted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Format::Hex => write!(f, "{:#x}", self.unsigned()),
            Format::Ip => match (self.1.first_chunk::<16>(), self.1.first_chunk::<4>()) {
                (Some(v6), _) => write!(f, "{}", Ipv6Addr::from(*v6)),
                (None, Some(v4)) => write!(f, "{}", Ipv4Addr::from(*v4)),
                (None, None) => Ok(()),
            },
            Format::Errno => {
                let number = self.number(true);
                let sign = if number < 0 { "-" } else { "" };
                match errno(number.unsigned_abs()) {
                    Some(name) => write!(f, "{sign}{name}"),
                    None => write!(f, "{number}"),
                }
            }
            Format::Ksym => symbol(self.unsigned(), f),
            Format::Ns => write!(f, "{:?}", Duration::from_nanos(self.unsigned())),
        }
    }
}

impl fmt::Debug for Formatted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Line for Formatted<'_> {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes the function of the running kernel at an address.
#[cfg(feature = "symbolize")]
fn symbol(address: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use crate::symbols::Symbols;

    thread_local! {
        // It is not shared by threads, and reading the kernel's symbols takes some time.
        static KERNEL: Symbols = Symbols::new();
    }
    let frame = KERNEL.try_with(|kernel| kernel.symbolize_kernel(&[address]).pop()).ok().flatten();
    let Some(symbol) = frame.and_then(|frame| frame.symbols.into_iter().next()) else {
        return write!(f, "{address:#x}");
    };
    super::line::write_text(f, symbol.name.as_bytes())?;
    match symbol.offset {
        Some(offset) if offset > 0 => write!(f, "+{offset:#x}"),
        _ => Ok(()),
    }
}

#[cfg(not(feature = "symbolize"))]
fn symbol(address: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{address:#x}")
}

/// Returns the name of an error number, `uapi/asm-generic/errno.h`. The architectures that eunomia
/// runs on have these numbers.
fn errno(number: u128) -> Option<&'static str> {
    // `ENOTSUPP` of `linux/errno.h` is only for the kernel itself, but programs see it.
    if number == 524 {
        return Some("ENOTSUPP");
    }
    ERRNOS
        .get(usize::try_from(number).ok()?.checked_sub(1)?)
        .copied()
        .filter(|name| !name.is_empty())
}

/// The error numbers from 1 on; 41 and 58 are unused.
#[rustfmt::skip]
const ERRNOS: [&str; 133] = [
    "EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF", "ECHILD",
    "EAGAIN", "ENOMEM", "EACCES", "EFAULT", "ENOTBLK", "EBUSY", "EEXIST", "EXDEV", "ENODEV",
    "ENOTDIR", "EISDIR", "EINVAL", "ENFILE", "EMFILE", "ENOTTY", "ETXTBSY", "EFBIG", "ENOSPC",
    "ESPIPE", "EROFS", "EMLINK", "EPIPE", "EDOM", "ERANGE", "EDEADLK", "ENAMETOOLONG", "ENOLCK",
    "ENOSYS", "ENOTEMPTY", "ELOOP", "", "ENOMSG", "EIDRM", "ECHRNG", "EL2NSYNC", "EL3HLT",
    "EL3RST", "ELNRNG", "EUNATCH", "ENOCSI", "EL2HLT", "EBADE", "EBADR", "EXFULL", "ENOANO",
    "EBADRQC", "EBADSLT", "", "EBFONT", "ENOSTR", "ENODATA", "ETIME", "ENOSR", "ENONET", "ENOPKG",
    "EREMOTE", "ENOLINK", "EADV", "ESRMNT", "ECOMM", "EPROTO", "EMULTIHOP", "EDOTDOT", "EBADMSG",
    "EOVERFLOW", "ENOTUNIQ", "EBADFD", "EREMCHG", "ELIBACC", "ELIBBAD", "ELIBSCN", "ELIBMAX",
    "ELIBEXEC", "EILSEQ", "ERESTART", "ESTRPIPE", "EUSERS", "ENOTSOCK", "EDESTADDRREQ", "EMSGSIZE",
    "EPROTOTYPE", "ENOPROTOOPT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EOPNOTSUPP",
    "EPFNOSUPPORT", "EAFNOSUPPORT", "EADDRINUSE", "EADDRNOTAVAIL", "ENETDOWN", "ENETUNREACH",
    "ENETRESET", "ECONNABORTED", "ECONNRESET", "ENOBUFS", "EISCONN", "ENOTCONN", "ESHUTDOWN",
    "ETOOMANYREFS", "ETIMEDOUT", "ECONNREFUSED", "EHOSTDOWN", "EHOSTUNREACH", "EALREADY",
    "EINPROGRESS", "ESTALE", "EUCLEAN", "ENOTNAM", "ENAVAIL", "EISNAM", "EREMOTEIO", "EDQUOT",
    "ENOMEDIUM", "EMEDIUMTYPE", "ECANCELED", "ENOKEY", "EKEYEXPIRED", "EKEYREVOKED",
    "EKEYREJECTED", "EOWNERDEAD", "ENOTRECOVERABLE", "ERFKILL", "EHWPOISON",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: Format, value: &impl Plain) -> String {
        Formatted::new(format, value).to_string()
    }

    #[test]
    fn members_are_shown_in_their_formats() {
        assert_eq!(shown(Format::Hex, &0xbeef_u16), "0xbeef");
        assert_eq!(shown(Format::Ip, &0x0100_007f_u32), "127.0.0.1");
        let mut v6 = [0u8; 16];
        v6[15] = 1;
        assert_eq!(shown(Format::Ip, &v6), "::1");
        assert_eq!(shown(Format::Errno, &-2_i32), "-ENOENT");
        assert_eq!(shown(Format::Errno, &13_i64), "EACCES");
        assert_eq!(shown(Format::Errno, &0_i32), "0");
        assert_eq!(shown(Format::Errno, &-41_i32), "-41");
        assert_eq!(shown(Format::Errno, &i64::MIN), i64::MIN.to_string());
        assert_eq!(shown(Format::Errno, &-524_i32), "-ENOTSUPP");
        assert_eq!(shown(Format::Ns, &1_500_000_u64), "1.5ms");
        assert_eq!(shown(Format::Ksym, &1_u64), "0x1");
    }

    #[test]
    fn errno_names_have_the_numbers_of_the_system() {
        for (name, number) in [
            ("EPERM", libc::EPERM),
            ("EDEADLK", libc::EDEADLK),
            ("ENOMSG", libc::ENOMSG),
            ("EBFONT", libc::EBFONT),
            ("EILSEQ", libc::EILSEQ),
            ("ETIMEDOUT", libc::ETIMEDOUT),
            ("EHWPOISON", libc::EHWPOISON),
        ] {
            assert_eq!(errno(number.unsigned_abs().into()), Some(name));
        }
        assert_eq!(errno(134), None);
    }
}
