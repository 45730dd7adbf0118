//! The names that occur in C files, without a compiler.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{Error, files, headers};

/// The names that occur in C files and in the headers that they include.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Names after `struct`, `union` or `enum`.
    pub(super) tags: BTreeSet<String>,
    /// All other names in the files: of typedefs, constants, functions, members, variables.
    pub(super) names: BTreeSet<String>,
    /// All other names in the headers of [`headers`].
    pub(super) shared: BTreeSet<String>,
    /// The files that were read.
    seen: BTreeSet<PathBuf>,
}

/// The header of libbpf that declares a function for each helper.
const HELPERS: &str = "bpf_helper_defs.h";
/// The most files that are read for one header, and their size.
const MOST: usize = 4096;
const MOST_BYTES: usize = 64 << 20;
/// The longest line before the name of a header.
const MOST_LINE: usize = 4096;

impl Words {
    /// Adds the names in a file, and in the headers beside it that it includes. Headers that do not
    /// exist beside it are left out: clang may find them elsewhere, or may not need them.
    pub(super) fn read(&mut self, path: &Path) -> Result<(), Error> {
        self.add(files::read(path)?, path.to_owned());
        self.add_helpers();
        Ok(())
    }

    fn add(&mut self, text: Vec<u8>, path: PathBuf) {
        let mut bytes = text.len();
        // Without links and `..`: a header may include itself by ever longer paths.
        let mut seen = BTreeSet::new();
        let mut waiting = vec![(text, path)];
        while let Some((text, path)) = waiting.pop() {
            let text = plain(&String::from_utf8_lossy(&text));
            if text.contains("#define __VMLINUX_H__") {
                // An earlier output.
                continue;
            }
            for header in included(&text) {
                let beside = path.with_file_name(header);
                match (fs::canonicalize(&beside), headers::named(header)) {
                    _ if seen.len() > MOST || bytes > MOST_BYTES => {}
                    (Ok(found), _) if seen.contains(&found) => {}
                    (Ok(found), shipped) => match (files::read(&found), shipped) {
                        (Ok(text), _) => {
                            seen.insert(found);
                            self.seen.insert(beside.clone());
                            bytes += text.len();
                            waiting.push((text, beside));
                        }
                        (Err(_), Some((name, text))) => self.add_shipped(name, text),
                        (Err(_), None) => {}
                    },
                    (Err(_), Some((name, text))) => self.add_shipped(name, text),
                    (Err(_), None) => {}
                }
            }
            let Self { tags, names, .. } = self;
            split(&text, tags, names);
        }
    }

    /// Adds the names in a header of [`headers`]. The declarations of helpers are left to
    /// [`Self::add_helpers`].
    fn add_shipped(&mut self, name: &str, text: &str) {
        if !self.seen.insert(PathBuf::from(name)) {
            return;
        }
        let text = plain(text);
        for (name, text) in included(&text).into_iter().filter_map(headers::named) {
            self.add_shipped(name, text);
        }
        if name != HELPERS {
            let Self { tags, shared, .. } = self;
            split(&text, tags, shared);
        }
    }

    /// Adds the names in the declarations of the helpers that are used: the result may be a pointer
    /// to a struct that nothing else names.
    fn add_helpers(&mut self) {
        if !self.seen.contains(Path::new(HELPERS)) {
            return;
        }
        let Some((_, text)) = headers::named(HELPERS) else { return };
        for line in plain(text).lines() {
            let helper = line.split_once("(* const ").and_then(|(_, rest)| rest.split_once(')'));
            if helper.is_some_and(|(name, _)| self.names.contains(name)) {
                split(line, &mut self.tags, &mut self.shared);
            }
        }
    }
}

/// Returns the names that libbpf's declarations of helpers need: those of typedefs, among others.
pub(super) fn helpers() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let text = headers::named(HELPERS).map(|(_, text)| plain(text)).unwrap_or_default();
    split(&text, &mut BTreeSet::new(), &mut names);
    names
}

/// Returns the names in `#include` lines.
fn included(text: &str) -> Vec<&str> {
    let name = |line: &'_ str| -> Option<(usize, usize)> {
        let rest = line.trim_start().strip_prefix('#')?.trim_start();
        let rest = rest.strip_prefix("include")?.trim_start();
        let end = match rest.as_bytes().first()? {
            b'"' => '"',
            b'<' => '>',
            _ => return None,
        };
        let start = line.len() - rest.len() + 1;
        Some((start, start + line.get(start..)?.find(end)?))
    };
    text.lines()
        .filter_map(|line| name(line).and_then(|(start, end)| line.get(start..end)))
        .collect()
}

/// Returns C without comments, and without the contents of strings and characters except in
/// `#include` lines.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    let mut start = 0;
    while let Some(at) = rest.find(['/', '"', '\'']) {
        let (before, from) = rest.split_at(at);
        start = before.rfind('\n').map_or(start, |at| plain.len() + at + 1);
        plain.push_str(before);
        let line = plain.get(start..).unwrap_or_default();
        // A line that includes a header is short, but others may have any number of quotes.
        let line = if line.len() <= MOST_LINE { line.trim_start() } else { "" };
        let is_include = line.starts_with('#') && line.contains("include");
        rest = if let Some(comment) = from.strip_prefix("/*") {
            plain.push(' ');
            comment.split_once("*/").map_or("", |(_, rest)| rest)
        } else if from.starts_with("//") {
            from.find('\n').and_then(|end| from.get(end..)).unwrap_or_default()
        } else if from.starts_with('/') || is_include {
            let (first, rest) = from.split_at(1);
            plain.push_str(first);
            rest
        } else {
            plain.push(' ');
            quoted(from)
        };
    }
    plain.push_str(rest);
    plain
}

/// Returns what follows a string or character.
fn quoted(text: &str) -> &str {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, quote)| quote);
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => drop(chars.next()),
            // An apostrophe in text that the preprocessor leaves out, as that of `#error`.
            '\n' => return text.get(at..).unwrap_or_default(),
            char if Some(char) == quote => return text.get(at + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

/// Splits C into the names after `struct`, `union` and `enum`, and all others.
fn split(text: &str, tags: &mut BTreeSet<String>, names: &mut BTreeSet<String>) {
    let is_word = |char: char| char.is_alphanumeric() || char == '_' || char == '$';
    let mut is_tag = false;
    for word in text.split(|char| !is_word(char)).filter(|word| !word.is_empty()) {
        if word.starts_with(|char: char| char.is_ascii_digit()) {
            continue;
        }
        let set = if is_tag { &mut *tags } else { &mut *names };
        if !set.contains(word) {
            set.insert(word.to_owned());
        }
        is_tag = matches!(word, "struct" | "union" | "enum");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_left_out() {
        let text = "#include \"a.h\" // x\nint a = '\\''; /* \"b */ char *c = \"d\\\"e\"; f / g;\n# include <bpf/h.h>\n#error don't\nlast";
        let plain = plain(text);
        assert_eq!(included(&plain), ["a.h", "bpf/h.h"]);
        let (mut tags, mut names) = (BTreeSet::new(), BTreeSet::new());
        split(&plain, &mut tags, &mut names);
        assert!(tags.is_empty());
        for (word, is_found) in [
            ("a", true),
            ("c", true),
            ("f", true),
            ("g", true),
            ("last", true),
            ("d", false),
            ("b", false),
            ("e", false),
        ] {
            assert_eq!(names.contains(word), is_found, "{word}: {plain}");
        }
    }

    #[test]
    fn header_is_read_once() {
        let folder = std::env::temp_dir().join(format!("eunomia-words-{}", std::process::id()));
        fs::create_dir_all(folder.join("d")).unwrap();
        // Each way to the header is another path.
        let text = format!("#include \"d/../a.h\"\n{}", "int x;\n".repeat(1 << 16));
        fs::write(folder.join("a.h"), text).unwrap();
        fs::write(folder.join("a.bpf.c"), "#include \"a.h\"\n").unwrap();
        let mut words = Words::default();
        words.read(&folder.join("a.bpf.c")).unwrap();
        fs::remove_dir_all(folder).unwrap();
        assert!(words.names.contains("x") && words.seen.len() == 1, "{:?}", words.seen);
    }

    #[test]
    fn line_with_many_quotes_is_read_at_once() {
        let start = std::time::Instant::now();
        let plain = plain(&format!("# /**/ include \"a\"\n{}", "/ ".repeat(1 << 20)));
        assert!(plain.starts_with("#   include \"a\"\n/ / ") && plain.len() == (2 << 20) + 16);
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
    }

    #[test]
    fn names_are_told_from_tags() {
        let (mut tags, mut names) = (BTreeSet::new(), BTreeSet::new());
        split("struct file *path; enum\n kind k; x->f_inode; 0x1f; 3u", &mut tags, &mut names);
        assert_eq!(tags.into_iter().collect::<Vec<_>>(), ["file", "kind"]);
        assert_eq!(
            names.into_iter().collect::<Vec<_>>(),
            ["enum", "f_inode", "k", "path", "struct", "x"]
        );
    }
}
