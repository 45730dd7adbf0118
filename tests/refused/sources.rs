//! Lists of C sources that libbpf does not open or that no kernel loads, with similar sources that
//! are valid.

use std::{env, fs, path::Path, process::Command};

/// A source of a list.
pub(crate) struct Source {
    pub(crate) name: &'static str,
    /// A part of the error that the build reports; empty if the source is valid.
    pub(crate) fault: &'static str,
    text: &'static str,
}

/// Parses a list of sources.
pub(crate) fn read(list: &'static str) -> Vec<Source> {
    let sources = list.split("//= ").skip(1).map(|source| {
        let (head, text) = source.split_once('\n').unwrap();
        let (name, fault) = head.split_once(": ").unwrap_or((head, ""));
        Source { name, fault, text }
    });
    sources.collect()
}

/// Returns the sources of the list that no kernel loads.
pub(crate) fn loaded() -> Vec<Source> {
    read(include_str!("loaded.c"))
}

/// Compiles a source with clang, without linking.
pub(crate) fn compile(source: &Source) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refusals");
    fs::create_dir_all(&folder).unwrap();
    let [c, o] = ["bpf.c", "bpf.o"].map(|end| folder.join(format!("{}.{end}", source.name)));
    fs::write(&c, format!("#include \"hazard.h\"\n{}\n", source.text)).unwrap();
    let clang = env::var_os("EUNOMIA_CLANG").unwrap_or_else(|| "clang-19".into());
    let mut command = Command::new(clang);
    if source.text.contains("license") {
        command.arg("-DOWN_LICENSE");
    }
    command.args([
        "-target",
        "bpf",
        "-g",
        "-O2",
        "-Wno-everything",
        "-I",
        concat!(env!("CARGO_MANIFEST_DIR"), "/hazards"),
        "-c",
        "-o",
    ]);
    let output = command.arg(&o).arg(&c).output().unwrap();
    assert!(
        output.status.success(),
        "{}: {}",
        source.name,
        String::from_utf8_lossy(&output.stderr)
    );
    fs::read(o).unwrap()
}
