//! C that is hard for generators. Every `*.bpf.c` here becomes a module that compiles with the
//! strictest lints. Its types have the sizes and offsets of DWARF, and libbpf opens its object.

mod dwarf;
mod formatted;
mod module;

use std::{env, fmt::Write as _, fs, path::Path, process::Command};

use eunomia_build::{Embed, Skeleton, format, tokens};
use eunomia_tests::crates::Crate;
use module::Module;

/// Sources that the generator refuses, with the reason.
const REFUSED: &[(&str, &str)] = &[];

/// Lengths of the names in `lengths.bpf.c`.
const LENGTHS: std::ops::RangeInclusive<usize> = 1..=80;

/// Sources whose object libbpf does not open, with the reason.
const NOT_OPENED: &[(&str, &str)] = &[];

#[test]
fn modules_of_hazards_compile_and_match_dwarf() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("hazards");
    let names = sources(&folder);
    let package = Crate::new(env!("CARGO_TARGET_TMPDIR"), "hazards", &["columns", "load"]);
    let mut failures = Vec::new();
    let mut modules = Vec::new();
    for name in &names {
        let object = compile(&folder, name, &package);
        match (generate(name, &object), REFUSED.iter().find(|(refused, _)| refused == name)) {
            (Ok(text), None) => {
                package.write(&format!("src/{name}.rs"), &text);
                modules.push(Module::new(name, text, &object));
            }
            (Err(fault), Some((_, reason))) if fault.contains(reason) => {}
            (Err(fault), _) => failures.push(fault),
            (Ok(_), Some(_)) => {
                failures.push(format!("{name} is not refused any more; remove it from the list"))
            }
        }
    }
    signatures(modules.iter().find(|module| module.name == "signatures").unwrap());
    batches(modules.iter().find(|module| module.name == "huge").unwrap());
    package.write("src/lib.rs", library(&modules, &mut failures));
    package.write("src/main.rs", program(&modules));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    package.build().unwrap_or_else(|error| panic!("{error}"));
    let opened = package.run("hazards");
    let opened: Vec<&str> = opened.lines().collect();
    assert_eq!(opened.len(), modules.len());
    for (module, opened) in modules.iter().zip(opened) {
        let expected = NOT_OPENED
            .iter()
            .find(|(name, _)| *name == module.name)
            .map_or("Ok(())", |(_, reason)| reason);
        if !opened.contains(expected) {
            failures.push(format!("{}: {opened}", module.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Returns the names of the sources, without `.bpf.c`.
fn sources(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.strip_suffix(".bpf.c")?.to_owned())).collect();
    names.sort();
    names
}

/// Checks that of the types reachable only through signatures, those of the user are generated.
fn signatures(module: &Module) {
    let mut types: Vec<&str> = module.types().collect();
    types.sort_unstable();
    assert_eq!(types, ["Either", "Nameless", "Part", "Request", "Verdict"]);
}

/// Checks that only events whose members fit on the stack have a batch.
fn batches(module: &Module) {
    assert_eq!(module.batches().collect::<Vec<_>>(), ["TextBatch"]);
}

/// Compiles a source with clang, without linking, since BPF linkers remove DWARF.
fn compile(folder: &Path, name: &str, package: &Crate) -> Vec<u8> {
    let clang = env::var_os("EUNOMIA_CLANG").unwrap_or_else(|| "clang-19".into());
    let object = package.path(&format!("src/{name}.bpf.o"));
    fs::create_dir_all(package.path("src")).unwrap();
    let mut command = Command::new(clang);
    command
        .args(["-target", "bpf", "-g", "-O2", "-Wall", "-Werror", "-Wno-unused", "-c", "-o"])
        .arg(&object);
    let output = command.arg(format!("{name}.bpf.c")).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(object).unwrap()
}

fn generate(name: &str, object: &[u8]) -> Result<String, String> {
    let file = format!("{name}.bpf.o");
    let skeleton = Skeleton::from_object(
        eunomia_build::object_name(&file),
        object.to_owned(),
        &file,
    )
    .map(|skeleton| match name {
        "lengths" => LENGTHS.map(|len| "a".repeat(len)).fold(skeleton, |skeleton, name| {
            skeleton.with_event(format!("r{name}"), format!("struct {name}"))
        }),
        "huge" => skeleton.with_event("texts", "struct text").with_event("files", "struct file"),
        _ => skeleton,
    });
    let module = skeleton.and_then(|skeleton| {
        tokens(skeleton, &eunomia_build::object_name(&file), &Embed::File(file.clone()))
    });
    let module = module.map_err(|faults| faults.to_string())?;
    Ok(format(module).unwrap())
}

/// Returns the compiler's lints that are allowed by default, except those that a module cannot
/// satisfy.
fn allowed_by_default() -> Vec<String> {
    const OTHERS: [&str; 4] =
        ["linker_messages", "unsafe_code", "unstable_features", "unused_crate_dependencies"];
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let help = Command::new(rustc).args(["-W", "help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let lines = help.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let lints = lines
        .filter_map(|words| (words.get(1) == Some(&"allow")).then(|| words[0].replace('-', "_")));
    let lints: Vec<_> = lints.filter(|lint| !OTHERS.contains(&lint.as_str())).collect();
    assert!(lints.iter().any(|lint| lint == "unused_results"), "{help}");
    lints
}

fn library(modules: &[Module], failures: &mut Vec<String>) -> String {
    let mut text = "//! Hazards.\n#![deny(warnings, missing_docs, rust_2024_compatibility)]\n#![forbid(unsafe_code)]\n".to_owned();
    // Only nightly compilers know some of them.
    writeln!(text, "#![allow(unknown_lints)]\n#![deny({})]", allowed_by_default().join(", "))
        .unwrap();
    for module in modules {
        writeln!(
            text,
            "/// One file.\n#[no_implicit_prelude]\npub mod {} {{\n    ::std::include!(\"{}.rs\");",
            module.outer, module.name
        )
        .unwrap();
        text.push_str(&module.asserts(failures));
        text.push_str("}\n");
    }
    text
}

/// Returns a program that opens every object and looks up each of its sections.
fn program(modules: &[Module]) -> String {
    let mut text = "//! Opens the objects.\n#![deny(warnings)]\n".to_owned();
    let mut calls = String::new();
    for module in modules {
        let Module { outer, ident, .. } = module;
        writeln!(text, "fn {outer}() -> eunomia_runtime::Result<()> {{\n    let mut open = hazards::{outer}::{ident}::open()?;").unwrap();
        text.push_str("    open.object();\n");
        for section in module.sections() {
            writeln!(text, "    open.{section}()?;").unwrap();
        }
        text.push_str("    Ok(())\n}\n");
        writeln!(calls, "    println!(\"{{:?}}\", {outer}().map_err(|error| error.to_string()));")
            .unwrap();
    }
    text + "fn main() {\n" + &calls + "}\n"
}
