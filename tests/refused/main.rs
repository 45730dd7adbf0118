//! Bad input gets a clear error with the file, the JSON path and where known the line, and nothing else.
//!
//! Every input is the bootstrap example's package with one thing wrong with it.

mod args;
mod corrupt;
mod document;
mod foreign;
mod libbpf;
mod object;
mod sources;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use eunomia_build::{Embed, Skeleton, tokens};
use serde_json::Value as Json;

/// What is said after an edit of the package.
type Case = (&'static str, fn(&mut Json));

/// The package that is spoilt.
fn package() -> Json {
    serde_json::from_str(&std::fs::read_to_string("bpf/bootstrap.json").unwrap()).unwrap()
}

/// Its object.
fn elf() -> Vec<u8> {
    Skeleton::from_file("bpf/bootstrap.json").unwrap().object.unwrap()
}

/// What the generator says to a document, as the macro and the build script would.
fn refusal(text: &str) -> String {
    let result = Skeleton::parse(text, "x.json").and_then(|skeleton| tokens(skeleton, "x.json", "x", &Embed::Literal));
    result.expect_err("the input is accepted").to_string()
}

/// What it says to the package after an edit, without the line and column.
fn edited(edit: impl FnOnce(&mut Json)) -> String {
    let mut json = package();
    edit(&mut json);
    of(&json)
}

/// What it says to a document, which stands in one line, without the columns.
fn of(json: &Json) -> String {
    let text = refusal(&json.to_string());
    let lines = text.lines().map(|line| match line.strip_prefix("x.json:1:") {
        Some(rest) => format!("x.json:{}", rest.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n").replace("x.json::", "x.json:")
}

/// What it says to another object in the package.
fn with_object(object: &[u8]) -> String {
    edited(|json| {
        json["bpf_object"] = STANDARD.encode(miniz_oxide::deflate::compress_to_vec_zlib(object, 1)).into();
        json["bpf_object_size"] = object.len().into();
    })
}
