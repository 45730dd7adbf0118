//! Every Rust identifier of a generated module, decided once.
//!
//! - Types and enum-like variants are in UpperCamelCase: `struct exec_event` is `ExecEvent`, the map `rb_exec` the variant `RbExec`.
//! - Fields, variables, maps, programs and enum constants keep their C names.
//! - Characters that Rust does not know in identifiers become `_`; a leading digit gets a `_` before it.
//! - Keywords become raw identifiers; the five that cannot (`self`, `Self`, `super`, `crate`, `_`) get a `_` behind them.
//! - Two C names of one scope that become one identifier are refused: nothing is renamed silently.

use std::collections::BTreeMap;

use eunomia_runtime::fault::{Fault, Place};
use proc_macro2::{Ident, Span};

/// An identifier that keeps its C name.
pub(crate) fn verbatim(name: &str) -> Ident {
    escape(&sanitize(name))
}

/// An identifier in UpperCamelCase: each part between underscores starts with a capital.
pub(crate) fn camel(name: &str) -> Ident {
    let name = sanitize(name);
    let camel: String = name
        .split('_')
        .flat_map(|part| {
            let mut chars = part.chars();
            chars.next().into_iter().flat_map(char::to_uppercase).chain(chars)
        })
        .collect();
    // Only underscores: keep them.
    escape(&if camel.is_empty() { name } else { sanitize(&camel) })
}

/// An identifier in snake_case from a section name: `.data.my-sec` is `data_my_sec`.
pub(crate) fn section(name: &str) -> String {
    sanitize(name.trim_start_matches('.'))
}

fn sanitize(name: &str) -> String {
    let mut text: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if text.starts_with(|c: char| c.is_ascii_digit()) || text.is_empty() {
        text.insert(0, '_');
    }
    text
}

fn escape(name: &str) -> Ident {
    match name {
        "self" | "Self" | "super" | "crate" | "_" => Ident::new(&format!("{name}_"), Span::call_site()),
        _ if KEYWORDS.contains(&name) => Ident::new_raw(name, Span::call_site()),
        _ => Ident::new(name, Span::call_site()),
    }
}

/// Strict and reserved keywords of all editions, from the Rust reference, but those that cannot be raw.
const KEYWORDS: [&str; 48] = [
    "as", "break", "const", "continue", "else", "enum", "extern", "false", "fn", "for", "if", "impl", "in", "let", "loop", "match", "mod",
    "move", "mut", "pub", "ref", "return", "static", "struct", "trait", "true", "type", "unsafe", "use", "where", "while", "async",
    "await", "dyn", "abstract", "become", "box", "do", "final", "macro", "override", "priv", "typeof", "unsized", "virtual", "yield",
    "try", "gen",
];

/// The identifiers of one scope, to find two names that meet.
#[derive(Debug)]
pub(crate) struct Scope {
    what: &'static str,
    taken: BTreeMap<String, String>,
}

impl Scope {
    /// A scope of `what`, for messages, in which the identifiers of the generator are taken.
    pub(crate) fn new(what: &'static str, ours: &[&str]) -> Self {
        let taken = ours.iter().map(|&ident| (ident.to_owned(), "a name of the generated module".to_owned())).collect();
        Self { what, taken }
    }

    /// Claims `ident` for the C name `name`.
    pub(crate) fn claim(&mut self, ident: &Ident, name: &str, place: &Place, faults: &mut Vec<Fault>) {
        if let Some(other) = self.taken.insert(ident.to_string(), format!("`{name}`")) {
            faults.push(Fault::at(
                place.clone(),
                format!("the {} `{name}` and {other} both become `{ident}` in Rust", self.what),
                "rename one of them in the C source",
            ));
        }
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
            // An empty name becomes a lone underscore first, which is no identifier either.
            let expected = if name.is_empty() { "__" } else { expected };
            assert_eq!(verbatim(name).to_string(), expected);
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
    fn names_that_meet_are_refused() {
        let mut scope = Scope::new("type", &["Ours"]);
        let mut faults = Vec::new();
        let place = Place::default().key("x");
        scope.claim(&camel("a_b"), "a_b", &place, &mut faults);
        scope.claim(&camel("a__b"), "a__b", &place, &mut faults);
        scope.claim(&camel("ours"), "ours", &place, &mut faults);
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "x: the type `a__b` and `a_b` both become `AB` in Rust; rename one of them in the C source",
                "x: the type `ours` and a name of the generated module both become `Ours` in Rust; rename one of them in the C source",
            ]
        );
    }
}
