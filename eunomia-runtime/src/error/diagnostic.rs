//! Diagnostics of a document or an object: all independent ones at once, each with its place.

use std::{borrow::Cow, fmt};

use crate::plain::{line, message, name};

/// A single fault of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The place in the document.
    pub place: JsonPath,
    /// The line and column of the place, both from 1, if the text has it.
    pub line: Option<(usize, usize)>,
    /// The file of the line, if it is not the one of all the [`Diagnostics`]: a C source.
    pub file: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do about it; may be empty.
    pub todo: String,
}

/// A place in a file.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The name of the file.
    pub file: String,
    /// The line and column, both from 1.
    pub line: (usize, usize),
}

/// A path into the JSON document, printed as `bpf_skel.maps[1].name`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonPath(pub(crate) Vec<Step>);

/// A step of a path: into an object or into an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// All faults of one input; never empty.
///
/// Faults of a document have a line and column, no matter when they are found: a
/// [`Skeleton`](crate::Skeleton) keeps its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// The name of the file, or of the input in its place.
    pub file: String,
    /// The faults, in the order of the document.
    pub diagnostics: Vec<Diagnostic>,
}

/// The key in places of types that the application set.
const EVENTS: &str = "events";
/// The first key of places of types that the application asks for.
const TYPES: &str = "types";

/// The number of faults that are shown. A document with more faults is probably of another kind,
/// and nobody reads them all.
pub(crate) const SHOWN: usize = 100;

/// The faults found so far: the first [`SHOWN`] of them, and the number of all.
#[derive(Debug, Default)]
pub(crate) struct Found {
    shown: Vec<Diagnostic>,
    count: usize,
}

impl Found {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(diagnostic);
        }
    }

    pub(crate) fn append(&mut self, others: Self) {
        let count = self.count + others.count;
        self.extend(others.shown);
        self.count = count;
    }

    /// Reports whether the fault is among those that are shown.
    pub(crate) fn contains(&self, diagnostic: &Diagnostic) -> bool {
        self.shown.contains(diagnostic)
    }

    /// Returns the number of all faults.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the faults that are shown. If there are more, a last one says how many.
    pub(crate) fn into_shown(mut self) -> Vec<Diagnostic> {
        let more = self.count - self.shown.len();
        if more > 0 {
            self.shown.push(Diagnostic::new(
                JsonPath::default(),
                format!("and {more} more faults"),
                "",
            ));
        }
        self.shown
    }
}

impl Extend<Diagnostic> for Found {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }
}

impl From<Diagnostic> for Found {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { shown: vec![diagnostic], count: 1 }
    }
}

impl Diagnostic {
    /// Creates a fault. Quoted names and values in the texts are cut to a readable length.
    pub(crate) fn new(place: JsonPath, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { place, line: None, file: None, what: cut(what.into()), todo: cut(todo.into()) }
    }

    /// Returns the fault with a place in a C source.
    #[doc(hidden)]
    #[must_use]
    pub fn in_file(self, position: &Position) -> Self {
        Self { line: Some(position.line), file: Some(position.file.clone()), ..self }
    }

    /// Returns the fault with its place below the first step.
    pub(crate) fn below_first(mut self) -> Self {
        self.place.0.drain(..self.place.0.len().min(1));
        self
    }

    /// Creates a fault that the generator found, at a place of the document.
    #[doc(hidden)]
    pub fn at(place: JsonPath, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self::new(place, what, todo)
    }
}

/// Cuts long quotations in a text, as [`message`] does.
fn cut(text: String) -> String {
    match message(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(cut) => cut,
    }
}

impl JsonPath {
    /// Returns the place of a key below this one.
    #[doc(hidden)]
    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    /// Returns the place of the types that the application set. No document has it.
    pub(crate) fn events() -> Self {
        Self::default().key(EVENTS)
    }

    /// Returns the place of the types that the application asks for. No document has it.
    pub(crate) fn types() -> Self {
        Self::default().key(TYPES)
    }

    /// Reports whether the place is one inside a document: neither the document as a whole nor what
    /// the application set.
    pub(crate) fn is_in_text(&self) -> bool {
        let is_set =
            |step: &Step| matches!(step, Step::Key(key) if [EVENTS, TYPES].contains(&&**key));
        self.0.first().is_some_and(|step| !is_set(step))
    }

    /// Returns the place of a list item below this one; indices start at 0.
    #[doc(hidden)]
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if i == 0 => f.write_str(&line(&name(key)))?,
                Step::Key(key) => write!(f, ".{}", line(&name(key)))?,
            }
        }
        Ok(())
    }
}

/// Displays the fault on one line. Names and texts of the document are escaped, so they can neither
/// forge a fault nor move the terminal's cursor.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.0.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&line(&self.what))?;
        if !self.todo.is_empty() {
            write!(f, "; {}", line(&self.todo))?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.diagnostics.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&line(diagnostic.file.as_ref().unwrap_or(&self.file)))?;
            if let Some((line, column)) = diagnostic.line {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl Diagnostics {
    /// Returns a single fault of a file.
    #[doc(hidden)]
    pub fn one(file: impl Into<String>, diagnostic: Diagnostic) -> Self {
        Self { file: file.into(), diagnostics: vec![diagnostic] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_document_are_escaped() {
        let diagnostic = Diagnostic::new(
            JsonPath::default().key("a\nb"),
            "no map `x\nx.json:1:1: y\u{1b}[31m\u{7}`",
            "try\r`\u{9b}`",
        );
        let diagnostics = Diagnostics::one("x\n.json", diagnostic);
        assert_eq!(
            diagnostics.to_string(),
            r"x\n.json: a\nb: no map `x\nx.json:1:1: y\u{1b}[31m\u{7}`; try\r`\u{9b}`"
        );
    }

    #[test]
    fn faults_take_one_line_each() {
        let place = JsonPath::default().key("bpf_skel").key("maps").index(1).key("name");
        let mut diagnostic =
            Diagnostic::new(place, "expected a string, found null", "name the map");
        diagnostic.line = Some((3, 7));
        let nowhere = Diagnostic::new(JsonPath::default(), "not JSON", "");
        let diagnostics =
            Diagnostics { file: "x.json".into(), diagnostics: vec![diagnostic, nowhere] };
        assert_eq!(
            diagnostics.to_string(),
            "x.json:3:7: bpf_skel.maps[1].name: expected a string, found null; name the map\nx.json: not JSON"
        );
    }
}
