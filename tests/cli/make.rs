//! `cargo eunomia make`.

use std::{fs, path::Path};

use eunomia_build::{Skeleton, cli::Exit};

use super::{Ran, clang, folder, names, refused, run};

const PROGRAM: &str = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n#include \"shape.h\"\n\
    SEC(\"xdp\") int pass(void *ctx) { return RESULT; }\n";

/// Writes a package without dependencies that has BPF programs.
fn package(folder: &Path, name: &str, programs: &[&str]) {
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.toml", &format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n"));
    write("src/main.rs", "fn main() {}\n");
    for program in programs {
        write(&format!("src/bpf/{program}.bpf.c"), PROGRAM);
        write("src/bpf/shape.h", "#define RESULT 2\n");
    }
}

/// Runs the command for the workspace in a folder.
fn make(folder: &str, words: &[&str]) -> Ran {
    let (manifest, clang) = (format!("{folder}/Cargo.toml"), clang());
    let own = ["make", "--manifest-path", &manifest, "--clang", &clang];
    run(&[&own[..], words, &["--quiet", "--offline"]].concat())
}

/// Runs the command, which succeeds, and returns the lines for the skeletons that it wrote.
fn made(folder: &str, words: &[&str]) -> Vec<String> {
    let Ran { exit, out, err } = make(folder, words);
    assert_eq!((exit, out.as_str()), (Exit::Done, ""), "{err}");
    err.lines().map(|line| line.replace(&format!("{folder}/"), "")).collect()
}

const A: &str = "a/src/bpf/net.egress.bpf.c -> a/src/bpf/net.egress.json";
const B: &str = "a/src/bpf/net.ingress.bpf.c -> a/src/bpf/net.ingress.json";
const C: &str = "c/src/bpf/one.bpf.c -> c/src/bpf/one.json";

#[test]
fn stale_skeletons_of_workspace_are_built() {
    let (workspace, path) = folder("make");
    fs::write(
        workspace.join("Cargo.toml"),
        "[workspace]\nresolver = \"3\"\nmembers = [\"a\", \"b\", \"c\"]\n",
    )
    .unwrap();
    package(&workspace.join("a"), "a", &["net.egress", "net.ingress"]);
    package(&workspace.join("b"), "b", &[]);
    package(&workspace.join("c"), "c", &["one"]);
    assert_eq!(made(&path, &[]), [A, B, C]);
    assert!(["a", "b", "c"].iter().all(|name| workspace.join("target/debug").join(name).is_file()));
    assert_eq!(
        names(&workspace.join("a/src/bpf")),
        ["net.egress.bpf.c", "net.egress.json", "net.ingress.bpf.c", "net.ingress.json", "shape.h"]
    );
    assert_eq!(made(&path, &[]), [""; 0]);

    // The source, a header, and a skeleton that is gone.
    let edit = |file: &str, text: &str| fs::write(workspace.join(file), text).unwrap();
    edit("a/src/bpf/net.egress.bpf.c", &format!("{PROGRAM}int more;\n"));
    assert_eq!(made(&path, &[]), [A]);
    edit("c/src/bpf/shape.h", "#define RESULT 1\n");
    assert_eq!(made(&path, &[]), [C]);
    fs::remove_file(workspace.join("a/src/bpf/net.ingress.json")).unwrap();
    assert_eq!(made(&path, &[]), [B]);
    // Whether the skeleton was built with these arguments is not known.
    assert_eq!(made(&path, &["--clang-arg=-DX=1"]), [A, B, C]);
    // A skeleton that does not list its source.
    let one = workspace.join("c/src/bpf/one.json");
    let mut skeleton = Skeleton::from_file(&one).unwrap();
    skeleton.other.remove("sources");
    fs::write(&one, skeleton.to_json()).unwrap();
    assert_eq!(made(&path, &[]), [C]);

    // The object names the source as in its package.
    let object = skeleton.object.unwrap();
    let holds = |text: &str| object.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("src/bpf/one.bpf.c") && !holds("c/src/bpf/one.bpf.c") && !holds(&path));

    // The arguments are those of `cargo build`.
    made(&path, &["--package", "b", "--release"]);
    let built = workspace.join("target/release");
    assert!(built.join("b").is_file() && !built.join("a").exists());
}

#[test]
fn refused_sources_and_packages_end_the_build() {
    let (folder, path) = folder("make-refused");
    package(&folder, "x", &["one"]);
    fs::write(folder.join("Cargo.toml"), "[package]\nname = \"x\"\n\n[workspace]\n").unwrap();
    let broken = folder.join("src/bpf/one.bpf.c");
    fs::write(&broken, "int x = SIDES;\n").unwrap();
    let Ran { exit, err, .. } = make(&path, &[]);
    assert!(
        exit == Exit::Failed
            && err.contains("src/bpf/one.bpf.c:1:9: error: use of undeclared identifier 'SIDES'"),
        "{err}"
    );
    assert_eq!(names(&folder), ["Cargo.toml", "src"], "cargo did not run");
    assert_eq!(names(&folder.join("src/bpf")), ["one.bpf.c", "shape.h"]);

    // A file that is no skeleton is somebody's.
    fs::write(&broken, PROGRAM).unwrap();
    fs::write(folder.join("src/bpf/one.json"), "[1, 2]\n").unwrap();
    let Ran { exit, err, .. } = make(&path, &[]);
    assert!(exit == Exit::Failed && err.contains("src/bpf/one.json: "), "{err}");
    assert_eq!(fs::read_to_string(folder.join("src/bpf/one.json")).unwrap(), "[1, 2]\n");
    fs::remove_file(folder.join("src/bpf/one.json")).unwrap();

    // cargo says itself what is wrong.
    fs::write(folder.join("src/main.rs"), "fn main() { 1 }\n").unwrap();
    assert_eq!(make(&path, &[]).exit, Exit::Cargo(101));
    assert_eq!(make(&path, &["--no-such-option"]).exit, Exit::Cargo(1));
    assert!(folder.join("src/bpf/one.json").is_file());
}

/// The sources of a package may be somebody else's.
#[test]
fn names_of_files_move_no_terminal() {
    let (folder, path) = folder("make-names");
    package(&folder, "x", &["red\u{1b}[31m\nforged"]);
    let manifest = "[package]\nname = \"x\"\n\n[workspace]\n";
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    let Ran { exit, err, .. } = make(&path, &[]);
    let expected =
        "src/bpf/red\\u{1b}[31m\\nforged.bpf.c: its name has control characters; rename the file\n";
    assert!(exit == Exit::Failed && err.ends_with(expected), "{err}");
    fs::remove_dir_all(folder.join("src/bpf")).unwrap();

    package(&folder, "x", &["one"]);
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    let own = folder.join("src/bpf");
    let source = format!("#include \"red{}[31m.h\"\n{PROGRAM}", '\u{1b}');
    fs::write(own.join("one.bpf.c"), source).unwrap();
    fs::write(own.join("red\u{1b}[31m.h"), "#warning \"x\"\n").unwrap();
    let Ran { exit, err, .. } = make(&path, &[]);
    assert_eq!(exit, Exit::Done, "{err}");
    assert!(err.contains("red\\u{1b}[31m.h:1:2: warning: ") && !err.contains('\u{1b}'), "{err}");
}

#[test]
fn what_is_missing_is_named() {
    let (folder, path) = folder("make-missing");
    package(&folder, "x", &[]);
    fs::write(folder.join("Cargo.toml"), "[package]\nname = \"x\"\n\n[workspace]\n").unwrap();
    let none = format!(
        "no package of {path} has a BPF program in src/bpf/*.bpf.c; put it there, or write an app that has one with `cargo eunomia new`\n"
    );
    let manifest = format!("{path}/Cargo.toml");
    assert_eq!(refused(&["make", "--manifest-path", &manifest]), none);
    fs::create_dir(folder.join("src/bpf")).unwrap();
    fs::write(folder.join("src/bpf/.bpf.c"), "").unwrap();
    assert_eq!(refused(&["make", "--manifest-path", &manifest]), none);
    let missing = refused(&["make", "--manifest-path", &format!("{path}/none/Cargo.toml")]);
    assert!(missing.contains("none/Cargo.toml` does not exist"), "{missing}");
    let Ran { exit, err, .. } = run(&["make", "--release", "--manifest-path", &manifest]);
    assert!(
        exit == Exit::Usage
            && err.starts_with("error: `--manifest-path` is an option of this command; put it before the arguments of cargo\n"),
        "{err}"
    );
}
