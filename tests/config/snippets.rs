//! The C of `docs/bpf-side.md`.

use std::{env, fs};

use eunomia_build::Config;

use crate::folder;

const PAGE: &str = include_str!("../../docs/bpf-side.md");
const HEADER: &str = include_str!("../../eunomia-build/include/eunomia.bpf.h");

/// Returns the C blocks of the page.
fn blocks() -> Vec<&'static str> {
    PAGE.split("```c\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn snippets_of_page_become_packages() {
    let dir = folder("snippets");
    let clang = env::var_os("EUNOMIA_CLANG").unwrap_or_else(|| "clang-19".into());
    let blocks = blocks();
    let (head, snippets) = blocks.split_first().unwrap();
    assert!(head.contains("#include <eunomia.bpf.h>") && snippets.len() > 5);
    for (number, snippet) in snippets.iter().enumerate() {
        let source = dir.join(format!("s{number}.bpf.c"));
        fs::write(&source, format!("{head}\n{snippet}")).unwrap();
        let config = Config::new().source(&source).clang(&clang).clang_arg("-Werror");
        config.package(dir.join(format!("s{number}.json"))).unwrap_or_else(|error| {
            panic!("{error}\n{snippet}");
        });
    }
}

#[test]
fn page_names_every_macro_of_header() {
    let names = HEADER.lines().filter_map(|line| {
        let name = line.strip_prefix("#define ")?.split([' ', '(']).next()?;
        Some(name).filter(|name| !name.starts_with("__") && *name != "EUNOMIA_BPF_H")
    });
    let missing: Vec<_> = names
        .filter(|name| !PAGE.contains(&format!("{name}(")) && !PAGE.contains(&format!("{name}`")))
        .collect();
    // A part of `eunomia_reserve` and `eunomia_output`.
    assert_eq!(missing, ["eunomia_count_dropped"]);
}
