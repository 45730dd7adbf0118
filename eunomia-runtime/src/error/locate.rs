//! Finds the line and column of a place in the text of a document.
//!
//! It runs only if there is a fault to report, on text that is known to be JSON. So it follows
//! strings and nesting but does not check them, and documents without faults pay nothing for it.

use std::collections::HashMap;

use super::{Diagnostic, Step};

/// Strips the byte order mark that editors on some systems write. Columns are counted after it, as
/// these editors do.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Sets the position of each fault that has none: that of its place, or of the nearest enclosing
/// place that the text has. Reads the text once, however many faults there are.
pub(crate) fn fill_lines<'a>(
    text: &str,
    diagnostics: impl IntoIterator<Item = &'a mut Diagnostic>,
) {
    let text = without_mark(text);
    let mut wanted: Vec<Wanted<'_>> = diagnostics
        .into_iter()
        .filter(|diagnostic| diagnostic.line.is_none())
        .map(|diagnostic| Wanted { diagnostic, offset: 0 })
        .collect();
    if wanted.is_empty() {
        return;
    }
    // If the text turns out not to be JSON, what was found before that place counts.
    let _ = find(
        text.as_bytes(),
        skip_space(text.as_bytes(), 0),
        0,
        &mut wanted.iter_mut().collect::<Vec<_>>(),
    );
    wanted.sort_by_key(|wanted| wanted.offset);
    let (mut read, mut line, mut line_start) = (0, 1, 0);
    for Wanted { diagnostic, offset } in wanted {
        let between = text.as_bytes().get(read..offset).unwrap_or_default();
        for (at, _) in between.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            (line, line_start) = (line + 1, read + at + 1);
        }
        read = offset;
        diagnostic.line = Some((line, offset - line_start + 1));
    }
}

/// A fault, and the offset of its place as far as the text has been read.
struct Wanted<'a> {
    diagnostic: &'a mut Diagnostic,
    offset: usize,
}

/// Notes the offset of the value at `at` for all faults whose place is in it, `depth` steps down.
/// Returns the offset after the value. Of equal keys the last one counts, as in the parser.
fn find(text: &[u8], at: usize, depth: usize, wanted: &mut [&mut Wanted<'_>]) -> Option<usize> {
    // Grouped by the next step, so that each child finds its own.
    let mut below: HashMap<Step, Vec<&mut Wanted<'_>>> = HashMap::new();
    for wanted in wanted {
        wanted.offset = at;
        if let Some(step) = wanted.diagnostic.place.0.get(depth).cloned() {
            below.entry(step).or_default().push(wanted);
        }
    }
    let is_list = match text.get(at)? {
        b'[' => true,
        b'{' => false,
        _ => return skip_value(text, at),
    };
    if below.is_empty() {
        return skip_value(text, at);
    }
    let mut index = 0;
    let mut at = skip_space(text, at + 1);
    while !matches!(text.get(at)?, b'}' | b']') {
        let step = if is_list {
            Some(Step::Index(index))
        } else {
            let end = skip_value(text, at)?;
            let key = serde_json::from_slice(text.get(at..end)?).ok().map(Step::Key);
            at = skip_space(text, skip_space(text, end) + 1);
            key
        };
        let end = match step.and_then(|step| below.get_mut(&step)) {
            Some(wanted) => find(text, at, depth + 1, wanted)?,
            None => skip_value(text, at)?,
        };
        index += 1;
        at = skip_space(text, end);
        if text.get(at) == Some(&b',') {
            at = skip_space(text, at + 1);
        }
    }
    Some(at + 1)
}

/// Checks that a JSON text has at most `most` values.
///
/// # Errors
/// The line and column of the first value too many.
pub(crate) fn count(text: &str, most: usize) -> Result<(), (usize, usize)> {
    let mut at = 0;
    let mut values = 0;
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => match skip_string(bytes, at) {
                Some(end) => at = end,
                None => return Ok(()),
            },
            b',' | b'{' | b'[' => {
                values += 1;
                if values > most {
                    let before = bytes.get(..at).unwrap_or_default();
                    let line_start = before
                        .iter()
                        .rposition(|byte| *byte == b'\n')
                        .map_or(0, |newline| newline + 1);
                    return Err((
                        before.iter().filter(|byte| **byte == b'\n').count() + 1,
                        at - line_start + 1,
                    ));
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    Ok(())
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
        if depth == 0
            && matches!(
                text.get(at),
                None | Some(b',' | b'}' | b']' | b':' | b' ' | b'\t' | b'\r' | b'\n')
            )
        {
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
    use crate::error::JsonPath;

    #[test]
    fn values_after_tricky_text_are_found() {
        let text = "{ \"a\\\"}\": \"]}\",\n  \"list\": [1, {\"x\": null},\n    {\"b\": -1.5e3, \"x\": true}] }";
        let place = JsonPath::default().key("list");
        let mut diagnostics = [
            Diagnostic::new(place.clone(), "", ""),
            Diagnostic::new(place.index(1).key("x"), "", ""),
            Diagnostic::new(place.index(2).key("x"), "", ""),
            Diagnostic::new(place.index(2).key("missing"), "", ""),
            Diagnostic::new(JsonPath::default().key("a\"}"), "", ""),
        ];
        fill_lines(text, &mut diagnostics);
        assert_eq!(
            diagnostics.map(|diagnostic| diagnostic.line.unwrap()),
            [(2, 11), (2, 21), (3, 24), (3, 5), (1, 11)]
        );
    }

    #[test]
    fn faults_are_located_in_any_order() {
        let text = "{\"a\": {\"x\": 1},\n\"b\": 2, \"a\":\n [{\"y\": 1}, {}]}";
        let a = JsonPath::default().key("a");
        let places = [
            a.index(1),
            JsonPath::default().key("b"),
            a.index(0).key("y"),
            a.key("x"),
            a.clone(),
            a,
            JsonPath::default(),
        ];
        let mut diagnostics = places.map(|place| Diagnostic::new(place, "", ""));
        fill_lines(text, &mut diagnostics);
        assert_eq!(
            diagnostics.map(|diagnostic| diagnostic.line.unwrap()),
            [(3, 13), (2, 6), (3, 9), (3, 2), (3, 2), (3, 2), (1, 1)]
        );
    }

    #[test]
    fn values_are_counted_outside_of_texts() {
        let text = "{\"a,{[\": [1, \"\\\",[\", 3],\n \"b\": {}}";
        assert_eq!(count(text, 6), Ok(()));
        assert_eq!(count(text, 5), Err((2, 7)));
        assert_eq!(count("\"a", 0), Ok(()));
    }
}
