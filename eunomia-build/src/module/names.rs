//! The Rust identifiers of a generated module, each decided once.
//!
//! - Types and variants are in UpperCamelCase: `struct exec_event` becomes `ExecEvent`, the map
//!   `rb_exec` the variant `RbExec`.
//! - The enum of records of several types is named after the map, `RbRecord`. Its variants are
//!   named after the types, except `Unknown`.
//! - Fields, variables, maps, programs and enum constants keep their C names.
//! - Characters that Rust does not allow in identifiers become `_`. A leading digit gets a `_`
//!   before it.
//! - Keywords become raw identifiers. The five that cannot be raw (`self`, `Self`, `super`,
//!   `crate`, `_`) get a `_` appended.
//! - Section names lose their leading dot: `.data.my-sec` becomes `data_my_sec`. The section of
//!   arena variables, `.addr_space.1`, becomes `arena`.
//! - Types without a name are named after their typedef, or else after their position: `struct { ..
//!   } pos` in `struct event` becomes `EventPos`.
//! - If two C names of one scope become the same identifier, all but the first get `_2`, `_3` and
//!   so on appended: types in the order in which events, sections and maps need them, all else in
//!   the order of the object. Equal copies of one type become one Rust type. Two members that a
//!   document picks under names that meet are a fault of the document.
//!
//! The docs of each item show the C name.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};

/// Returns an identifier that keeps its C name.
pub(crate) fn verbatim(name: &str) -> Ident {
    escape(&sanitize(name))
}

/// Returns the identifier for a name that the user chose, which may have letters that C names
/// cannot have. `None` if Rust has no such identifier, not even a raw one.
pub(crate) fn chosen(name: &str) -> Option<Ident> {
    let mut tokens = name.parse::<TokenStream>().ok()?.into_iter();
    let Some(TokenTree::Ident(ident)) = tokens.next() else { return None };
    let is_whole = tokens.next().is_none() && ident == name && !name.starts_with("r#");
    (is_whole && !RESERVED.contains(&name)).then(|| escape(name))
}

/// Returns the text of an identifier without the `r#` of a keyword.
pub(crate) fn plain(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map(str::to_owned).unwrap_or(text)
}

/// Returns an identifier in UpperCamelCase: each part between underscores starts with a capital.
pub(crate) fn camel(name: &str) -> Ident {
    let name = sanitize(name);
    let camel: String = name
        .split('_')
        .flat_map(|part| {
            let mut chars = part.chars();
            chars.next().into_iter().flat_map(char::to_uppercase).chain(chars)
        })
        .collect();
    // The name has only underscores; keep them.
    escape(&if camel.is_empty() { name } else { sanitize(&camel) })
}

/// Returns the snake_case name of a section: `.data.my-sec` becomes `data_my_sec`, the address
/// space of arenas `arena`.
pub(crate) fn section(name: &str) -> String {
    match name {
        ".addr_space.1" => "arena".to_owned(),
        _ => sanitize(name.trim_start_matches('.')),
    }
}

fn sanitize(name: &str) -> String {
    let mut text: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if text.starts_with(|c: char| c.is_ascii_digit()) || text.is_empty() {
        text.insert(0, '_');
    }
    text
}

fn escape(name: &str) -> Ident {
    match name {
        _ if RESERVED.contains(&name) => Ident::new(&format!("{name}_"), Span::call_site()),
        _ if KEYWORDS.contains(&name) => Ident::new_raw(name, Span::call_site()),
        _ => Ident::new(name, Span::call_site()),
    }
}

/// The names that cannot be identifiers, not even raw ones.
const RESERVED: [&str; 5] = ["self", "Self", "super", "crate", "_"];

/// The strict and reserved keywords of all editions, from the Rust reference, without those that
/// cannot be raw.
const KEYWORDS: [&str; 48] = [
    "as", "break", "const", "continue", "else", "enum", "extern", "false", "fn", "for", "if",
    "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "static",
    "struct", "trait", "true", "type", "unsafe", "use", "where", "while", "async", "await", "dyn",
    "abstract", "become", "box", "do", "final", "macro", "override", "priv", "typeof", "unsized",
    "virtual", "yield", "try", "gen",
];

/// The identifiers that are taken in one scope.
#[derive(Debug, Default)]
pub(crate) struct Scope(
    /// The number to try next for each identifier. Without it equal names would take time by the
    /// square of their count.
    BTreeMap<String, u64>,
);

impl Scope {
    /// Returns a scope in which the generator's own identifiers are taken.
    pub(crate) fn new(ours: &[&str]) -> Self {
        Self(ours.iter().map(|&ident| (ident.to_owned(), 2)).collect())
    }

    /// Claims an identifier for a name: `wanted`, or else `wanted` with the first free number
    /// appended.
    pub(crate) fn claim(&mut self, wanted: Ident) -> Ident {
        let text = plain(&wanted);
        let Some(&next) = self.0.get(&text) else {
            self.0.insert(text, 2);
            return wanted;
        };
        let free = |number: &u64| !self.0.contains_key(&format!("{text}_{number}"));
        let number = (next..).find(free);
        let numbered = number.map(|number| {
            let ident = format!("{text}_{number}");
            self.0.insert(text, number + 1);
            self.0.insert(ident.clone(), 2);
            ident
        });
        numbered.map_or(wanted, |ident| Ident::new(&ident, Span::call_site()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_names_become_identifiers() {
        for (name, expected) in [
            ("pid", "pid"),
            ("type", "r#type"),
            ("gen", "r#gen"),
            ("self", "self_"),
            ("Self", "Self_"),
            ("_", "__"),
            ("comm?", "comm_"),
            ("2nd", "_2nd"),
            ("", "_"),
            ("größe", "gr__e"),
        ] {
            // An empty name becomes a lone underscore first, which cannot be an identifier either.
            let expected = if name.is_empty() { "__" } else { expected };
            assert_eq!(verbatim(name).to_string(), expected);
        }
    }

    #[test]
    fn chosen_names_stay_as_they_are() {
        for (name, expected) in
            [("größe", "größe"), ("é", "é"), ("match", "r#match"), ("tracer_2", "tracer_2")]
        {
            assert_eq!(chosen(name).unwrap().to_string(), expected);
        }
        for name in
            ["", "_", "self", "2nd", "a b", " a", "a;b", "a/**/", "r#match", "'a", "\"a\"", "€"]
        {
            assert!(chosen(name).is_none(), "{name}");
        }
    }

    #[test]
    fn types_are_camel_case() {
        for (name, expected) in [
            ("event", "Event"),
            ("exec_event_t", "ExecEventT"),
            ("__u32", "U32"),
            ("in6_addr", "In6Addr"),
            ("_2d", "_2d"),
            ("self", "Self_"),
            ("option", "Option"),
            ("___", "___"),
            ("AlreadyCamel", "AlreadyCamel"),
        ] {
            assert_eq!(camel(name).to_string(), expected);
        }
    }

    #[test]
    fn keywords_are_what_syn_refuses() {
        for word in KEYWORDS {
            assert!(verbatim(word).to_string().starts_with("r#"), "{word}");
        }
    }

    #[test]
    fn names_that_meet_are_numbered() {
        let mut scope = Scope::new(&["Ours"]);
        let names =
            ["a_b", "a__b", "ours", "a_b", "AB_2"].map(|name| scope.claim(camel(name)).to_string());
        assert_eq!(names, ["AB", "AB_2", "Ours_2", "AB_3", "AB2"]);
        let names =
            ["type", "type", "self", "self_"].map(|name| scope.claim(verbatim(name)).to_string());
        assert_eq!(names, ["r#type", "type_2", "self_", "self__2"]);
    }
}
