//! The input that a skeleton was read from: its name, and the text in which faults have lines.

use std::{fmt, sync::Arc};

use super::{
    model::{Program, Skeleton, TYPE},
    read,
};
use crate::error::{Diagnostic, Diagnostics, Found, JsonPath, Position, locate};

/// The name of an input and, if it is a document, its text.
///
/// It says nothing about the skeleton: skeletons from different files are equal if their contents
/// are, and `Debug` shows the name alone.
#[derive(Clone, Default)]
pub(crate) struct Source {
    file: Arc<str>,
    /// Clones of a skeleton share it: it may hold a whole object.
    text: Option<Arc<str>>,
    /// The place of the package in the text, and the architecture that it was read for.
    package: Arc<(JsonPath, String)>,
    /// Places of a YAML document, if the text was made from one.
    marks: Arc<[Mark]>,
    /// The places in C sources that the annotations of a skeleton come from.
    annotated: Arc<[(JsonPath, Position)]>,
}

/// The place of a value of a YAML document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// The offset of the value in the JSON that the document was turned into.
    pub(super) offset: usize,
    /// Its line and column in the YAML, both from 1.
    pub(super) line: (usize, usize),
}

impl Mark {
    /// Turns a column of the JSON, which is one line, into a place in the YAML.
    pub(super) fn apply(marks: &[Self], fault: &mut Diagnostic) {
        if let (Some((_, column)), None) = (fault.line, &fault.file)
            && let Some(mark) = marks.iter().rev().find(|mark| mark.offset < column)
        {
            fault.line = Some(mark.line);
        }
    }
}

impl Source {
    /// Returns the source of a skeleton that is made from an object.
    pub(crate) fn object(file: &str) -> Self {
        Self { file: file.into(), ..Self::default() }
    }

    /// Returns the source of a document, or of its package for an architecture, which is at `place`.
    pub(crate) fn document(file: &str, text: &str, place: JsonPath, arch: &str) -> Self {
        let package = Arc::new((place, arch.to_owned()));
        Self { file: file.into(), text: Some(text.into()), package, ..Self::default() }
    }

    /// Sets the places of the YAML document that the text was made from.
    #[cfg(feature = "yaml")]
    pub(super) fn with_marks(self, marks: Vec<Mark>) -> Self {
        Self { marks: marks.into(), ..self }
    }

    /// Adds the places that annotations come from.
    pub(super) fn with_annotated(self, annotated: Vec<(JsonPath, Position)>) -> Self {
        let annotated = self.annotated.iter().cloned().chain(annotated).collect();
        Self { annotated, ..self }
    }

    /// Returns where the annotation is that a place belongs to.
    fn annotation(&self, place: &JsonPath) -> Option<&Position> {
        let around = self.annotated.iter().filter(|(known, _)| place.0.starts_with(&known.0));
        around.max_by_key(|(known, _)| known.0.len()).map(|(_, position)| position)
    }
}

impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl Skeleton {
    /// Returns the name of the input in messages: that of the file, or what
    /// [`Self::parse`] and the like were given in its place.
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// Returns faults of the skeleton as an error that names the file and gives the line and column
    /// of each fault whose place is in the text.
    ///
    /// The generator reports its faults with it.
    #[doc(hidden)]
    pub fn diagnostics(&self, mut diagnostics: Vec<Diagnostic>) -> Diagnostics {
        let is_of_text =
            |diagnostic: &Diagnostic| diagnostic.line.is_none() && diagnostic.place.is_in_text();
        if let Some(text) = &self.source.text
            && diagnostics.iter().any(is_of_text)
            && self.is_as_read(text)
        {
            let (place, _) = &*self.source.package;
            for diagnostic in diagnostics.iter_mut().filter(|fault| is_of_text(fault)) {
                diagnostic.place.0.splice(0..0, place.0.iter().cloned());
            }
            let mut found: Vec<_> =
                diagnostics.iter_mut().filter(|fault| is_of_text(fault)).collect();
            locate::fill_lines(text, found.iter_mut().map(|fault| &mut **fault));
            found.into_iter().for_each(|fault| Mark::apply(&self.source.marks, fault));
        }
        for diagnostic in &mut diagnostics {
            if let (None, Some(position)) =
                (diagnostic.line, self.source.annotation(&diagnostic.place))
            {
                *diagnostic = diagnostic.clone().in_file(position);
            }
        }
        Diagnostics { file: self.file().to_owned(), diagnostics }
    }

    /// Returns an error if there are faults.
    pub(crate) fn verdict(&self, found: Found) -> Result<(), Diagnostics> {
        match found.is_empty() {
            true => Ok(()),
            false => Err(self.diagnostics(found.into_shown())),
        }
    }

    /// Reports whether the text says what the skeleton holds, apart from what the `with_` functions
    /// set.
    ///
    /// The fields are public. If an application has changed one, a place in the skeleton may be
    /// another place in the text, and no line is better than a wrong one.
    fn is_as_read(&self, text: &str) -> bool {
        let (_, arch) = &*self.source.package;
        let Ok((read, _)) = read::document(text, self.file(), arch) else { return false };
        let count = read.programs.len();
        let untyped = |program: &Program| {
            let mut program = program.clone();
            program.other.remove(TYPE);
            program
        };
        let document = |skeleton: &Self| Self {
            programs: skeleton.programs.iter().take(count).map(untyped).collect(),
            object: None,
            events: Default::default(),
            types: Vec::new(),
            option_prefix: String::new(),
            ..skeleton.clone()
        };
        document(&read) == document(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::JsonPath;

    const TEXT: &str = r#"{"bpf_skel": {
        "obj_name": "x",
        "maps": [{"name": "a", "ident": "a"},
                 {"name": "b", "ident": "b"}],
        "progs": [{"name": "p", "attach": "xdp", "link": true}]
    }}"#;

    fn lines(skeleton: &Skeleton) -> String {
        let skel = JsonPath::default().key("bpf_skel");
        let places = [
            skel.key("maps").index(1).key("name"),
            JsonPath::default(),
            JsonPath::events().key("b").key("1"),
            skel.key("progs").index(1),
        ];
        let faults = places.map(|place| Diagnostic::new(place, "wrong", ""));
        skeleton.diagnostics(faults.into()).to_string()
    }

    #[test]
    fn places_of_text_have_lines() {
        let skeleton = Skeleton::parse(TEXT, "x.json").unwrap();
        let expected = "x.json:4:27: bpf_skel.maps[1].name: wrong\n\
                        x.json: wrong\n\
                        x.json: events.b.1: wrong\n\
                        x.json:5:18: bpf_skel.progs[1]: wrong";
        assert_eq!(lines(&skeleton), expected);
        // Settings of the application leave the places as they are.
        let set = skeleton
            .clone()
            .with_event("b", "struct event")
            .with_program("p", "tc")
            .with_program("q", "xdp")
            .with_option_prefix("x-");
        assert_eq!(lines(&set), expected);
    }

    #[test]
    fn changed_skeleton_has_no_lines() {
        let mut skeleton = Skeleton::parse(TEXT, "x.json").unwrap();
        skeleton.maps.remove(0);
        assert!(lines(&skeleton).starts_with("x.json: bpf_skel.maps[1].name: wrong\n"));
    }

    #[test]
    fn source_does_not_count_in_comparisons() {
        let [a, b] = ["a.json", "b.json"].map(|file| Skeleton::parse(TEXT, file).unwrap());
        assert_eq!(a, b);
        assert_eq!((a.file(), b.file()), ("a.json", "b.json"));
        assert!(format!("{a:?}").contains("source: \"a.json\""));
    }
}
