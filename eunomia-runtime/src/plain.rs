//! Texts of documents, objects and processes on their way to a terminal.

/// A text without what a terminal would obey, but for line breaks.
pub(crate) fn plain(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', " ")
}

/// Appends a name as [`plain`] text.
#[cfg(feature = "dynamic")]
pub(crate) fn push(name: &str, out: &mut Vec<u8>) {
    if name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return out.extend_from_slice(name.as_bytes());
    }
    out.extend_from_slice(plain(name).replace('\n', " ").as_bytes());
}

/// A text on one line, with what a terminal would obey, line breaks too, written as Rust does: `\n`, `\u{1b}`.
#[cfg(feature = "dynamic")]
pub(crate) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            line.extend(letter.escape_debug());
        } else {
            line.push(letter);
        }
    }
    line
}
