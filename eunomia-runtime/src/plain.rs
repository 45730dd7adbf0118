//! Makes texts of documents, objects, processes and the kernel safe for a terminal.
//!
//! One rule holds for all of them: a character that is not shown, or that moves others, is written
//! as Rust's `Debug` writes it (`\n`, `\u{1b}`, `\u{202e}`). So no text can forge a line, act as a
//! command to the terminal, or reorder or hide the text beside it.

use std::borrow::Cow;

/// Reports whether a terminal shows a character as one character in its place, so that `Debug` of a
/// text would not escape it.
///
/// Controls (C0, C1), line separators, direction marks, characters without width and unassigned
/// ones are not shown.
pub fn is_shown(letter: char) -> bool {
    match letter {
        ' '..='~' => true,
        '\0'..='\u{9f}' => false,
        _ => {
            // It is tested after another letter, because `Debug` escapes a combining mark only at
            // the start of a text.
            let mut text = [b'-'; 5];
            let len = text.get_mut(1..).map_or(0, |rest| letter.encode_utf8(rest).len());
            let text = text.get(..=len).and_then(|text| str::from_utf8(text).ok());
            text.is_some_and(|text| text.escape_debug().nth(1) == Some(letter))
        }
    }
}

/// Returns a text as one line.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || text.chars().all(is_shown) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(2 * text.len());
    for letter in text.chars() {
        if is_shown(letter) {
            line.push(letter);
        } else {
            line.extend(letter.escape_debug());
        }
    }
    Cow::Owned(line)
}

/// The most characters of a name that messages show. BTF has no longer names.
const NAME: usize = 512;
/// The most characters of a message about a document or an object.
const MESSAGE: usize = 4096;

/// Returns a name, or any other text of a document, as messages show it: a long one is cut and its
/// length appended.
pub(crate) fn name(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(NAME).and_then(|(end, _)| text.get(..end)) {
        Some(start) => Cow::Owned(format!("{start}.. ({} bytes)", text.len())),
        None => Cow::Borrowed(text),
    }
}

/// Returns a message in which quotations, between backquotes or double quotes, are cut like by
/// [`name`]. The message itself is cut too, since a quotation may contain quotes.
pub(crate) fn message(text: &str) -> Cow<'_, str> {
    if text.len() <= NAME {
        return Cow::Borrowed(text);
    }
    let mut message = String::with_capacity(text.len().min(MESSAGE));
    // If quotes come in pairs, every other part is between quotes.
    let mut rest = text;
    while let Some(at) = rest.find(['`', '"']) {
        let (before, from) = rest.split_at(at);
        let mut letters = from.chars();
        let quote = letters.next().unwrap_or_default();
        let Some((quoted, after)) = letters.as_str().split_once(quote) else { break };
        message.push_str(before);
        message.push(quote);
        message.push_str(&name(quoted));
        message.push(quote);
        rest = after;
        if message.len() > 4 * MESSAGE {
            break;
        }
    }
    message.push_str(rest);
    match message.char_indices().nth(MESSAGE).map(|(end, _)| end) {
        Some(end) => {
            message.truncate(end);
            Cow::Owned(message + " ..")
        }
        None => Cow::Owned(message),
    }
}

/// Returns a text with its line breaks kept and its tabs replaced by spaces.
pub(crate) fn plain(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    for part in text.split_inclusive(['\n', '\t']) {
        let end = part.chars().next_back().filter(|last| matches!(last, '\n' | '\t'));
        lines.push_str(&line(part.trim_end_matches(['\n', '\t'])));
        lines.extend(end.map(|end| if end == '\t' { ' ' } else { end }));
    }
    lines
}

/// Returns equivalent JSON without characters that are not [shown](is_shown). They can occur only
/// in its strings, which allow escapes.
#[cfg(feature = "dynamic")]
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let stays = |letter: char| is_shown(letter) || letter == '\n';
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut json = String::with_capacity(2 * text.len());
    for letter in text.chars() {
        if stays(letter) {
            json.push(letter);
        } else {
            letter
                .encode_utf16(&mut [0; 2])
                .iter()
                .for_each(|unit| json.push_str(&format!("\\u{unit:04x}")));
        }
    }
    Cow::Owned(json)
}

/// Appends a name as one [`line`].
#[cfg(feature = "dynamic")]
pub(crate) fn push(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(line(name).as_bytes());
}

/// Formats names as `a`, `b`, or "none". Long lists are cut.
#[cfg(feature = "dynamic")]
pub(crate) fn quoted<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 16;
    let shown: Vec<String> =
        names.by_ref().take(SHOWN).map(|name| format!("`{}`", self::name(name))).collect();
    match (shown.is_empty(), names.next()) {
        (true, _) => "none".to_owned(),
        (false, None) => shown.join(", "),
        (false, Some(_)) => format!("{} and more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_and_control_characters_are_escaped() {
        let moves = ["\0", "\u{7}", "\r", "\u{1b}", "\u{7f}", "\u{80}", "\u{9b}", "\u{9f}"];
        let turns = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        let hidden = "\u{ad}\u{200b}\u{200c}\u{200d}\u{2028}\u{2029}\u{2060}\u{feff}\u{fff9}\u{e0041}\u{e000}\u{10ffff}";
        for letter in moves.concat().chars().chain(turns.chars()).chain(hidden.chars()) {
            let text = format!("a{letter}b");
            assert!(
                !is_shown(letter) && line(&text).chars().chain(plain(&text).chars()).all(is_shown),
                "{letter:?}"
            );
            assert_eq!(line(&text), format!("a{}b", letter.escape_debug()));
        }
    }

    #[test]
    fn texts_of_all_languages_are_unchanged() {
        for text in [
            "/usr/bin/größe",
            "日本語のテキスト",
            "हिन्दी",
            "e\u{301}",
            "עברית",
            "👍",
            "a\\b \"c\"",
            "\u{fffd}",
            "",
        ] {
            assert_eq!((line(text), plain(text)), (Cow::Borrowed(text), text.to_owned()));
        }
    }

    #[test]
    fn line_breaks_are_kept_only_by_plain() {
        assert_eq!(plain("a\tb\r\n\n\u{2028}c\n"), "a b\\r\n\n\\u{2028}c\n");
        assert_eq!(line("a\tb\n"), "a\\tb\\n");
    }

    #[test]
    fn long_names_are_cut() {
        let long = "ä".repeat(300_000);
        let cut = format!("{}.. (600000 bytes)", "ä".repeat(NAME));
        assert_eq!((name(&long), name("rb")), (Cow::Borrowed(cut.as_str()), Cow::Borrowed("rb")));
        assert_eq!(name(&long[..2 * NAME]), &long[..2 * NAME]);
        let text = |name: &str| {
            format!("the object has no map `{name}`, it has `rb`, {name:?} and one more")
        };
        assert_eq!(message(&text("m")), text("m"));
        assert_eq!(message(&text(&long)), text(&cut));
        // What has quotes of its own is cut as a whole, as is what is not quoted.
        for long in [
            "`a` ".repeat(300_000),
            "`\" ".repeat(300_000),
            long.clone(),
            format!("`{long}"),
            format!("{long}`\""),
        ] {
            assert_eq!(
                message(&format!("x {long} y")).chars().count(),
                MESSAGE + 3,
                "{}",
                &long[..2]
            );
        }
    }

    #[cfg(feature = "dynamic")]
    #[test]
    fn escaped_json_is_equivalent() {
        let text = "{\"a\": \"\u{85}\u{202e}\u{e0041}é\"}\n";
        assert_eq!(json(text), "{\"a\": \"\\u0085\\u202e\\udb40\\udc41é\"}\n");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&json(text)), read(text));
    }
}
