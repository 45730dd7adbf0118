//! Typed access to a JSON value.
//!
//! It knows the place of the value, and collects faults instead of stopping at the first.

use std::cell::RefCell;

use serde_json::{Map as JsonMap, Value as Json};

use crate::{
    error::{Diagnostic, Found, JsonPath},
    suggestion::near,
};

/// A JSON value and its place.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) json: &'a Json,
    pub(super) place: JsonPath,
    diagnostics: &'a RefCell<Found>,
}

/// A JSON object whose keys are taken one by one. Keys that are left over are unknown to the
/// format.
pub(super) struct Table<'a> {
    keys: &'a JsonMap<String, Json>,
    pub(super) place: JsonPath,
    taken: RefCell<Vec<&'static str>>,
    diagnostics: &'a RefCell<Found>,
}

impl<'a> Node<'a> {
    pub(super) fn root(json: &'a Json, diagnostics: &'a RefCell<Found>) -> Self {
        Self { json, place: JsonPath::default(), diagnostics }
    }

    /// Returns the value of a key of this one.
    pub(super) fn below(&self, key: &str, json: &'a Json) -> Self {
        Self { json, place: self.place.key(key), diagnostics: self.diagnostics }
    }

    pub(super) fn diagnostic<T>(
        &self,
        what: impl Into<String>,
        todo: impl Into<String>,
    ) -> Option<T> {
        self.diagnostics.borrow_mut().push(Diagnostic::new(self.place.clone(), what, todo));
        None
    }

    /// Reports a word that is not a known one; `todo` lists these.
    pub(super) fn unknown<T>(
        &self,
        what: &str,
        word: &str,
        known: &[&str],
        todo: &str,
    ) -> Option<T> {
        let todo = near(word, known.iter().copied())
            .map_or_else(|| todo.to_owned(), |near| format!("did you mean `{near}`?"));
        self.diagnostic(format!("unknown {what} `{word}`"), todo)
    }

    fn expected<T>(&self, form: &str) -> Option<T> {
        self.diagnostic(format!("expected {form}, found {}", kind(self.json)), "")
    }

    pub(super) fn table(&self) -> Option<Table<'a>> {
        match self.json {
            Json::Object(keys) => Some(Table {
                keys,
                place: self.place.clone(),
                taken: RefCell::default(),
                diagnostics: self.diagnostics,
            }),
            _ => self.expected("an object"),
        }
    }

    pub(super) fn string(&self) -> Option<String> {
        match self.json {
            Json::String(text) => Some(text.clone()),
            _ => self.expected("a string"),
        }
    }

    pub(super) fn bool(&self) -> Option<bool> {
        match self.json {
            Json::Bool(value) => Some(*value),
            _ => self.expected("true or false"),
        }
    }

    pub(super) fn integer<T: TryFrom<i128>>(&self, form: &str) -> Option<T> {
        let number = match self.json {
            Json::Number(number) => {
                number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from))
            }
            _ => None,
        };
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) => Some(number),
            None => match self.json {
                Json::Number(number) => {
                    self.diagnostic(format!("expected {form}, found {number}"), "")
                }
                _ => self.expected(form),
            },
        }
    }

    pub(super) fn u32(&self) -> Option<u32> {
        self.integer("a whole number from 0 to 4294967295")
    }

    pub(super) fn u64(&self) -> Option<u64> {
        self.integer("a whole number from 0")
    }

    /// Returns the items of a list; `null` is an empty list, as compilers write it.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        match self.json {
            Json::Null => Some(Vec::new()),
            Json::Array(items) => Some(
                items
                    .iter()
                    .enumerate()
                    .map(|(i, json)| Self {
                        json,
                        place: self.place.index(i),
                        diagnostics: self.diagnostics,
                    })
                    .collect(),
            ),
            _ => self.expected("a list"),
        }
    }

    /// Reads a list item by item, and reports every bad item.
    pub(super) fn list<T>(&self, read: impl Fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        let items = self.items()?;
        let read: Vec<Option<T>> = items.iter().map(read).collect();
        read.into_iter().collect()
    }
}

impl<'a> Table<'a> {
    /// Returns the keys, known and unknown, with their values.
    pub(super) fn keys(&self) -> &'a JsonMap<String, Json> {
        self.keys
    }

    /// Returns the value of a key if it is present.
    pub(super) fn get(&self, key: &'static str) -> Option<Node<'a>> {
        self.taken.borrow_mut().push(key);
        self.keys.get(key).map(|json| Node {
            json,
            place: self.place.key(key),
            diagnostics: self.diagnostics,
        })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// Returns the value of a required key.
    pub(super) fn need(&self, key: &'static str) -> Option<Node<'a>> {
        self.get(key).or_else(|| {
            let misspelt = near(key, self.keys.keys().map(String::as_str));
            let todo = misspelt
                .map_or_else(String::new, |misspelt| format!("is it misspelt as `{misspelt}`?"));
            self.diagnostics.borrow_mut().push(Diagnostic::new(
                self.place.key(key),
                "the key is missing",
                todo,
            ));
            None
        })
    }

    /// Reads a key that may be missing or `null`. The outer `None` is a fault that was reported.
    #[allow(clippy::option_option, reason = "a reported fault and an absent key differ")]
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.get(key) {
            Some(node) if !node.json.is_null() => read(&node).map(Some),
            _ => Some(None),
        }
    }

    /// Returns all keys that were not taken.
    pub(super) fn other(&self) -> JsonMap<String, Json> {
        let taken = self.taken.borrow();
        self.keys
            .iter()
            .filter(|(key, _)| !taken.contains(&key.as_str()))
            .map(|(key, json)| (key.clone(), json.clone()))
            .collect()
    }
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}
