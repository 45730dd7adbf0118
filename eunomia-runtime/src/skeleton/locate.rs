//! Finds the line and column of a place in the text of a document.
//!
//! It runs only if there is a fault to report, on text that is known to be JSON. So it follows
//! strings and nesting but does not check them, and documents without faults pay nothing for it.

use crate::fault::{Fault, Step};

/// Strips the byte order mark that editors on some systems write. Columns are counted after it, as
/// these editors do.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Sets the position of a fault that has none: that of its place, or of the nearest enclosing place
/// that the text has.
pub(crate) fn fill_line(text: &str, fault: &mut Fault) {
    if fault.line.is_none() {
        let text = without_mark(text);
        let offset = offset(text.as_bytes(), &fault.place.0);
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        fault.line = Some((before.matches('\n').count() + 1, before.len() - line_start + 1));
    }
}

fn offset(text: &[u8], steps: &[Step]) -> usize {
    let mut at = skip_space(text, 0);
    for step in steps {
        match child(text, at, step) {
            Some(next) => at = next,
            None => break,
        }
    }
    at
}

/// Returns the offset of the value that `step` leads to in the container at `at`. Of equal keys the
/// last one counts, as in the parser.
fn child(text: &[u8], at: usize, step: &Step) -> Option<usize> {
    let mut found = None;
    let mut index = 0;
    let mut at = skip_space(text, at + 1);
    while !matches!(text.get(at)?, b'}' | b']') {
        let hit = match step {
            Step::Index(expected) => index == *expected,
            Step::Key(expected) => {
                let end = skip_value(text, at)?;
                let hit = serde_json::from_slice::<String>(text.get(at..end)?).is_ok_and(|key| key == *expected);
                at = skip_space(text, skip_space(text, end) + 1);
                hit
            }
        };
        if hit {
            found = Some(at);
        }
        index += 1;
        at = skip_space(text, skip_value(text, at)?);
        if text.get(at) == Some(&b',') {
            at = skip_space(text, at + 1);
        }
    }
    found
}

fn skip_space(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Returns the offset after the value at `at`.
fn skip_value(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0u32;
    loop {
        match text.get(at)? {
            b'"' => at = skip_string(text, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            _ => at += 1,
        }
        if depth == 0 && matches!(text.get(at), None | Some(b',' | b'}' | b']' | b':' | b' ' | b'\t' | b'\r' | b'\n')) {
            return Some(at);
        }
    }
}

fn skip_string(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match text.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Place;

    #[test]
    fn values_after_tricky_text_are_found() {
        let text = "{ \"a\\\"}\": \"]}\",\n  \"list\": [1, {\"x\": null},\n    {\"b\": -1.5e3, \"x\": true}] }";
        let place = Place::default().key("list");
        let mut faults = [
            Fault::new(place.clone(), "", ""),
            Fault::new(place.index(1).key("x"), "", ""),
            Fault::new(place.index(2).key("x"), "", ""),
            Fault::new(place.index(2).key("missing"), "", ""),
            Fault::new(Place::default().key("a\"}"), "", ""),
        ];
        faults.iter_mut().for_each(|fault| fill_line(text, fault));
        assert_eq!(faults.map(|fault| fault.line.unwrap()), [(2, 11), (2, 21), (3, 24), (3, 5), (1, 11)]);
    }
}
