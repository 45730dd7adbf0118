//! What is wrong with a document or an object: every independent fault at once, each with its place.

pub(crate) mod locate;
use std::{borrow::Cow, fmt};

use crate::plain::{line, message, name};

/// One thing that is wrong with the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where in the document.
    pub place: Place,
    /// Line and column of that place, both from 1, where the text is known.
    pub line: Option<(usize, usize)>,
    /// What is wrong.
    pub what: String,
    /// What to do about it; may be empty.
    pub todo: String,
}

/// A path into the JSON document, printed as `bpf_skel.maps[1].name`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(pub(crate) Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// All faults of one input, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// The file, or what stands for it in messages.
    pub file: String,
    /// The faults in the order of the document.
    pub faults: Vec<Fault>,
}

/// A document with more faults than this is of another kind, and nobody reads them.
pub(crate) const SHOWN: usize = 100;

/// Faults as they are found: the first [`SHOWN`] of them, and how many there are.
#[derive(Debug, Default)]
pub(crate) struct Found {
    shown: Vec<Fault>,
    count: usize,
}

impl Found {
    pub(crate) fn push(&mut self, fault: Fault) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(fault);
        }
    }

    pub(crate) fn append(&mut self, others: Self) {
        let count = self.count + others.count;
        self.extend(others.shown);
        self.count = count;
    }

    /// Whether it is one of those that are shown.
    pub(crate) fn contains(&self, fault: &Fault) -> bool {
        self.shown.contains(fault)
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Those that are shown, and a last one that says how many more there are.
    pub(crate) fn into_shown(mut self) -> Vec<Fault> {
        let more = self.count - self.shown.len();
        if more > 0 {
            self.shown.push(Fault::new(Place::default(), format!("and {more} more faults"), ""));
        }
        self.shown
    }
}

impl Extend<Fault> for Found {
    fn extend<I: IntoIterator<Item = Fault>>(&mut self, faults: I) {
        faults.into_iter().for_each(|fault| self.push(fault));
    }
}

impl From<Fault> for Found {
    fn from(fault: Fault) -> Self {
        Self { shown: vec![fault], count: 1 }
    }
}

impl Fault {
    /// What is quoted in the texts is cut to a length that is read.
    pub(crate) fn new(place: Place, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { place, line: None, what: cut(what.into()), todo: cut(todo.into()) }
    }

    /// A fault of the generator, at a place of the document that was read.
    #[doc(hidden)]
    pub fn at(place: Place, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self::new(place, what, todo)
    }
}

/// A text as it may stand in a [`message`].
fn cut(text: String) -> String {
    match message(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(cut) => cut,
    }
}

impl Place {
    /// The place of a key below this one.
    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    /// The place of a list item below this one, from 0.
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }
}

impl fmt::Display for Place {
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

/// On one line, whatever the document's names and texts hold: they can neither forge a fault nor move the terminal's cursor.
impl fmt::Display for Fault {
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

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&line(&self.file))?;
            if let Some((line, column)) = fault.line {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl Faults {
    /// One fault of one file.
    #[doc(hidden)]
    pub fn one(file: impl Into<String>, fault: Fault) -> Self {
        Self { file: file.into(), faults: vec![fault] }
    }

    /// Gives each fault that has a JSON path and no line yet those of the path in the document's text.
    ///
    /// [`Skeleton::parse`](crate::Skeleton::parse) has done so; later faults are found when the text is gone.
    #[must_use]
    pub fn locate(mut self, text: &str) -> Self {
        locate::fill_lines(text, self.faults.iter_mut().filter(|fault| !fault.place.0.is_empty()));
        self
    }

    /// `value` where nothing was wrong with it, else the faults: the first hundred, and how many more there are.
    pub(crate) fn or<T>(file: &str, found: Found, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if found.is_empty() => Ok(value),
            _ => Err(Self { file: file.to_owned(), faults: found.into_shown() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_document_forge_no_fault() {
        let fault = Fault::new(Place::default().key("a\nb"), "no map `x\nx.json:1:1: y\u{1b}[31m\u{7}`", "try\r`\u{9b}`");
        let faults = Faults::one("x\n.json", fault);
        assert_eq!(faults.to_string(), r"x\n.json: a\nb: no map `x\nx.json:1:1: y\u{1b}[31m\u{7}`; try\r`\u{9b}`");
    }

    #[test]
    fn one_line_a_fault() {
        let place = Place::default().key("bpf_skel").key("maps").index(1).key("name");
        let mut fault = Fault::new(place, "expected a string, found null", "name the map");
        fault.line = Some((3, 7));
        let nowhere = Fault::new(Place::default(), "not JSON", "");
        let faults = Faults { file: "x.json".into(), faults: vec![fault, nowhere] };
        assert_eq!(faults.to_string(), "x.json:3:7: bpf_skel.maps[1].name: expected a string, found null; name the map\nx.json: not JSON");
    }
}
