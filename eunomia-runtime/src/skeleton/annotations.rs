//! Annotations: keys of the document that a C source gives for its variables, maps and programs, in
//! comments or in declaration tags.

use std::{cell::RefCell, collections::HashMap};

use serde_json::{Map as JsonMap, Value as Json};

use super::{Skeleton, read, table::Node, write};
use crate::{
    error::{Diagnostic, Diagnostics, Found, JsonPath, Position, SHOWN, Step},
    plain::quoted,
    suggestion::near,
};

/// A key of the document and its value, for one item of the object.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    /// The item.
    pub item: Item,
    /// The key in the item's table. `cmdarg.help` is the key `help` in the table `cmdarg`.
    pub key: String,
    /// The value as it was written.
    pub value: String,
    /// Where it was written, if that is a source.
    pub position: Option<Position>,
}

/// An item that an annotation is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Item {
    /// The package, by its licence.
    Package,
    /// A global variable, by name.
    Variable(String),
    /// A map, by name.
    Map(String),
    /// A program, by the name of its function.
    Program(String),
}

/// Keys whose values are text as it stands.
const TEXTS: [&str; 8] = [
    "description",
    "brief",
    "details",
    "version",
    "cmdarg.help",
    "cmdarg.long",
    "cmdarg.short",
    "sample.unit",
];

impl Item {
    /// Returns the keys that mean something for the item.
    pub fn keys(&self) -> &'static [&'static str] {
        match self {
            Self::Package => &["brief", "description", "details", "version"],
            Self::Variable(_) => &["cmdarg", "description", "value"],
            Self::Map(_) => {
                &["description", "event", "export_config", "interpreter", "intepreter", "sample"]
            }
            Self::Program(_) => {
                &["description", "flags", "ifindex", "tchook", "tcopts", "type", "xdpopts"]
            }
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Package => "the package".to_owned(),
            Self::Variable(name) => format!("variable `{name}`"),
            Self::Map(name) => format!("map `{name}`"),
            Self::Program(name) => format!("program `{name}`"),
        }
    }
}

/// The items of a skeleton, with their tables in `bpf_skel`. Places of a skeleton that was made
/// from an object begin there.
#[derive(Debug)]
pub struct Items(HashMap<Item, JsonPath>);

impl Items {
    /// Returns the items of a skeleton.
    pub fn of(skeleton: &Skeleton) -> Self {
        let skel = JsonPath::default();
        let variables =
            skeleton.sections.iter().enumerate().flat_map(|(i, section)| {
                let place = skel.key("data_sections").index(i).key("variables");
                section.variables.iter().enumerate().map(move |(j, variable)| {
                    (Item::Variable(variable.name.clone()), place.index(j))
                })
            });
        let maps = skeleton.maps.iter().enumerate();
        let maps = maps.map(|(i, map)| (Item::Map(map.name.clone()), skel.key("maps").index(i)));
        let programs =
            skeleton.programs.iter().enumerate().map(|(i, program)| {
                (Item::Program(program.name.clone()), skel.key("progs").index(i))
            });
        let package = [(Item::Package, skel.key("doc"))];
        Self(variables.chain(maps).chain(programs).chain(package).collect())
    }

    /// Returns the item with this name: a variable, a map or a program.
    pub fn named(&self, name: &str) -> Option<Item> {
        [Item::Variable, Item::Map, Item::Program]
            .into_iter()
            .map(|item| item(name.to_owned()))
            .find(|item| self.0.contains_key(item))
    }
}

impl Skeleton {
    /// Returns the description of an item, or the help of a variable that has none.
    #[doc(hidden)]
    pub fn description(&self, item: &Item) -> Option<&str> {
        match item {
            Item::Package => self.doc.as_ref()?.description.as_deref(),
            Item::Variable(name) => {
                let mut variables = self.sections.iter().flat_map(|section| &section.variables);
                let variable = variables.find(|known| known.name == *name)?;
                let help = variable.arg.as_ref().and_then(|arg| arg.help.as_deref());
                variable.description.as_deref().or(help)
            }
            Item::Map(name) => {
                self.maps.iter().find(|known| known.name == *name)?.description.as_deref()
            }
            Item::Program(name) => {
                self.programs.iter().find(|known| known.name == *name)?.description.as_deref()
            }
        }
    }

    /// Returns a skeleton that was made from an object with the annotations of its sources in it,
    /// and warnings of keys that mean nothing.
    ///
    /// # Errors
    /// [`Diagnostics`] with every annotation whose value is not what its key needs, and every key
    /// that is given twice.
    pub fn annotated(
        self,
        annotations: &[Annotation],
    ) -> Result<(Self, Vec<Diagnostic>), Diagnostics> {
        if annotations.is_empty() {
            return Ok((self, Vec::new()));
        }
        let mut meta = write::meta(&self);
        let mut nothing = Json::Null;
        let skel = meta.get_mut("bpf_skel").unwrap_or(&mut nothing);
        let items = Items::of(&self);
        let (mut found, mut warnings) = (Found::default(), Vec::new());
        let mut positions = Vec::new();
        for annotation in annotations {
            let Some(item) = items.0.get(&annotation.item) else { continue };
            let place = annotation.key.split('.').fold(item.clone(), |place, key| place.key(key));
            let fault = |what: String, todo: String| {
                let diagnostic = Diagnostic::new(place.clone(), what, todo);
                match &annotation.position {
                    Some(position) => diagnostic.in_file(position),
                    None => diagnostic,
                }
            };
            // A warning that is not shown needs no suggestion, which is expensive to compute.
            if warnings.len() < SHOWN
                && let Some(unknown) = unknown(annotation)
            {
                warnings.push(fault(unknown.0, unknown.1));
            }
            let value = match value(&annotation.key, &annotation.value) {
                Ok(value) => value,
                Err(why) => {
                    found.push(fault(why, String::new()));
                    continue;
                }
            };
            if let Err(what) = insert(skel, item, &annotation.key, value) {
                found.push(fault(what, "keep one of them".to_owned()));
            }
            positions.extend(annotation.position.clone().map(|position| (place, position)));
        }
        self.verdict(found)?;
        let mut skeleton = self;
        skeleton.source = skeleton.source.with_annotated(positions);
        let faults = RefCell::default();
        let read = Node::root(&meta, &faults).table().and_then(|table| read::metadata(&table));
        let faults = faults.into_inner().into_shown().into_iter().map(Diagnostic::below_first);
        let mut below = Found::default();
        below.extend(faults);
        skeleton.verdict(below)?;
        // Without a fault there is a skeleton.
        if let Some(read) = read {
            let Self { doc, sections, maps, programs, .. } = read;
            skeleton = Self { doc, sections, maps, programs, ..skeleton };
        }
        Ok((skeleton, warnings))
    }
}

/// Returns the length of the JSON value that a text begins with.
///
/// # Errors
/// What is wrong with the JSON, and the line and column of it in the text, both from 1.
pub fn json_len(text: &str) -> Result<usize, (String, (usize, usize))> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Json>();
    match values.next() {
        Some(Ok(_)) => Ok(values.byte_offset()),
        Some(Err(error)) => {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text);
            Err((what.to_owned(), (error.line(), error.column())))
        }
        None => Ok(0),
    }
}

/// Returns a warning if the item has no such key: what is wrong, and what to do.
fn unknown(annotation: &Annotation) -> Option<(String, String)> {
    let known = annotation.item.keys();
    let key = annotation.key.split('.').next().unwrap_or_default();
    if known.contains(&key) {
        return None;
    }
    let what = format!("{} has no key `{key}`", annotation.item.words());
    let todo = match near(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known keys: {}", quoted(known.iter().copied())),
    };
    Some((what, todo))
}

/// Returns the value of a key: text as it stands, else JSON, or text that does not begin like JSON.
fn value(key: &str, text: &str) -> Result<Json, String> {
    if TEXTS.contains(&key) {
        return Ok(text.into());
    }
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) if text.starts_with(['{', '[', '"']) => Err(format!("malformed JSON: {error}")),
        Err(_) => Ok(text.into()),
    }
}

/// Sets a key in the table at `item`. Tables on the way are made if they are missing, and a table
/// that is there takes the keys of the new one.
fn insert(skel: &mut Json, item: &JsonPath, key: &str, value: Json) -> Result<(), String> {
    let path = key.split('.').fold(item.clone(), |path, key| path.key(key));
    let at = path.0.iter().try_fold(skel, |at, step| match step {
        Step::Index(index) => at.get_mut(index),
        Step::Key(key) => {
            if at.is_null() {
                *at = JsonMap::new().into();
            }
            Some(at.as_object_mut()?.entry(key).or_insert(Json::Null))
        }
    });
    let at = at.ok_or_else(|| format!("`{key}` is a key of something that has no keys"))?;
    merge(at, value).map_err(|key_below| match key_below {
        Some(below) => format!("`{key}.{below}` is given twice"),
        None => format!("`{key}` is given twice"),
    })
}

/// Sets `at`, or the keys of it that are not set. Returns the key that is set to something else.
fn merge(at: &mut Json, value: Json) -> Result<(), Option<String>> {
    match (at, value) {
        (at, value) if at.is_null() => {
            *at = value;
            Ok(())
        }
        (Json::Object(known), Json::Object(keys)) => {
            for (key, value) in keys {
                let at = known.entry(&*key).or_insert(Json::Null);
                merge(at, value).map_err(|_| Some(key))?;
            }
            Ok(())
        }
        (at, value) if *at == value => Ok(()),
        _ => Err(None),
    }
}
