//! The source lines of instructions, from the section `.BTF.ext`.

use std::collections::{BTreeMap, HashMap};

use super::{
    references::Place,
    relocations::{MAX_NAME, lists, string, word},
};

/// The source lines of an object.
#[derive(Debug, Default)]
pub(crate) struct Lines<'a> {
    strings: &'a [u8],
    /// The lines by their first instruction.
    lines: BTreeMap<Place, Line>,
}

/// A source line: the offset of its text in the strings, and its number and column.
#[derive(Debug, Clone, Copy)]
struct Line {
    text: u32,
    position: u32,
}

/// The longest line that is read.
const MAX_TEXT: usize = 512;

impl<'a> Lines<'a> {
    /// Reads the section, using the strings of `.BTF`. The layout is that of `struct btf_ext_header`,
    /// `struct btf_ext_info_sec` and `struct bpf_line_info`. What cannot be read is left out.
    pub(crate) fn read(ext: &[u8], strings: &'a [u8], sections: &HashMap<&[u8], usize>) -> Self {
        const RECORD: usize = 16;
        let mut lines = Self { strings, lines: BTreeMap::new() };
        for list in lists(ext, 16) {
            let name = string(strings, list.name, MAX_NAME).unwrap_or_default();
            let Some(section) = sections.get(name) else { continue };
            for line in list.records(RECORD) {
                if let (Some(at), Some(text), Some(position)) =
                    (word(line, 0), word(line, 8), word(line, 12))
                {
                    lines.lines.insert((*section, at.into()), Line { text, position });
                }
            }
        }
        lines
    }

    /// Returns the text of the line that the instruction at `place` belongs to. `block` is the
    /// offset from which on all instructions run in order: what is before it may belong to another
    /// line.
    pub(crate) fn text(&self, place: Place, block: u64) -> Option<&'a str> {
        self.numbered(place, block).map(|(_, text)| text)
    }

    /// Returns the number of the line, from 1, and its text, otherwise as [`Self::text`].
    pub(crate) fn numbered(&self, place: Place, block: u64) -> Option<(u32, &'a str)> {
        let (_, line) = self.lines.range((place.0, block)..=place).next_back()?;
        let text = std::str::from_utf8(string(self.strings, line.text, MAX_TEXT)?).ok()?;
        // `BPF_LINE_INFO_LINE_NUM`
        Some((line.position >> 10, text))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::Lines;

    const STRINGS: &[u8] = b"\0tc\0a = b;\0c = d;\0";

    /// Returns a section with the lines of two instructions.
    fn section() -> Vec<u8> {
        let mut words = vec![0x0001_eb9f_u32, 24, 0, 0, 0, 4 + 8 + 32];
        words.extend([16, 1, 2, 8, 0, 4, 0, 24, 0, 11, 0]);
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn instructions_have_the_line_before_them_in_their_block() {
        let (section, sections) = (section(), HashMap::from([(&b"tc"[..], 3)]));
        let lines = Lines::read(&section, STRINGS, &sections);
        for (at, block, text) in [
            (0, 0, None),
            (8, 0, Some("a = b;")),
            (16, 8, Some("a = b;")),
            (16, 16, None),
            (24, 16, Some("c = d;")),
            (80, 0, Some("c = d;")),
        ] {
            assert_eq!(lines.text((3, at), block), text, "{at} {block}");
        }
        assert_eq!(lines.text((2, 80), 0), None);
    }

    #[test]
    fn broken_sections_are_read_as_far_as_possible() {
        let (section, sections) = (section(), HashMap::from([(&b"tc"[..], 3)]));
        for end in 0..section.len() {
            _ = Lines::read(&section[..end], STRINGS, &sections).text((3, 80), 0);
        }
        for at in 0..section.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = section.clone();
                damaged[at] = value;
                _ = Lines::read(&damaged, STRINGS, &sections).text((3, 80), 0);
            }
        }
    }
}
