//! Texts of errors for bad input: each names the file, the JSON path and, if known, the line.
//!
//! Most inputs are the package of the bootstrap example with one fault in it.

mod args;
mod corrupt;
mod costs;
mod document;
mod foreign;
mod libbpf;
mod memory;
mod object;
mod sources;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use eunomia_build::{Embed, Skeleton, tokens};
use serde_json::Value as Json;

/// An expected error and the edit of the package that causes it.
type Case = (&'static str, fn(&mut Json));

/// Returns the sound package that tests edit.
fn package() -> Json {
    serde_json::from_str(&std::fs::read_to_string("bpf/bootstrap.json").unwrap()).unwrap()
}

/// Returns the object of the package.
fn elf() -> Vec<u8> {
    Skeleton::from_file("bpf/bootstrap.json").unwrap().object.unwrap()
}

/// Returns the error of the generator for a document, as the macro and a build script report it.
fn refusal(text: &str) -> String {
    let result =
        Skeleton::parse(text, "x.json").and_then(|skeleton| tokens(skeleton, "x", &Embed::Literal));
    result.expect_err("the input is accepted").to_string()
}

/// Returns the error for the package after an edit, without line and column.
fn edited(edit: impl FnOnce(&mut Json)) -> String {
    let mut json = package();
    edit(&mut json);
    of(&json)
}

/// Returns the error for a document in one line, without line and column.
fn of(json: &Json) -> String {
    let text = refusal(&json.to_string());
    let lines = text.lines().map(|line| match line.strip_prefix("x.json:1:") {
        Some(rest) => format!("x.json:{}", rest.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n").replace("x.json::", "x.json:")
}

/// Returns the error for the package with another object.
fn with_object(object: &[u8]) -> String {
    edited(|json| {
        json["bpf_object"] =
            STANDARD.encode(miniz_oxide::deflate::compress_to_vec_zlib(object, 1)).into();
        json["bpf_object_size"] = object.len().into();
    })
}
