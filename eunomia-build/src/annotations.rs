//! Reads the annotations in the doc comments of a C source: `@cmdarg {"short": "p"}`.

use std::{collections::HashMap, path::PathBuf};

use eunomia_runtime::{
    Skeleton,
    error::{Diagnostic, Diagnostics, JsonPath, Position},
    skeleton::annotations::{Annotation, Item, Items, json_len},
};

use crate::{
    Error, cargo,
    comments::{DocComment, doc_comments},
    files,
    lexer::Line,
};

/// Keys that only an annotation has. Other tools' comments have none of them, so one that is about
/// nothing is a mistake.
const OWN: [&str; 10] = [
    "cmdarg",
    "event",
    "export_config",
    "ifindex",
    "interpreter",
    "intepreter",
    "sample",
    "tchook",
    "tcopts",
    "xdpopts",
];

/// Commands of documentation tools, which say nothing to us.
const OF_OTHERS: [&str; 14] = [
    "author",
    "copyright",
    "date",
    "file",
    "license",
    "note",
    "param",
    "return",
    "returns",
    "retval",
    "sa",
    "see",
    "todo",
    "warning",
];

/// Keys whose values are JSON. The values of all others are text.
const TABLES: [&str; 7] =
    ["cmdarg", "export_config", "interpreter", "intepreter", "sample", "tchook", "tcopts"];

/// The most annotations of a source. One comment may be about many variables.
const MOST: usize = 1 << 16;

/// Returns the skeleton with the annotations of its sources. `warn` receives a line for each key
/// that means nothing.
pub(crate) fn apply(
    skeleton: Skeleton,
    sources: &[PathBuf],
    warn: &mut dyn FnMut(&str),
) -> Result<Skeleton, Error> {
    let items = Items::of(&skeleton);
    let mut found = Vec::new();
    for path in sources {
        let text = files::read(path)?;
        let file = path.display().to_string();
        found.extend(read(&items, &String::from_utf8_lossy(&text), &file)?);
    }
    let (skeleton, warnings) = skeleton.annotated(&found)?;
    cargo::report(&skeleton, warnings, warn);
    Ok(skeleton)
}

/// Returns the annotations of a source for the items of the object.
///
/// # Errors
/// Every annotation that is about nothing or has malformed JSON, with its line and column.
fn read(items: &Items, source: &str, file: &str) -> Result<Vec<Annotation>, Diagnostics> {
    let mut reader =
        Reader { file, found: Vec::new(), described: HashMap::new(), faults: Vec::new() };
    let comments = doc_comments(source);
    for comment in comments.iter().flatten() {
        reader.comment(items, comment);
        if reader.found.len() > MOST {
            break;
        }
    }
    if comments.is_none() || reader.found.len() > MOST {
        let what =
            format!("the doc comments say more than {MOST} things of variables, maps and programs");
        reader.fault((1, 1), what, "use comments without the marks of doc comments");
    }
    match reader.faults.is_empty() {
        true => Ok(reader.found),
        false => Err(Diagnostics { file: file.to_owned(), diagnostics: reader.faults }),
    }
}

/// Returns the items that a comment is about.
fn items(known: &Items, comment: &DocComment) -> Vec<Item> {
    let Some(on) = &comment.on else { return Vec::new() };
    if on.is_licence {
        return vec![Item::Package];
    }
    let mut items = on.names.iter().filter_map(|name| known.named(name));
    let first = items.next();
    // `int a, b;` declares several.
    let others =
        items.filter(|item| matches!((&first, item), (Some(Item::Variable(_)), Item::Variable(_))));
    let others: Vec<Item> = others.collect();
    first.into_iter().chain(others).collect()
}

struct Reader<'a> {
    file: &'a str,
    found: Vec<Annotation>,
    /// The index of the description of each item.
    described: HashMap<Item, usize>,
    faults: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn comment(&mut self, known: &Items, comment: &DocComment) {
        let items = items(known, comment);
        let parts = parts(&comment.lines);
        if items.is_empty() {
            let own = parts.iter().filter(|part| OWN.contains(&part.key.as_str()));
            for part in own.filter(|_| !comment.is_conditional) {
                let what = format!(
                    "`@{}` is not about a variable, map or program of the object",
                    part.key
                );
                let todo = "put the comment right before the definition";
                self.fault(part.at, what, todo);
            }
            return;
        }
        let mut texts = Vec::new();
        for part in &parts {
            let Some((value, rest)) = self.value(part) else { continue };
            texts.extend((!rest.is_empty()).then_some(rest));
            for item in &items {
                self.push(item, part, &value);
            }
        }
        let description = texts.join("\n");
        if let Some(part) = parts.first().filter(|_| !description.is_empty()) {
            let key = "description";
            for item in &items {
                self.add(item, key, &description, part.at);
            }
        }
    }

    /// Returns the value of a part and the text after it, or `None` after a fault.
    fn value(&mut self, part: &Part) -> Option<(String, String)> {
        let text = part.text();
        let text = text.trim();
        if part.key.is_empty() {
            return Some((String::new(), text.to_owned()));
        }
        if TEXT_KEYS.contains(&part.key.as_str()) {
            return Some((text.to_owned(), String::new()));
        }
        if !text.starts_with(['{', '[', '"']) {
            if TABLES.contains(&part.key.as_str()) && text.is_empty() {
                let what = format!("`@{}` has no value", part.key);
                self.fault(part.at, what, "write its JSON after it");
                return None;
            }
            return Some((text.to_owned(), String::new()));
        }
        match json_len(text) {
            Ok(len) => {
                let (value, rest) = text.split_at_checked(len)?;
                Some((value.to_owned(), rest.trim().to_owned()))
            }
            Err((what, (line, column))) => {
                let at = part.position(line, column);
                self.fault(at, format!("malformed JSON of `@{}`: {what}", part.key), "");
                None
            }
        }
    }

    fn push(&mut self, item: &Item, part: &Part, value: &str) {
        let key = match (item, part.key.as_str()) {
            (_, "") => return,
            (_, key) if OF_OTHERS.contains(&key) => return,
            // Only the package has texts of several kinds.
            (
                Item::Variable(_) | Item::Map(_) | Item::Program(_),
                "brief" | "details" | "short",
            ) => "description",
            (Item::Package, "short") => "brief",
            (_, key) => key,
        };
        self.add(item, key, value, part.at);
    }

    /// Adds an annotation. Descriptions in several parts are one.
    fn add(&mut self, item: &Item, key: &str, value: &str, at: (usize, usize)) {
        let is_description = key == "description";
        let known = self.described.get(item).filter(|_| is_description);
        if let Some(known) = known.and_then(|index| self.found.get_mut(*index)) {
            known.value.push('\n');
            known.value.push_str(value);
            return;
        }
        if self.found.len() > MOST {
            return;
        }
        if is_description {
            self.described.insert(item.clone(), self.found.len());
        }
        self.found.push(Annotation {
            item: item.clone(),
            key: key.to_owned(),
            value: value.to_owned(),
            position: Some(Position { file: self.file.to_owned(), line: at }),
        });
    }

    fn fault(&mut self, at: (usize, usize), what: String, todo: &str) {
        let position = Position { file: self.file.to_owned(), line: at };
        let fault = Diagnostic::at(JsonPath::default(), what, todo).in_file(&position);
        self.faults.push(fault);
    }
}

/// Keys whose values are text to the next key, whatever it looks like.
const TEXT_KEYS: [&str; 5] = ["brief", "description", "details", "short", "version"];

/// A key of a comment and its lines; the key of the text before all others is empty.
struct Part {
    key: String,
    at: (usize, usize),
    lines: Vec<Line>,
}

impl Part {
    fn text(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(|line| line.text.as_str()).collect();
        lines.join("\n")
    }

    /// Returns the place in the file of a line and column in the trimmed text.
    fn position(&self, line: usize, column: usize) -> (usize, usize) {
        let empty = self.lines.iter().take_while(|line| line.text.trim().is_empty()).count();
        let Some(of) = self.lines.get(empty + line.saturating_sub(1)) else { return self.at };
        let spaces = match line {
            1 => of.text.len() - of.text.trim_start().len(),
            _ => 0,
        };
        (of.at.0, of.at.1 + spaces + column.saturating_sub(1))
    }
}

/// Splits a comment at its keys. A key is a word after `@` or `\` at the start of a line. The text
/// of `@brief` and the like ends at an empty line.
fn parts(lines: &[Line]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for line in lines {
        if let Some((key, rest)) = key(line) {
            parts.push(Part { key, at: line.at, lines: vec![rest] });
            continue;
        }
        let ends = parts.last().is_some_and(|part| {
            matches!(part.key.as_str(), "brief" | "short" | "version")
                && line.text.trim().is_empty()
        });
        match parts.last_mut().filter(|_| !ends) {
            Some(part) => part.lines.push(line.clone()),
            None => {
                parts.push(Part { key: String::new(), at: line.at, lines: vec![line.clone()] });
            }
        }
    }
    parts
}

fn key(line: &Line) -> Option<(String, Line)> {
    let spaces = line.text.len() - line.text.trim_start().len();
    let text = line.text.trim_start().strip_prefix(['@', '\\'])?;
    let len = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (key, rest) = text.split_at_checked(len)?;
    let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && (rest.is_empty() || rest.starts_with([' ', '\t', '{', '[', ':']));
    let rest = Line { text: rest.to_owned(), at: (line.at.0, line.at.1 + spaces + 1 + len) };
    is_key.then(|| (key.to_owned(), rest))
}
