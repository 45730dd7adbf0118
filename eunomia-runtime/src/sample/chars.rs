//! [`CharArray`]: text in a C `char[N]`.

use std::{borrow::Cow, fmt, hash, str};

use crate::plain::line;

/// Text in a C `char[N]`: the bytes up to the first NUL, or all of them if they contain no NUL.
///
/// Bytes after the NUL are stale memory; comparison, hashing and output ignore them. If a program
/// puts several texts into one array, each with its NUL (`args` of tools that trace exec),
/// [`Self::raw`] returns all of them, and a length in the event tells their end:
///
/// ```
/// # use eunomia_runtime::sample::CharArray;
/// let (args, args_size) = (CharArray::from(*b"ls\0-l\0/tmp\0stale"), 11);
/// assert_eq!(args.to_string(), "ls");
/// let all: Vec<_> = args.raw()[..args_size - 1].split(|&byte| byte == 0).collect();
/// assert_eq!(all, [&b"ls"[..], b"-l", b"/tmp"]);
/// ```
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct CharArray<const N: usize>([u8; N]);

/// The error for text that does not fit into a [`CharArray`] together with its NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// Length of the text in bytes, without the NUL.
    pub len: usize,
    /// Size of the array in bytes, with the NUL.
    pub capacity: usize,
}

impl<const N: usize> CharArray<N> {
    /// Creates an array from text; the rest is filled with NULs.
    ///
    /// # Errors
    /// [`TooLong`] if the text and one NUL need more than `N` bytes: C code that reads the array
    /// expects the NUL.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, TooLong> {
        let text = text.as_ref();
        let mut array = [0; N];
        match array.get_mut(..text.len()) {
            Some(start) if text.len() < N => start.copy_from_slice(text),
            _ => return Err(TooLong { len: text.len(), capacity: N }),
        }
        Ok(Self(array))
    }

    /// Returns the bytes of the text, without the NUL.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        until_nul(&self.0)
    }

    /// Returns the text if it is UTF-8.
    ///
    /// # Errors
    /// [`Utf8Error`](str::Utf8Error) if it is not. The kernel cuts names at a byte count, so the
    /// last character may be incomplete. [`Self::to_string_lossy`] never fails.
    pub fn as_str(&self) -> Result<&str, str::Utf8Error> {
        str::from_utf8(self.as_bytes())
    }

    /// Returns the text, with U+FFFD in place of bytes that are not UTF-8.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// Returns all `N` bytes as they were written.
    pub const fn raw(&self) -> &[u8; N] {
        &self.0
    }
}

/// Returns the bytes before the first NUL, or all if there is no NUL. It tests 8 bytes at once,
/// because most of the time spent on an event's texts is spent here.
#[inline]
pub(crate) fn until_nul(bytes: &[u8]) -> &[u8] {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The subtraction borrows into the high bit of a byte that had it clear only if that byte
        // is zero or lies above one that is.
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeros != 0 {
            return bytes.get(..8 * index + zeros.trailing_zeros() as usize / 8).unwrap_or(bytes);
        }
    }
    let end = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
    bytes.get(..bytes.len() - rest.len() + end).unwrap_or(bytes)
}

/// Takes the bytes as they are in C, text or not.
impl<const N: usize> From<[u8; N]> for CharArray<N> {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes)
    }
}

impl<const N: usize> Default for CharArray<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> PartialEq for CharArray<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> Eq for CharArray<N> {}

impl<const N: usize> PartialEq<str> for CharArray<N> {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> PartialEq<&str> for CharArray<N> {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> hash::Hash for CharArray<N> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl<const N: usize> fmt::Debug for CharArray<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), f)
    }
}

/// Writes the text on one line, safe to print: characters that a terminal would interpret or not
/// show are escaped (`\n`, `\u{1b}`). [`as_str`](CharArray::as_str) and
/// [`to_string_lossy`](CharArray::to_string_lossy) return the text unchanged. Width and alignment
/// apply, so `{:<16}` makes a column.
impl<const N: usize> fmt::Display for CharArray<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&line(&self.to_string_lossy()))
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of text and a NUL do not fit into char[{}]", self.len, self.capacity)
    }
}

impl std::error::Error for TooLong {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_at_nul_or_end_of_array() {
        let stale = CharArray(*b"sh\0junk!");
        assert_eq!(stale, "sh");
        assert_eq!(stale, CharArray::<8>::new("sh").unwrap());
        assert_eq!(CharArray(*b"12345678").as_str(), Ok("12345678"));
        assert_eq!(CharArray([]).as_bytes(), b"");
    }

    #[test]
    fn first_nul_is_found_at_every_place() {
        for filler in [1, 0x7f, 0x80, 0x81, 0xff] {
            for len in 0..40 {
                for nul in 0..=len {
                    // After the NUL come other bytes, among them more NULs and bytes that borrow.
                    let mut bytes: Vec<u8> =
                        (0..len).map(|at| [0, 1, 0x80, filler][at % 4]).collect();
                    bytes[..nul].fill(filler);
                    bytes[nul..].iter_mut().take(1).for_each(|byte| *byte = 0);
                    assert_eq!(until_nul(&bytes), vec![filler; nul], "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_shown() {
        let cut = CharArray(*b"caf\xc3\0");
        assert!(cut.as_str().is_err());
        assert_eq!(cut.to_string_lossy(), "caf\u{fffd}");
        assert_eq!(format!("[{:>5}]", CharArray(*b"ab\0")), "[   ab]");
    }

    #[test]
    fn display_escapes_and_text_is_unchanged() {
        let array = CharArray(*b"\x1b]0;x\x07\n\xe2\x80\xaea\0");
        assert_eq!(array.to_string(), "\\u{1b}]0;x\\u{7}\\n\\u{202e}a");
        assert_eq!(
            (array.as_str(), array.to_string_lossy().len()),
            (Ok("\u{1b}]0;x\u{7}\n\u{202e}a"), 11)
        );
        assert_eq!(
            format!("{:<6}|{:.3}", CharArray(*b"a\n\0"), CharArray(*b"\x1b\0")),
            "a\\n   |\\u{"
        );
    }

    #[test]
    fn new_leaves_room_for_nul() {
        assert_eq!(CharArray::<3>::new("ab").unwrap().raw(), b"ab\0");
        assert_eq!(CharArray::<2>::new("ab"), Err(TooLong { len: 2, capacity: 2 }));
        assert_eq!(CharArray::<0>::new(""), Err(TooLong { len: 0, capacity: 0 }));
    }
}
