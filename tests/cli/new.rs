//! `cargo eunomia new`: the apps of all templates are built and tested. `tests/live` runs them.

use std::{env, fs, os::unix::fs::symlink, path::Path, process::Command};

use eunomia_build::{Skeleton, cli::Exit};
use eunomia_tests::crates::cargo;

use super::{Ran, clang, folder, names, printed, refused, run};

const TEMPLATES: [&str; 4] = ["tracer", "histogram", "xdp", "profiler"];

/// Returns the output of a command that succeeds.
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}{err}");
    assert_eq!(err, "", "{command:?}");
    out.into_owned()
}

/// Builds an app and runs those of its tests that need no privileges.
fn tested(app: &Path, path: &str) {
    let tested = succeed(cargo(env!("CARGO_TARGET_TMPDIR"), app, "test").env("PATH", path));
    assert!(tested.contains("; 0 failed; 1 ignored;"), "{tested}");
    // The style is that of rustfmt without a configuration.
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--check", "--edition", "2024", "--config-path", "/dev/null"]);
    succeed(rustfmt.arg(app.join("src/main.rs")));
}

/// The macro needs no clang: none is in the search path.
#[test]
fn apps_with_skeletons_pass_their_tests() {
    let (apps, path) = folder("new");
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for template in TEMPLATES {
        let name = format!("new-{template}");
        let out = printed(&["new", &format!("{path}/{name}"), "--template", template]);
        assert!(
            out.contains(&format!("It uses the crates of eunomia in {}.\n", clone.display()))
                && out.contains("\n  cargo run -- "),
            "{out}"
        );
        let app = apps.join(&name);
        assert_eq!(names(&app), [".gitignore", "Cargo.toml", "README.md", "src"]);
        assert_eq!(names(&app.join("src")), ["bpf", "main.rs", "tests.rs"]);
        let files = [format!("{name}.bpf.c"), format!("{name}.json")];
        assert_eq!(names(&app.join("src/bpf")), files);
        let texts: String = ["Cargo.toml", "README.md", "src/main.rs"]
            .map(|file| fs::read_to_string(app.join(file)).unwrap())
            .concat();
        for word in ["NAME", "ABOUT", "USAGE", "REBUILD", "SKELETON"] {
            assert!(!texts.contains(word), "{word} in {texts}");
        }
        tested(&app, &env::var("PATH").unwrap());
    }
    assert_eq!(names(&apps).len(), TEMPLATES.len());
}

#[test]
fn apps_with_build_scripts_pass_their_tests() {
    let (apps, path) = folder("new-built");
    // The build script runs `clang`.
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", &clang()]).output().unwrap();
    let tools = apps.join("tools");
    fs::create_dir(&tools).unwrap();
    symlink(String::from_utf8(found.stdout).unwrap().trim_end(), tools.join("clang")).unwrap();
    let search = format!("{}:{}", tools.display(), env::var("PATH").unwrap());
    for template in TEMPLATES {
        let name = format!("built-{template}");
        printed(&["new", &format!("{path}/{name}"), "--template", template, "--build-script"]);
        let app = apps.join(&name);
        assert_eq!(names(&app), [".gitignore", "Cargo.toml", "README.md", "build.rs", "src"]);
        assert_eq!(names(&app.join("src/bpf")), [format!("{name}.bpf.c")]);
        tested(&app, &search);
    }
}

/// The skeleton is the one that `make` would write: a change of the source is detected.
#[test]
fn skeleton_lists_its_source() {
    let (apps, path) = folder("new-stale");
    printed(&["new", &format!("{path}/a-1_b")]);
    let package = format!("{path}/a-1_b/src/bpf/a-1_b.json");
    assert_eq!(Skeleton::from_file(&package).unwrap().name, "a_1_b");
    assert_eq!(
        printed(&["check", &package]),
        format!(
            "{package}: object a_1_b; maps: events; programs: started; exports: events (struct event)\n"
        )
    );
    let source = apps.join("a-1_b/src/bpf/a-1_b.bpf.c");
    fs::write(&source, fs::read_to_string(&source).unwrap() + "int more;\n").unwrap();
    assert!(refused(&["check", &package]).contains("`a-1_b.bpf.c` changed after"));
}

/// Nothing is written, not even in part.
#[test]
fn unusable_names_are_refused() {
    let (folder, path) = folder("new-names");
    let letters = "the name of a package begins with a letter and has letters, digits, `-` and `_`";
    for (name, why) in [
        ("2nd", letters),
        ("_x", letters),
        ("größe", letters),
        ("a b", letters),
        ("", letters),
        ("..", letters),
        ("match", "`match` is a keyword of Rust; choose another name"),
        ("Self", "`Self` is a keyword of Rust; choose another name"),
        ("gen", "`gen` is a keyword of Rust; choose another name"),
        (
            "test",
            "`test` means something else to cargo, or is a crate that the app uses; choose another name",
        ),
        (
            "std",
            "`std` means something else to cargo, or is a crate that the app uses; choose another name",
        ),
        (
            "eunomia-runtime",
            "`eunomia-runtime` means something else to cargo, or is a crate that the app uses; choose another name",
        ),
    ] {
        let named = format!("{path}/{name}");
        // A path that ends with `/` would name its folder.
        let named = if name.is_empty() { "" } else { &named };
        let Ran { exit, out, err } = run(&["new", named]);
        let expected = format!("error: invalid value '{named}' for '<NAME>': {why}\n");
        assert!(
            (exit, out.as_str()) == (Exit::Usage, "") && err.starts_with(&expected),
            "{name}: {err}"
        );
    }
    assert_eq!(names(&folder), [""; 0]);
}

#[test]
fn existing_files_are_kept() {
    let (folder, path) = folder("new-existing");
    for (name, file) in [("full", "full/x"), ("file", "file")] {
        fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
        fs::write(folder.join(file), "mine").unwrap();
        assert_eq!(
            refused(&["new", &format!("{path}/{name}")]),
            format!("{path}/{name} exists already; choose another name, or remove it first\n")
        );
        assert_eq!(fs::read_to_string(folder.join(file)).unwrap(), "mine");
    }
    symlink("nowhere", folder.join("link")).unwrap();
    assert!(refused(&["new", &format!("{path}/link")]).contains("exists already"));
    assert_eq!(
        refused(&["new", &format!("{path}/none/app")]),
        format!("cannot write {path}/none/app: No such file or directory (os error 2)\n")
    );
    assert_eq!(names(&folder), ["file", "full", "link"]);
    // An empty folder is taken.
    fs::create_dir(folder.join("empty")).unwrap();
    printed(&["new", &format!("{path}/empty")]);
    assert!(folder.join("empty/Cargo.toml").is_file());
}

#[test]
fn clone_is_named() {
    let (folder, path) = folder("new-clone");
    assert_eq!(
        refused(&["new", &format!("{path}/app"), "--eunomia", &path]),
        format!("{path} has no folder eunomia-runtime; name a clone of eunomia's repository\n")
    );
    let clone = folder.join("a \"clone\"");
    fs::create_dir_all(clone.join("eunomia-runtime")).unwrap();
    fs::write(clone.join("eunomia-runtime/Cargo.toml"), "").unwrap();
    printed(&["new", &format!("{path}/app"), "--eunomia", clone.to_str().unwrap()]);
    let manifest = fs::read_to_string(folder.join("app/Cargo.toml")).unwrap();
    assert!(
        manifest.contains(&format!(
            "eunomia-macros = {{ path = \"{path}/a \\\"clone\\\"/eunomia-macros\" }}\n"
        )),
        "{manifest}"
    );
}
