//! YAML documents, which the commands read and write as other compilers of the format do.
//!
//! A YAML document is turned into the JSON that it stands for, on one line, and then read as every
//! other document. Marks turn the columns of that line into places in the YAML.

use std::{borrow::Cow, iter, path::Path};

use saphyr::{Mapping, Scalar, ScalarStyle, Tag, Yaml, YamlEmitter};
use saphyr_parser::{Event, Marker, Parser};
use serde_json::{Number, Value as Json};

use super::{
    Skeleton,
    read::{self, MOST_VALUES},
    source::Mark,
};
use crate::{
    error::{Diagnostic, Diagnostics, JsonPath, locate},
    plain::quoted,
};

impl Skeleton {
    /// Reads an input of a command: YAML if its name ends in `.yaml` or `.yml`, else what
    /// [`Self::from_slice`] reads. If it holds a package for each architecture, takes that of `arch`.
    ///
    /// # Errors
    /// All faults of the document at once, with lines and columns of the YAML.
    #[doc(hidden)]
    pub fn from_input(bytes: &[u8], file: &str, arch: &str) -> Result<Self, Diagnostics> {
        match std::str::from_utf8(bytes) {
            Ok(text) if is_yaml(Path::new(file)) && !bytes.starts_with(b"\x7fELF") => {
                Self::from_yaml(text, file, arch)
            }
            _ => Self::from_slice_for(bytes, file, arch),
        }
    }

    fn from_yaml(text: &str, file: &str, arch: &str) -> Result<Self, Diagnostics> {
        let text = locate::without_mark(text);
        let (json, marks) = Writer::read(text).map_err(|fault| Diagnostics::one(file, fault))?;
        match Self::parse_for(&json, file, arch) {
            Ok(skeleton) => Ok(Self { source: skeleton.source.with_marks(marks), ..skeleton }),
            Err(mut faults) => {
                faults.diagnostics.iter_mut().for_each(|fault| Mark::apply(&marks, fault));
                Err(faults)
            }
        }
    }
}

/// Reports whether a file is YAML, by its name.
pub fn is_yaml(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Returns a JSON document as YAML; messages call it `file`.
///
/// # Errors
/// [`Diagnostics`] if the text is not JSON.
pub fn to_yaml(json: &str, file: &str) -> Result<String, Diagnostics> {
    let json: Json = serde_json::from_str(json)
        .map_err(|error| Diagnostics::one(file, read::malformed(&error)))?;
    let mut yaml = String::new();
    YamlEmitter::new(&mut yaml).dump(&node(&json)).map_err(|error| {
        let what = format!("cannot be written as YAML: {error}");
        Diagnostics::one(file, Diagnostic::new(JsonPath::default(), what, "write JSON"))
    })?;
    yaml.push('\n');
    Ok(yaml)
}

fn node(json: &Json) -> Yaml<'_> {
    match json {
        Json::Null => Yaml::Value(Scalar::Null),
        Json::Bool(value) => Yaml::Value(Scalar::Boolean(*value)),
        // As a text, because an integer may exceed the `i64` of a scalar.
        Json::Number(number) => {
            Yaml::Representation(number.to_string().into(), ScalarStyle::Plain, None)
        }
        Json::String(text) => Yaml::Value(Scalar::String(text.into())),
        Json::Array(items) => Yaml::Sequence(items.iter().map(node).collect()),
        Json::Object(table) => {
            let key = |key: &'_ String| Yaml::Value(Scalar::String(key.clone().into()));
            let entries = table.iter().map(|(name, value)| (key(name), node(value)));
            Yaml::Mapping(entries.collect::<Mapping<'_>>())
        }
    }
}

/// Writes the JSON that a YAML document stands for.
#[derive(Default)]
struct Writer {
    json: String,
    marks: Vec<Mark>,
    /// The sequences and mappings around the next node.
    open: Vec<Open>,
    is_complete: bool,
}

/// A sequence or mapping that has not ended, and the number of nodes in it so far. The nodes of a
/// mapping are keys and values in turn.
enum Open {
    Sequence(usize),
    Mapping(usize),
}

impl Writer {
    fn read(text: &str) -> Result<(String, Vec<Mark>), Diagnostic> {
        let mut writer = Self::default();
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                fault(error.marker(), &format!("malformed YAML: {}", error.info()), "")
            })?;
            writer.take(event, &span.start)?;
        }
        Ok((writer.json, writer.marks))
    }

    fn take(&mut self, event: Event<'_>, at: &Marker) -> Result<(), Diagnostic> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
            Event::DocumentStart(_) if self.is_complete => {
                return Err(fault(at, "a second document", "write each to a file of its own"));
            }
            Event::DocumentStart(_) => {}
            Event::DocumentEnd => self.is_complete = true,
            // A few lines of aliases can stand for gigabytes.
            Event::Alias(_) => {
                return Err(fault(at, "aliases (`*name`) are not supported", "repeat the value"));
            }
            Event::Scalar(text, style, _, tag) => {
                let is_key = self.begin(at)?;
                let value = match is_key {
                    true => Json::String(text.into_owned()),
                    false => scalar(text, style, tag)
                        .map_err(|what| fault(at, &what, "write it without its tag"))?,
                };
                self.json.push_str(&value.to_string());
            }
            Event::SequenceStart(..) => self.open('[', Open::Sequence(0), at)?,
            Event::MappingStart(..) => self.open('{', Open::Mapping(0), at)?,
            Event::SequenceEnd => self.close(']'),
            Event::MappingEnd => self.close('}'),
        }
        Ok(())
    }

    fn open(&mut self, bracket: char, open: Open, at: &Marker) -> Result<(), Diagnostic> {
        if self.begin(at)? {
            return Err(fault(at, "a key that is a list or a table", "keys are texts"));
        }
        self.json.push(bracket);
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self, bracket: char) {
        self.json.push(bracket);
        self.open.pop();
    }

    /// Writes what comes before the next node, and reports whether that is a key.
    fn begin(&mut self, at: &Marker) -> Result<bool, Diagnostic> {
        let (separator, is_key) = match self.open.last_mut() {
            None => ("", false),
            Some(Open::Sequence(count)) => {
                *count += 1;
                (if *count == 1 { "" } else { "," }, false)
            }
            Some(Open::Mapping(count)) => {
                *count += 1;
                match *count {
                    1 => ("", true),
                    count if count % 2 == 1 => (",", true),
                    _ => (":", false),
                }
            }
        };
        self.json.push_str(separator);
        if self.marks.len() > 2 * MOST_VALUES {
            return Err(fault(at, &read::too_many(), ""));
        }
        self.marks.push(Mark { offset: self.json.len(), line: line(at) });
        Ok(is_key)
    }
}

/// Returns the value of a scalar by YAML's core schema.
fn scalar(
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<Cow<'_, Tag>>,
) -> Result<Json, String> {
    // Before the schema: JSON has integers above `i64::MAX`.
    if let (ScalarStyle::Plain, None, Ok(number)) = (style, &tag, text.parse::<Number>()) {
        return Ok(Json::Number(number));
    }
    let shown = quoted(iter::once(&*text));
    match Scalar::parse_from_cow_and_metadata(text, style, tag.as_ref()) {
        Some(Scalar::Null) => Ok(Json::Null),
        Some(Scalar::Boolean(value)) => Ok(Json::Bool(value)),
        Some(Scalar::Integer(value)) => Ok(value.into()),
        Some(Scalar::FloatingPoint(value)) => Number::from_f64(value.into_inner())
            .map(Json::Number)
            .ok_or_else(|| format!("{shown} is a number that JSON does not have")),
        Some(Scalar::String(text)) => Ok(Json::String(text.into_owned())),
        None => Err(format!("{shown} is not a value of its tag")),
    }
}

fn fault(at: &Marker, what: &str, todo: &str) -> Diagnostic {
    Diagnostic { line: Some(line(at)), ..Diagnostic::new(JsonPath::default(), what, todo) }
}

/// Returns a line and column, both from 1.
fn line(at: &Marker) -> (usize, usize) {
    (at.line(), at.col() + 1)
}

#[cfg(test)]
mod tests {
    use std::env::consts::ARCH;

    use serde_json::json;

    use super::*;

    fn read(yaml: &str) -> Result<Json, String> {
        let (json, _) = Writer::read(yaml).map_err(|fault| {
            let (line, column) = fault.line.unwrap();
            format!("{line}:{column}: {}", fault.what)
        })?;
        Ok(serde_json::from_str(&json).unwrap())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let texts = [
            "",
            "yes",
            "null",
            "~",
            "true",
            "1",
            "1e3",
            "0x10",
            "-",
            "- a",
            "a: b",
            "a #b",
            "a\nb",
            "a\n",
            " a",
            "é\t",
            "\u{1b}[0m",
            "\u{202e}x",
            "\u{85}",
            "\0",
            "a\\b",
            "---",
            "'q'\"",
            "a\r\nb",
            "18446744073709551615",
            "#",
            "!x",
            "%",
            "@",
        ];
        let json = json!({
            "texts": texts,
            "keys": texts.iter().map(|text| ((*text).to_owned(), json!(text))).collect::<serde_json::Map<_, _>>(),
            "numbers": [0, -1, u64::MAX, i64::MIN, 1.5, 1e300],
            "others": [null, true, false, [], {}, [[]], [{}], {"a": {"b": []}}],
        });
        let yaml = to_yaml(&json.to_string(), "x").unwrap();
        assert_eq!(read(&yaml).unwrap(), json);
    }

    #[test]
    fn core_schema_is_read() {
        let yaml = "a: ~\nb:\nc: [0x10, 0o7, +5, 'no', !!str 7]\n? d\n: |\n  two\n  lines\n";
        let json = json!({"a": null, "b": null, "c": [16, 7, 5, "no", "7"], "d": "two\nlines\n"});
        assert_eq!(read(yaml).unwrap(), json);
        assert_eq!(read("{\"json\": [1, \"\\u0041\"]}").unwrap(), json!({"json": [1, "A"]}));
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        let refused = |yaml| read(yaml).unwrap_err();
        assert_eq!(refused("a: &x [1]\nb: *x\n"), "2:4: aliases (`*name`) are not supported");
        assert_eq!(refused("a: .inf\n"), "1:4: `.inf` is a number that JSON does not have");
        assert_eq!(refused("a: 1\n---\nb: 2\n"), "2:1: a second document");
        assert_eq!(refused("? [a]\n: 1\n"), "1:3: a key that is a list or a table");
        assert_eq!(refused("a: !!int x\n"), "1:4: `x` is not a value of its tag");
        assert!(refused("a: [1\nb: 2\n").starts_with("2:2: malformed YAML: "));
    }

    #[test]
    fn faults_have_the_lines_of_the_yaml() {
        let yaml = "bpf_skel:\n  obj_name: x\n  maps:\n    - name: a\n      ident: a\n  progs:\n    - {name: p, link: maybe}\n";
        let refused = Skeleton::from_input(yaml.as_bytes(), "x.yaml", ARCH).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "x.yaml:7:23: bpf_skel.progs[0].link: expected true or false, found a string"
        );
        let skeleton =
            Skeleton::from_input(yaml.replace("maybe", "true").as_bytes(), "x.yaml", ARCH).unwrap();
        let place = JsonPath::default().key("bpf_skel").key("maps").index(0).key("ident");
        let later = skeleton.diagnostics(vec![Diagnostic::new(place, "wrong", "")]);
        assert_eq!(later.to_string(), "x.yaml:5:14: bpf_skel.maps[0].ident: wrong");
    }
}
