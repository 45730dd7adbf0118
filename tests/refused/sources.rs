//! C that libbpf never opens or no kernel loads, beside C that is nearly the same and fine.

use std::{env, fs, path::Path, process::Command};

/// A source of a list.
pub(crate) struct Source {
    pub(crate) name: &'static str,
    /// What the build says; nothing if it is fine.
    pub(crate) fault: &'static str,
    text: &'static str,
}

/// The sources of a list.
pub(crate) fn read(list: &'static str) -> Vec<Source> {
    let sources = list.split("//= ").skip(1).map(|source| {
        let (head, text) = source.split_once('\n').unwrap();
        let (name, fault) = head.split_once(": ").unwrap_or((head, ""));
        Source { name, fault, text }
    });
    sources.collect()
}

/// Those that no kernel loads.
pub(crate) fn loaded() -> Vec<Source> {
    read(include_str!("loaded.c"))
}

/// The object of a source, as clang alone writes it.
pub(crate) fn compile(source: &Source) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refusals");
    fs::create_dir_all(&folder).unwrap();
    let [c, o] = ["bpf.c", "bpf.o"].map(|end| folder.join(format!("{}.{end}", source.name)));
    fs::write(&c, format!("#include \"hazard.h\"\n{}\n", source.text)).unwrap();
    let clang = env::var_os("EUNOMIA_CLANG").unwrap_or_else(|| "clang-19".into());
    let mut command = Command::new(clang);
    command.args(["-target", "bpf", "-g", "-O2", "-Wno-everything", "-I", concat!(env!("CARGO_MANIFEST_DIR"), "/hazards"), "-c", "-o"]);
    let output = command.arg(&o).arg(&c).output().unwrap();
    assert!(output.status.success(), "{}: {}", source.name, String::from_utf8_lossy(&output.stderr));
    fs::read(o).unwrap()
}
