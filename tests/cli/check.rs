//! `cargo eunomia check`.

use std::{fs, process::Command, thread};

use eunomia_build::{Skeleton, cli::Exit};
use eunomia_tests::fixture;

use super::{Ran, clang, disagreeing, disagreements, folder, printed, refused, run, run_with};

/// A shell replaces a pattern by the names of files, which other users may have chosen.
#[test]
fn names_of_files_cannot_forge_lines() {
    const NAME: &str = "x\u{1b}[2J\u{9b}\nroot: done";
    let option = format!("--{NAME}");
    let cases: [&[&str]; 3] =
        [&["check", "x.json", NAME], &["gen", &option], &["build", "x.bpf.c", "--event", NAME]];
    for words in cases {
        let Ran { exit, err, .. } = run(words);
        assert_eq!(exit, Exit::Usage, "{words:?}");
        assert!(err.contains(r"x\u{1b}[2J\u{9b}\nroot: done"), "{words:?}: {err}");
    }
}

#[test]
fn sound_skeleton_is_summarized_on_one_line() {
    assert_eq!(
        printed(&["check", "bpf/bootstrap.json"]),
        "bpf/bootstrap.json: object bootstrap; maps: exec_start, rb; programs: handle_exec, handle_exit; exports: rb (struct event)\n"
    );
    // Several maps with different types.
    assert_eq!(
        printed(&["check", "bpf/streams.json"]),
        "bpf/streams.json: object streams; maps: notes, rb, events; programs: produce, mixture, annotate, perf; \
         exports: notes (struct note), rb (struct sample), events (struct sample)\n"
    );
}

#[test]
fn exports_without_type_are_explained() {
    let (folder, path) = folder("check-why");
    let mut skeleton = Skeleton::from_file("bpf/streams.json").unwrap();
    skeleton.multiple_exports = false;
    skeleton.exports.clear();
    fs::write(folder.join("x.json"), skeleton.to_json()).unwrap();
    let notes = "struct note; found: the programs reserve 24 bytes, and their source line names `struct note`";
    let rb = "bytes: the object declares `struct sample`, `struct note`, and 3 maps deliver records, and the programs send 23 or 64 or 76 bytes";
    let events = "struct sample; found: the programs send 64 bytes, and the unused variable `__eunomia_dummy_sample_ptr` names the only struct of that size";
    let printed_all = printed(&["check", &format!("{path}/x.json")]);
    let [summary, note] = printed_all.lines().collect::<Vec<_>>()[..] else {
        panic!("{printed_all}")
    };
    let exports = format!("; exports: notes ({notes}), rb ({rb}), events ({events})");
    assert!(summary.ends_with(&exports), "{summary}");
    let start = format!("note: {path}/x.json: the records of `rb` are delivered as {rb}; name");
    assert!(note.starts_with(&start), "{note}");
    assert!(note.contains("`--event 'rb=struct NAME'`"), "{note}");
    // The application names it.
    let named = printed(&["check", &format!("{path}/x.json"), "--event", "rb=struct sample"]);
    assert!(named.contains(", rb (struct sample), events "), "{named}");
    let object = Skeleton::from_file("bpf/bootstrap.json").unwrap().object.unwrap();
    let all = "object bootstrap; maps: exec_start, rb; programs: handle_exec, handle_exit";
    // Members that the document selects.
    let config = r#""export_config": {"custom_members": [{"name": "comm", "offset": 32, "btf_type_id": 2}]}, "ident": "rb""#;
    let text = fixture("bootstrap")
        .replace("\"meta\": {", "\"meta\": {\"enable_multiple_export_types\": true,")
        .replace("\"ident\": \"rb\"", config);
    fs::write(folder.join("custom.json"), text).unwrap();
    assert_eq!(
        printed(&["check", &format!("{path}/custom.json")]),
        format!("{path}/custom.json: {all}; exports: rb (custom: int comm)\n")
    );
    // The dummy variables of a bare object declare its types.
    fs::write(folder.join("bootstrap.bpf.o"), object).unwrap();
    assert_eq!(
        printed(&["check", &format!("{path}/bootstrap.bpf.o")]),
        format!("{path}/bootstrap.bpf.o: {all}; exports: rb (struct event)\n")
    );
}

/// Names in a document can neither begin a line nor control the terminal.
#[test]
fn names_are_plain_text() {
    let (folder, path) = folder("check-plain");
    let mut json: serde_json::Value = serde_json::from_str(&fixture("bootstrap")).unwrap();
    let file = format!("{path}/x.json");
    json["meta"]["bpf_skel"]["obj_name"] = "a\u{1b}[31m\u{7}\nb".into();
    fs::write(folder.join("x.json"), json.to_string()).unwrap();
    let printed = printed(&["check", &file]);
    assert!(
        printed.starts_with(&format!(r"{file}: object a\u{{1b}}[31m\u{{7}}\nb; maps: ")),
        "{printed}"
    );
    assert_eq!(printed.lines().count(), 1);
    json["meta"]["bpf_skel"]["maps"][0]["name"] = format!("x\n{file}:1:1: forged\u{1b}").into();
    fs::write(folder.join("x.json"), json.to_string()).unwrap();
    let refused = refused(&["check", &file]);
    assert!(refused.contains(&format!(r"no map `x\n{file}:1:1: forged\u{{1b}}`")), "{refused}");
    assert_eq!(refused.lines().count(), 1);
    // The same holds for names of files.
    fs::write(folder.join("y\u{1b}[31m\nz.json"), fixture("bootstrap")).unwrap();
    let printed = self::printed(&["check", &format!("{path}/y\x1b[31m\nz.json")]);
    assert!(
        printed.starts_with(&format!(r"{path}/y\u{{1b}}[31m\nz.json: object bootstrap; maps: ")),
        "{printed}"
    );
    assert_eq!(printed.lines().count(), 1);
}

#[test]
fn every_fault_has_path_and_line() {
    let (folder, _) = folder("check-faults");
    let [metadata, object] = disagreeing(&folder);
    assert_eq!(refused(&["check", &metadata, "--object", &object]), disagreements(&metadata));
    assert_eq!(
        refused(&["check", &metadata]),
        format!(
            "{metadata}: the document contains no BPF object; pass the object as well, or use the package that the compiler wrote\n"
        )
    );
    assert_eq!(
        refused(&["check", "bpf/names.bpf.c"]),
        "bpf/names.bpf.c: this is C, not a skeleton; `cargo eunomia build FILE.bpf.c` makes a skeleton from it, `Config::source` a module\n"
    );
    assert_eq!(
        refused(&["check", "none.json"]),
        "cannot read none.json: No such file or directory (os error 2)\n"
    );
}

/// `check` finds a value that does not fit its variable, as opening does.
#[test]
fn values_are_checked() {
    let (folder, path) = folder("check-values");
    let text = fixture("bootstrap")
        .replace("\"name\": \"min_duration_ns\",", "\"name\": \"min_duration_ns\", \"value\": -5,");
    fs::write(folder.join("x.json"), &text).unwrap();
    let line = 1 + text.lines().position(|line| line.contains("-5")).unwrap();
    let column = 1 + text.lines().find_map(|line| line.find("-5")).unwrap();
    assert_eq!(
        refused(&["check", &format!("{path}/x.json")]),
        format!(
            "{path}/x.json:{line}:{column}: meta.bpf_skel.data_sections[0].variables[0].value: `-5` is not a value of type \
             `const volatile unsigned long long`; expected a number from 0 to 18446744073709551615\n"
        )
    );
}

/// `check` reads options of variables and targets of programs, as opening does, and reports all
/// faults at once.
#[test]
fn options_and_targets_are_checked() {
    let (folder, path) = folder("check-setup");
    let mut json: serde_json::Value = serde_json::from_str(&fixture("programs")).unwrap();
    let skel = &mut json["meta"]["bpf_skel"];
    let variable = &mut skel["data_sections"][0]["variables"][0];
    variable["value"] = "seven".into();
    variable["cmdarg"] = serde_json::json!({"long": "help", "default": "eight"});
    skel["progs"][0]["ifindex"] = "nine".into();
    skel["progs"][0]["flags"] = (-10).into();
    skel["progs"][1]["tchook"]["attach_point"] = "eleven".into();
    let text = serde_json::to_string_pretty(&json).unwrap();
    fs::write(folder.join("x.json"), &text).unwrap();
    let at = |value: &str| {
        let (line, found) =
            text.lines().enumerate().find(|(_, line)| line.contains(value)).unwrap();
        format!("{path}/x.json:{}:{}: meta.bpf_skel", line + 1, found.find(value).unwrap() + 1)
    };
    let name =
        json["meta"]["bpf_skel"]["data_sections"][0]["variables"][0]["name"].as_str().unwrap();
    let no_value = "is not a value of type `unsigned long long`; expected a number from 0 to 18446744073709551615";
    assert_eq!(
        refused(&["check", &format!("{path}/x.json")]),
        format!(
            "{}.data_sections[0].variables[0].value: `seven` {no_value}\n\
             {}.data_sections[0].variables[0].cmdarg.default: `eight` {no_value}\n\
             {}.data_sections[0].variables[0].cmdarg.long: option `--help` of variable `{name}` is already used by every program; set \
             another in `cmdarg.long`\n\
             {}.progs[0].flags: expected a whole number from 0 to 4294967295, found -10\n\
             {}.progs[0].ifindex: expected a whole number from 1 to 4294967295, found \"nine\"\n\
             {}.progs[1].tchook.attach_point: expected \"BPF_TC_INGRESS\" or \"BPF_TC_EGRESS\"; for other attach points, attach the \
             program by its handle\n",
            at("\"seven\""),
            at("\"eight\""),
            at("\"help\""),
            at("-10"),
            at("\"nine\""),
            at("\"eleven\"")
        )
    );
}

/// A fault of an object that is passed with the document names the object's file.
#[test]
fn faults_of_object_name_its_file() {
    assert_eq!(
        refused(&["check", "bpf/bootstrap.json", "--object", "bpf/names.json"]),
        "bpf/names.json: this is JSON, not a BPF object; give it as the skeleton\n"
    );
    let (folder, path) = folder("check-object");
    let [_, object] = disagreeing(&folder);
    let Ran { exit, err, .. } = run(&["check", &object, "--object", &object]);
    assert_eq!(exit, Exit::Usage);
    assert!(
        err.starts_with("error: `--object` belongs to a skeleton, but the input is an object\n"),
        "{err}"
    );
    // The object in the document is ignored then.
    assert!(
        refused(&["check", "bpf/names.json", "--object", &object]).starts_with("bpf/names.json:")
    );
    assert!(
        printed(&["check", "bpf/bootstrap.json", "--object", &object])
            .starts_with("bpf/bootstrap.json: object bootstrap;")
    );
    assert_eq!(
        refused(&["check", "bpf/bootstrap.json", "--object", &format!("{path}/none.o")]),
        format!("cannot read {path}/none.o: No such file or directory (os error 2)\n")
    );
}

#[test]
fn standard_input_is_read() {
    let Ran { exit, out, err } = run_with(&["check", "-"], fixture("bootstrap").as_bytes());
    assert_eq!((exit, err.as_str()), (Exit::Done, ""));
    assert!(out.starts_with("<stdin>: object bootstrap; "), "{out}");
    let Ran { exit, out, err } = run_with(&["check", "-"], b"{\n\"bpf_skel\": 7}");
    assert_eq!(
        (exit, out.as_str(), err.as_str()),
        (Exit::Failed, "", "<stdin>:2:13: bpf_skel: expected an object, found a number\n")
    );
}

/// If the C source next to a skeleton has changed since, the skeleton does not describe it any
/// more.
#[test]
fn skeleton_older_than_its_source_is_refused() {
    let (folder, path) = folder("check-stale");
    fs::write(folder.join("x.bpf.c"), "int x = 1;\n").unwrap();
    let file = format!("{path}/x.json");
    printed(&["build", &format!("{path}/x.bpf.c"), "-o", &file, "--clang", &clang()]);
    let summed_up = format!("{file}: object x; maps: none; programs: none; exports: none\n");
    assert_eq!(printed(&["check", &file]), summed_up);
    fs::write(folder.join("x.bpf.c"), "int x = 2;\n").unwrap();
    let expected = format!(
        "{file}: `x.bpf.c` changed after the skeleton was built; rebuild it with `cargo eunomia build {path}/x.bpf.c -o {file}` and the same \
         arguments for clang, or accept it with `stale = true` of the macro, `Config::stale(true)` or `--stale` of the command\n"
    );
    assert_eq!(refused(&["check", &file]), expected);
    assert_eq!(printed(&["check", &file, "--stale"]), summed_up);
    // Standard input has no source next to it.
    let Ran { exit, err, .. } = run_with(&["check", "-"], &fs::read(&file).unwrap());
    assert_eq!((exit, err.as_str()), (Exit::Done, ""));
    // Without the source, the skeleton cannot be compared.
    fs::remove_file(folder.join("x.bpf.c")).unwrap();
    assert_eq!(printed(&["check", &file]), summed_up);
    // A FIFO is not opened, since that would wait for a writer.
    assert!(Command::new("mkfifo").arg(folder.join("x.bpf.c")).status().unwrap().success());
    assert_eq!(printed(&["check", &file]), summed_up);
}

/// A shell passes the name of a pipe for `<(..)`.
#[test]
fn skeleton_is_read_from_pipe() {
    let (folder, path) = folder("check-pipe");
    let (fifo, text) = (folder.join("x.json"), fixture("bootstrap"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let writer = thread::spawn({
        let fifo = fifo.clone();
        move || fs::write(fifo, text).unwrap()
    });
    let printed = printed(&["check", &format!("{path}/x.json")]);
    writer.join().unwrap();
    assert!(printed.starts_with(&format!("{path}/x.json: object bootstrap; ")), "{printed}");
}
