//! Generated files after rustfmt: a project that commits one formats it with the rest, with its own
//! settings.

use std::{
    env,
    ffi::OsString,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use eunomia_tests::crates::Crate;

use super::{compile, generate, sources};

/// Settings of rustfmt that change the most: the defaults, very long lines and very short lines.
const SETTINGS: [(&str, &str); 4] = [
    ("default", ""),
    ("wide", "max_width = 100\nuse_small_heuristics = \"Max\"\n"),
    ("narrow", "max_width = 60\n"),
    (
        "packed",
        "max_width = 400\nuse_small_heuristics = \"Max\"\ntrailing_semicolon = false\nuse_field_init_shorthand = true\n",
    ),
];

/// All features that add generated code.
const FEATURES: [&str; 7] = ["arrow", "clap", "columns", "dynamic", "load", "serde", "tokio"];

#[test]
fn formatted_modules_compile() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("hazards");
    let package = Crate::new(env!("CARGO_TARGET_TMPDIR"), "formatted", &FEATURES);
    let mut modules = Vec::new();
    for name in sources(&folder) {
        let text = generate(&name, &compile(&folder, &name, &package)).unwrap();
        modules.push((name, text));
    }
    let built = fs::read_dir(env!("OUT_DIR")).unwrap().map(|entry| entry.unwrap().path());
    for path in built.filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        fs::copy(path.with_extension("bpf.o"), package.path(&format!("src/{name}.bpf.o"))).unwrap();
        modules.push((format!("fixture_{name}"), fs::read_to_string(&path).unwrap()));
    }
    assert!(modules.len() > 40, "{}", modules.len());

    let mut library = "//! Formatted modules.\n#![deny(warnings, missing_docs)]\n".to_owned();
    let mut changed = 0;
    for (settings, text) in SETTINGS {
        package
            .write(&format!("src/{settings}/rustfmt.toml"), format!("edition = \"2024\"\n{text}"));
        writeln!(library, "/// One way.\npub mod {settings} {{").unwrap();
        for (name, text) in &modules {
            let module = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            // The objects are one folder up.
            let text = text.replace("include_bytes!(\"", "include_bytes!(\"../");
            package.write(&format!("src/{settings}/{name}.rs"), &text);
            writeln!(library, "    /// One file.\n    pub mod file_{module} {{ ::std::include!(\"{settings}/{name}.rs\"); }}").unwrap();
        }
        library.push_str("}\n");
        let files: Vec<PathBuf> = modules
            .iter()
            .map(|(name, _)| package.path(&format!("src/{settings}/{name}.rs")))
            .collect();
        let output = rustfmt(&files);
        assert!(output.status.success(), "{settings}: {}", String::from_utf8_lossy(&output.stderr));
        let differs = |(path, (_, text)): &(&PathBuf, &(String, String))| {
            fs::read_to_string(path).unwrap().replace("include_bytes!(\"../", "include_bytes!(\"")
                != *text
        };
        changed += files.iter().zip(&modules).filter(differs).count();
    }
    assert!(changed > modules.len(), "rustfmt changed only {changed} files");
    package.write("src/lib.rs", library);
    package.build().unwrap_or_else(|error| panic!("{error}"));
}

/// Runs rustfmt of this toolchain, which this test needs.
fn rustfmt(files: &[PathBuf]) -> Output {
    let program = env::var_os("RUSTFMT").unwrap_or_else(|| OsString::from("rustfmt"));
    let output = Command::new(&program).args(["--edition", "2024"]).args(files).output();
    output.unwrap_or_else(|error| {
        panic!(
            "cannot run `{}`: {error}; THE FORMATTED FILES ARE NOT TESTED; `rustup component add rustfmt` installs it",
            program.display()
        )
    })
}
