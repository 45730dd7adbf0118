//! The options of a target, and orders, parsed from text.

use std::{path::PathBuf, str::FromStr};

use super::super::{Anchor, Order};
use crate::{Error, Result};

/// The text of a target after its kind, split into the target and its options.
pub(super) struct Words<'a> {
    pub(super) rest: &'a str,
    pub(super) options: Vec<&'a str>,
}

const OPTIONS: &[&str] = &[
    "generic",
    "native",
    "offload",
    "first",
    "last",
    "before",
    "after",
    "priority",
    "handle",
    "defragmented",
    "pid",
    "cpu",
];

impl<'a> Words<'a> {
    /// Splits the known options off the end, so that a path may contain commas.
    pub(super) fn new(mut rest: &'a str) -> Self {
        let mut options = Vec::new();
        while let Some((before, word)) = rest.rsplit_once(',')
            && OPTIONS.contains(&word.split('=').next().unwrap_or_default())
        {
            options.push(word);
            rest = before;
        }
        Self { rest, options }
    }

    fn option(&mut self, matches: impl Fn(&str) -> bool) -> Option<&'a str> {
        let at = self.options.iter().position(|word| matches(word))?;
        Some(self.options.remove(at))
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.option(|word| word == name).is_some()
    }

    fn value(&mut self, name: &str) -> Option<&'a str> {
        let word = self
            .option(|word| word.strip_prefix(name).is_some_and(|value| value.starts_with('=')))?;
        word.split_once('=').map(|(_, value)| value)
    }

    pub(super) fn number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        let parse =
            |value: &str| value.parse().map_err(|_| format!("`{name}={value}`: expected a number"));
        self.value(name).map(parse).transpose()
    }

    pub(super) fn order(&mut self) -> Result<Order, String> {
        if self.flag("first") {
            return Ok(Order::First);
        }
        if self.flag("last") {
            return Ok(Order::Last);
        }
        match (self.value("before"), self.value("after")) {
            (Some(before), _) => anchor(before).map(Order::Before),
            (None, Some(after)) => anchor(after).map(Order::After),
            (None, None) => Ok(Order::Last),
        }
    }

    /// `eth0/ingress`, or `ingress:eth0` as after the section `tcx/ingress`.
    pub(super) fn place<T: Copy>(&self, ends: &[(&str, T)]) -> Result<(&'a str, T), String> {
        let find = |name: &str| ends.iter().find(|(known, _)| *known == name).map(|(_, end)| *end);
        let after =
            self.rest.rsplit_once(['/', ':']).and_then(|(name, end)| Some((name, find(end)?)));
        let before =
            || self.rest.split_once(['/', ':']).and_then(|(end, name)| Some((name, find(end)?)));
        after.or_else(before).filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            let ends: Vec<String> =
                ends.iter().map(|(end, _)| format!("`INTERFACE/{end}`")).collect();
            format!("expected {}", ends.join(" or "))
        })
    }
}

impl FromStr for Order {
    type Err = Error;

    /// Parses `first`, `last`, `before=ANCHOR` or `after=ANCHOR`. An anchor is `program:ID`,
    /// `link:ID` or the path of a pinned program or link.
    fn from_str(text: &str) -> Result<Self> {
        let mut words = Words { rest: "", options: vec![text] };
        let order = words.order().and_then(|order| match words.options[..] {
            [] => Ok(order),
            _ => Err("expected first, last, before=ANCHOR or after=ANCHOR".to_owned()),
        });
        order.map_err(|why| Error::Value { name: format!("order `{text}`"), why })
    }
}

fn anchor(text: &str) -> Result<Anchor, String> {
    let expected = || {
        format!(
            "`{text}`: expected `program:ID`, `link:ID`, or the path of a pinned program or link"
        )
    };
    let number = |id: &str| id.parse().ok().filter(|id| *id != 0).ok_or_else(expected);
    match text.split_once(':') {
        Some(("program", id)) => number(id).map(Anchor::Program),
        Some(("link", id)) => number(id).map(Anchor::Link),
        _ if text.starts_with('/') => Ok(Anchor::Pinned(PathBuf::from(text))),
        _ => Err(expected()),
    }
}
