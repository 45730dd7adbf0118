//! `cargo eunomia build`.

use std::{
    ffi::OsString,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use eunomia_build::{Skeleton, cli::Exit};
use eunomia_tests::fixture;

use super::{Ran, clang, folder, names, printed, refused, run};

const SOURCE: &str = "\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include \"shape.h\"
struct shape shape = { .sides = SIDES };
";

#[test]
fn build_writes_package_of_source() {
    let (folder, path) = folder("build");
    let package = format!("{path}/names.json");
    assert_eq!(printed(&["build", "bpf/names.bpf.c", "--clang", &clang(), "-o", &package]), "");
    let text = fs::read_to_string(&package).unwrap();
    assert!(printed(&["build", "bpf/names.bpf.c", "--clang", &clang(), "-o", "-"]) == text);
    // The committed package does not list its sources.
    let mut skeleton = Skeleton::parse(&text, &package).unwrap();
    let sources = skeleton.other.remove("sources").unwrap();
    assert!(
        sources["names.bpf.c"].is_string() && !text.contains(env!("CARGO_MANIFEST_DIR")),
        "{sources}"
    );
    assert!(skeleton.to_json() == fixture("names"), "it differs from the committed package");
    assert_eq!(names(&folder), ["names.json"]);
}

#[test]
fn arguments_reach_clang_and_its_errors_pass_through() {
    let (folder, path) = folder("build-args");
    fs::create_dir(folder.join("include")).unwrap();
    fs::write(folder.join("include/shape.h"), "struct shape { int sides; long area; };\n").unwrap();
    fs::write(folder.join("shape.bpf.c"), SOURCE).unwrap();
    let (source, package, clang) =
        (format!("{path}/shape.bpf.c"), format!("{path}/shape.json"), clang());
    let include = format!("--clang-arg=-I{path}/include");
    let build =
        ["build", &source, "--clang", &clang, "-o", &package, &include, "--clang-arg", "-DSIDES=3"];
    assert_eq!(
        refused(&build[..7]),
        format!(
            "{source}:4:33: error: use of undeclared identifier 'SIDES'\n    4 | struct shape shape = {{ .sides = SIDES }};\n      \
             |                                 ^\n1 error generated.\n"
        )
    );
    assert_eq!(names(&folder), ["include", "shape.bpf.c"]);
    assert_eq!(printed(&build), "");
    assert_eq!(names(&folder), ["include", "shape.bpf.c", "shape.json"]);
    assert_eq!(
        printed(&["check", &package]),
        format!("{package}: object shape; maps: none; programs: none; exports: none\n")
    );
}

/// The output of clang goes to standard error unchanged, whether the skeleton is written or
/// refused.
#[test]
fn warnings_of_clang_are_shown() {
    let (folder, path) = folder("build-warnings");
    let [source, package] = ["warn.bpf.c", "warn.json"].map(|name| format!("{path}/{name}"));
    let clang = clang();
    let build = ["build", &source, "--clang", &clang, "-o", &package];
    let warning = format!(
        "{source}:1:2: warning: not yet [-W#warnings]\n    1 | #warning not yet\n      |  ^\n1 warning generated.\n"
    );
    fs::write(&source, "#warning not yet\nint x;\n").unwrap();
    let Ran { exit, out, err } = run(&build);
    assert_eq!((exit, out.as_str(), err.as_str()), (Exit::Done, "", warning.as_str()));
    assert_eq!(names(&folder), ["warn.bpf.c", "warn.json"]);
    fs::write(
        &source,
        "#warning not yet\nstruct event; const volatile struct event *__eunomia_dummy_event_ptr;\n",
    )
    .unwrap();
    let refusal = refused(&build);
    assert!(
        refusal
            .strip_prefix(&warning)
            .is_some_and(|fault| fault.starts_with(&format!("{source}: `__eunomia_dummy"))),
        "{refusal}"
    );
}

/// The skeleton does not replace the source or its headers.
#[test]
fn inputs_are_not_overwritten() {
    let (folder, path) = folder("build-input");
    let [source, header] = ["x.bpf.c", "x.h"].map(|name| format!("{path}/{name}"));
    let texts = ["#include \"x.h\"\nint x = X;\n", "#define X 1\n"];
    fs::write(&source, texts[0]).unwrap();
    fs::write(&header, texts[1]).unwrap();
    for output in [&source, &header] {
        let Ran { exit, err, .. } = run(&["build", &source, "--clang", &clang(), "-o", output]);
        assert!(
            exit == Exit::Usage
                && err.starts_with(&format!("error: {output} is read by this command")),
            "{err}"
        );
    }
    assert_eq!([&source, &header].map(|file| fs::read_to_string(file).unwrap()), texts);
    assert_eq!(names(&folder), ["x.bpf.c", "x.h"]);
}

#[test]
fn failures_are_explained() {
    let (folder, path) = folder("build-refusals");
    let package = format!("{path}/x.json");
    // The hint names an installed clang with its version in its name, otherwise the package.
    let missing =
        refused(&["build", "bpf/names.bpf.c", "--clang", "no-such-clang", "-o", &package]);
    let why = "cannot compile bpf/names.bpf.c: cannot run `no-such-clang`: No such file or directory (os error 2); ";
    let todo = missing.strip_prefix(why).unwrap();
    assert!(
        todo.contains("select it with `--clang clang-")
            || todo == "install the Debian package clang, or select another clang with `--clang`\n",
        "{missing}"
    );
    let clang = clang();
    assert_eq!(
        refused(&["build", "bpf/names.cc", "--clang", &clang, "-o", &package]),
        "cannot compile bpf/names.cc: the name of a BPF C file must end with `.c`; rename the file\n"
    );
    // What clang says stays as it is; a line after it says what to do.
    let no_target = "error: unable to create target: 'No available targets are compatible with triple \"bpf\"'\n";
    let (_, scripts) = super::folder("build-no-target");
    let without = format!("{scripts}/clang");
    fs::write(&without, format!("#!/bin/sh\ncat >&2 <<'.'\n{no_target}.\nexit 1\n")).unwrap();
    fs::set_permissions(&without, Permissions::from_mode(0o755)).unwrap();
    let error = refused(&["build", "bpf/names.bpf.c", "--clang", &without, "-o", &package]);
    assert!(error.contains(no_target), "{error}");
    assert!(error.contains("This clang was built without the BPF target; install"), "{error}");
    assert_eq!(
        refused(&["build", "bpf/names.bpf.c", "--clang", "false", "-o", &package]),
        "cannot compile bpf/names.bpf.c: `false` failed without a message (exit status: 1)\n"
    );
    assert_eq!(
        refused(&["build", "bpf/names.bpf.c", "--clang", &clang, "--clang-arg=-S", "-o", &package]),
        "cannot compile bpf/names.bpf.c: clang writes no object with `-S`; remove the argument\n"
    );
    let missing = refused(&["build", "bpf/none.bpf.c", "--clang", &clang, "-o", &package]);
    assert_eq!(
        missing,
        format!(
            "{clang}: error: no such file or directory: 'bpf/none.bpf.c'\n{clang}: error: no input files\n"
        )
    );
    // The source compiles, but its object cannot be described.
    let source = folder.join("static.bpf.c");
    fs::write(&source, "struct event; const volatile struct event *__eunomia_dummy_event_ptr;\n")
        .unwrap();
    assert_eq!(
        refused(&["build", source.to_str().unwrap(), "--clang", &clang, "-o", &package]),
        format!(
            "{path}/static.bpf.c: `__eunomia_dummy_event_ptr` is `const volatile struct event *`, not a pointer to a complete struct or \
             union that has a tag; give the struct a tag, and declare it with its members before the pointer\n"
        )
    );
    assert_eq!(names(&folder), ["static.bpf.c"]);
    // clang writes a wrong layout of this type.
    fs::write(&source, "struct far { char space[3 << 20]; unsigned a : 3, b : 29; } far;\n")
        .unwrap();
    printed(&["build", source.to_str().unwrap(), "--clang", &clang, "-o", &package]);
    let wrong = refused(&["gen", &package]);
    assert!(
        wrong.contains("the variable `far`: `struct far` has more members or longer names than its bytes can hold, or a member at another offset than in C; "),
        "{wrong}"
    );
}

/// The error of libbpf's linker is shown.
#[test]
fn failures_of_linker_are_shown() {
    let (folder, path) = folder("build-link");
    let source = format!("{path}/x.bpf.c");
    for (text, arg, why) in [
        (
            "__attribute__((visibility(\"protected\"))) int x = 1;\n",
            "-O2",
            "unsupported symbol visibility 3",
        ),
        (
            "int x;\nint y = 1;\n",
            "-fcommon",
            "failed to find BTF info for global/extern symbol 'x'",
        ),
    ] {
        fs::write(&source, text).unwrap();
        let text = refused(&[
            "build",
            &source,
            "--clang",
            &clang(),
            &format!("--clang-arg={arg}"),
            "-o",
            &format!("{path}/x.json"),
        ]);
        assert!(
            text.starts_with(&format!("cannot link {source}: ")) && text.contains(why),
            "{text}"
        );
    }
    assert_eq!(names(&folder), ["x.bpf.c"]);
}

#[test]
fn sources_are_linked_into_one_object() {
    let (folder, path) = folder("build-several");
    let [one, two, both] =
        ["one.bpf.c", "two.bpf.c", "both.json"].map(|name| format!("{path}/{name}"));
    let text = |name: &str| {
        format!(
            "int {name} = 1;\n__attribute__((section(\"xdp\"))) int p_{name}(void *c) {{ return {name}; }}\n"
        )
    };
    fs::write(&one, text("one")).unwrap();
    fs::write(&two, text("two")).unwrap();
    let Ran { exit, err, .. } = run(&["build", &one, &two, "--clang", &clang()]);
    assert!(
        exit == Exit::Usage
            && err.contains(
                "several sources are linked into one object; name its skeleton with `-o FILE.json`"
            ),
        "{err}"
    );
    printed(&["build", &one, &two, "--clang", &clang(), "-o", &both]);
    assert_eq!(
        printed(&["check", &both]),
        format!("{both}: object both; maps: none; programs: p_one, p_two; exports: none\n")
    );
    fs::write(&two, text("one")).unwrap();
    let text = refused(&["build", &one, &two, "--clang", &clang(), "-o", &both]);
    assert_eq!(
        text,
        format!(
            "cannot link {two}: conflicting non-weak symbol #11 (p_one) definition in '{two}'\n"
        )
    );
    assert_eq!(names(&folder), ["both.json", "one.bpf.c", "two.bpf.c"]);
}

/// Variables of `.bss` take no bytes of an object, but thrice their size as text.
#[test]
fn inspect_shows_a_bounded_number_of_values() {
    let (_, path) = folder("build-many");
    let source = format!("{path}/many.bpf.c");
    let variables: String =
        (0..1000).map(|at| format!("unsigned char v{at:04}[4096];\n")).collect();
    fs::write(&source, variables).unwrap();
    let package = format!("{path}/many.json");
    printed(&["build", &source, "--clang", &clang(), "-o", &package]);
    let mut out = Vec::new();
    let words = ["eunomia", "inspect", &package, "--json"].map(OsString::from);
    let exit = eunomia_runtime::cli::run(words, &mut &b""[..], &mut out, &mut Vec::new());
    assert_eq!(exit as u8, 0);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("\"v0999\""));
    let values = text.matches("\"value\": [").count();
    assert!((300..600).contains(&values), "{values}");
}
