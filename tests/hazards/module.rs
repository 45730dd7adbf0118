//! A generated module, compared with the DWARF of its object.

use std::fmt::Write as _;

use super::dwarf::{self, Record};

/// Members whose C names become the same in Rust: type, member and its name in Rust.
const RENAMED: &[(&str, &str, &str)] = &[
    ("struct members", "self_", "self__2"),
    ("struct members", "Self_", "Self__2"),
    ("struct $dollar", "$$", "___2"),
];

#[derive(Debug)]
pub(crate) struct Module {
    /// The name of the file.
    pub(crate) name: String,
    /// The name of the module around it.
    pub(crate) outer: String,
    /// The identifier of the generated module.
    pub(crate) ident: String,
    text: String,
    records: Vec<Record>,
}

impl Module {
    pub(crate) fn new(name: &str, text: String, object: &[u8]) -> Self {
        let ident = between(&text, "\npub mod ", " {").expect("it is a module").to_owned();
        let outer = format!("file_{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
        Self { name: name.to_owned(), outer, ident, text, records: dwarf::records(object) }
    }

    /// Returns the methods that open data sections before loading.
    pub(crate) fn sections(&self) -> impl Iterator<Item = &str> {
        let methods = self.text.split("pub fn ").skip(1);
        let methods = methods.filter(|method| {
            method
                .split('{')
                .next()
                .is_some_and(|head| head.contains("<'_, ::eunomia_runtime::bpf::ReadWrite>"))
        });
        methods
            .filter(|method| {
                method.split(')').next().is_some_and(|head| head.contains("&mut self"))
            })
            .filter_map(|method| method.split('(').next())
    }

    /// Returns the names of the types that the module defines.
    pub(crate) fn types(&self) -> impl Iterator<Item = &str> {
        let all = self.text.split("::eunomia_runtime::plain! {").skip(1);
        all.filter_map(|one| one.split_once("pub struct ")?.1.split([' ', '(']).next())
    }

    /// Returns the names of the batches of columns that the module defines.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &str> {
        let all = self.text.split("::eunomia_runtime::__columns! {").skip(1);
        all.filter_map(|one| one.split_once("struct ")?.1.split(' ').next())
    }

    /// Returns compile-time assertions that compare every type with a C name with DWARF.
    pub(crate) fn asserts(&self, failures: &mut Vec<String>) -> String {
        let mut text = String::new();
        for implementation in self.text.split("impl ::eunomia_runtime::sample::Event for ").skip(1)
        {
            let ident = implementation.split(' ').next().unwrap_or_default();
            let c_name =
                between(implementation, "C_NAME: &'static str = \"", "\"").unwrap_or_default();
            if c_name.ends_with("{..}") {
                continue;
            }
            let Some(record) = self.records.iter().find(|record| record.name == c_name) else {
                failures.push(format!("{}: DWARF has no `{c_name}`", self.name));
                continue;
            };
            let path = format!("{}::types::{ident}", self.ident);
            writeln!(
                text,
                "    const _: [(); {}] = [(); ::core::mem::size_of::<{path}>()];",
                record.size
            )
            .unwrap();
            self.offsets(record, ident, &path, &mut text, failures);
        }
        text
    }

    fn offsets(
        &self,
        record: &Record,
        ident: &str,
        path: &str,
        text: &mut String,
        failures: &mut Vec<String>,
    ) {
        let fields = between(&self.text, &format!("pub struct {ident} {{"), "\n        }")
            .unwrap_or_default();
        let methods = between(&self.text, &format!("\n        impl {ident} {{"), "\n        }")
            .unwrap_or_default();
        for member in &record.members {
            let renamed = RENAMED.iter().find(|(record_name, name, _)| {
                (*record_name, *name) == (&record.name, &member.name)
            });
            let field =
                renamed.map_or_else(|| rust(&member.name), |(.., renamed)| (*renamed).to_owned());
            let is_field = fields.contains(&format!(" pub {field}: "));
            let is_method = methods.contains(&format!(" pub fn {field}(&self)"));
            match member.offset {
                Some(offset) if is_field => {
                    writeln!(text, "    const _: [(); {offset}] = [(); ::core::mem::offset_of!({path}, {field})];").unwrap();
                }
                _ if is_method => {}
                _ => failures.push(format!(
                    "{}: `{}` of `{}` is not accessible as `{field}`",
                    self.name, member.name, record.name
                )),
            }
        }
    }
}

/// Returns the identifier of a C name, if no other name becomes the same.
fn rust(name: &str) -> String {
    const KEYWORDS: &str = "as break const continue else enum extern false fn for if impl in let loop match mod move mut pub ref return \
        static struct trait true type unsafe use where while async await dyn abstract become box do final macro override priv typeof \
        unsized virtual yield try gen";
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    match name.as_str() {
        "self" | "Self" | "super" | "crate" | "_" => format!("{name}_"),
        word if KEYWORDS.split_whitespace().any(|keyword| keyword == word) => format!("r#{word}"),
        _ => name,
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, text) = text.split_once(start)?;
    text.split_once(end).map(|(inside, _)| inside)
}
