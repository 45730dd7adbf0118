//! `eunomia inspect` and `eunomia check`.

use eunomia_runtime::{Skeleton, cli::Exit};
use serde_json::{Value, json};

use super::{Ran, folder, printed, refused, reviewed, run, run_with};

/// Tables are compared with reviewed files.
#[test]
fn tables_match_reviewed_text() {
    let names = ["bootstrap", "kinds", "profile", "shapes", "streams"];
    reviewed(
        "command/inspect",
        names.map(|name| (name, printed(&["inspect", &format!("bpf/{name}.json")]))),
    );
}

#[test]
fn json_describes_object() {
    let object: Value =
        serde_json::from_str(&printed(&["inspect", "bpf/bootstrap.json", "--json"])).unwrap();
    assert_eq!((&object["name"], &object["format"]), (&json!("bootstrap"), &json!("package")));
    assert_eq!(
        object["programs"][0],
        json!({"name": "handle_exec", "section": "tp/sched/sched_process_exec", "attach": true})
    );
    assert_eq!(object["maps"][0]["key"], json!({"type": "int", "size": 4}));
    let export = &object["exports"][0];
    assert_eq!(
        (&export["map"], &export["size"], &export["counts_lost"]),
        (&json!("rb"), &json!(176), &json!(true))
    );
    assert_eq!(
        export["fields"][7],
        json!({"name": "et", "type": "enum event_type", "offset": 168, "size": 4, "bit": null, "bits": null})
    );
    let option = object["variables"]
        .as_array()
        .unwrap()
        .iter()
        .find(|variable| variable["name"] == "min_duration_ns")
        .unwrap();
    assert_eq!(
        (&option["option"], &option["value"], &option["section"]),
        (&json!("--min_duration_ns"), &json!(0), &json!(".rodata"))
    );
}

/// A document without its object gives less; with the object from a file, it gives the same as a
/// package.
#[test]
fn document_without_object_is_completed_by_it() {
    let folder = folder("without");
    let mut bare = Skeleton::from_file("bpf/bootstrap.json").unwrap();
    let object = bare.object.take().unwrap();
    bare.format = eunomia_runtime::skeleton::Format::Metadata;
    let [document, elf] = ["bare.skel.json", "bootstrap.bpf.o"]
        .map(|name| folder.join(name).to_str().unwrap().to_owned());
    std::fs::write(&document, bare.to_json()).unwrap();
    std::fs::write(&elf, object).unwrap();
    let text = printed(&["inspect", &document]);
    assert!(
        text.contains("no object in the skeleton (`--object FILE` adds one)")
            && text.contains("handle_exec"),
        "{text}"
    );
    let whole = printed(&["inspect", &document, "--object", &elf]);
    let same = printed(&["inspect", "bpf/bootstrap.json"]);
    assert_eq!(whole.split_once("\n\n").unwrap().1, same.split_once("\n\n").unwrap().1);
    // The object describes itself.
    assert!(
        printed(&["inspect", &elf])
            .contains("Events of rb (ringbuf): struct event, 176 bytes, drops are counted")
    );
    assert_eq!(run(&["inspect", &elf, "--object", &elf]).exit, Exit::Usage);
    assert!(refused(&["check", &document]).contains("the document contains no BPF object"));
    assert_eq!(
        printed(&["check", &document, "--object", &elf]).split_once(": ").unwrap().1,
        CHECKED
    );
}

const CHECKED: &str = "object bootstrap; maps: exec_start, rb; programs: handle_exec, handle_exit; exports: rb (struct event)\n";

/// Names in a document cannot begin a line.
#[test]
fn names_stay_on_their_line() {
    let mut json: Value = serde_json::from_str(&eunomia_tests::fixture("bootstrap")).unwrap();
    json["meta"]["bpf_skel"]["obj_name"] = json!("a\nb\u{1b}");
    let inspect = |words: &[&str]| run_with(words, json.to_string().as_bytes()).out;
    assert!(inspect(&["inspect", "-"]).starts_with(r"<stdin>: package `a\nb\u{1b}`"));
    assert!(inspect(&["check", "-"]).starts_with(r"<stdin>: object a\nb\u{1b}; maps: "));

    // The same holds for names of files.
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("y\u{1b}[31m\nz.json");
    std::fs::write(&file, json.to_string()).unwrap();
    for (command, lines) in [("check", 1), ("inspect", inspect(&["inspect", "-"]).lines().count())]
    {
        let out = inspect(&[command, file.to_str().unwrap()]);
        assert!(out.contains(r"y\u{1b}[31m\nz.json: ") && out.lines().count() == lines, "{out}");
    }
}

#[test]
fn faults_have_lines() {
    let text = eunomia_tests::fixture("bootstrap").replace("\"handle_exec\"", "\"handle_exce\"");
    let Ran { exit, out, err } = run_with(&["inspect", "-"], text.as_bytes());
    assert_eq!((exit, out.as_str()), (Exit::Failed, ""));
    let line = 1 + text.lines().position(|line| line.contains("handle_exce")).unwrap();
    assert!(
        err.starts_with(&format!("<stdin>:{line}:")) && err.contains("did you mean `handle_exec`?"),
        "{err}"
    );
    assert_eq!(
        refused(&["inspect", "none.json"]),
        "none.json: No such file or directory (os error 2)\n"
    );
    assert!(refused(&["check", "/proc/self/exe"]).starts_with("/proc/self/exe: "));
}

/// An archive holds a package, as the original compiler's `--btfgen` writes it.
#[test]
fn package_is_read_from_archive() {
    let folder = folder("archive");
    std::fs::copy("bpf/bootstrap.json", folder.join("package.json")).unwrap();
    let tar = |name: &str, member: &str| {
        let status = std::process::Command::new("tar")
            .args(["-cf", name, member])
            .current_dir(&folder)
            .status()
            .unwrap();
        assert!(status.success());
        folder.join(name).to_str().unwrap().to_owned()
    };
    let archive = tar("tracer.tar", "./package.json");
    assert_eq!(printed(&["check", &archive]), format!("{archive}: {CHECKED}"));
    std::fs::write(folder.join("readme"), "").unwrap();
    let none = tar("none.tar", "readme");
    assert_eq!(refused(&["check", &none]), format!("{none}: the archive has no package.json\n"));
    // A sparse member of 1 TiB, and a truncated archive.
    std::fs::File::create(folder.join("holes")).unwrap().set_len(1 << 40).unwrap();
    std::fs::rename(folder.join("package.json"), folder.join("whole.json")).unwrap();
    std::fs::rename(folder.join("holes"), folder.join("package.json")).unwrap();
    let sparse = folder.join("sparse.tar");
    let status = std::process::Command::new("tar")
        .args(["--sparse", "-cf", "sparse.tar", "package.json"])
        .current_dir(&folder)
        .status();
    assert!(status.unwrap().success());
    let refusal = refused(&["check", sparse.to_str().unwrap()]);
    assert!(refusal.contains("package.json is a link, sparse, or no regular file"), "{refusal}");
    let cut = std::fs::read(&archive).unwrap();
    let Ran { exit, err, .. } = run_with(&["check", "-"], &cut[..1000]);
    assert_eq!(exit, Exit::Failed);
    assert!(err.starts_with("<stdin>: "), "{err}");
}

/// Texts in a document cannot control the terminal.
#[test]
fn escape_sequences_are_escaped() {
    let text = eunomia_tests::fixture("bootstrap");
    let escaped =
        text.replace("\"obj_name\": \"bootstrap\"", "\"obj_name\": \"b\\u001b[31m\\u009b1m\"");
    assert!(escaped != text);
    for words in [&["inspect", "-"][..], &["check", "-"], &["run", "-", "--", "--help"]] {
        let Ran { out, err, .. } = run_with(words, escaped.as_bytes());
        assert!(!(out + &err).chars().any(|c| c.is_control() && c != '\n'), "{words:?}");
    }
    let Ran { out, .. } = run_with(&["inspect", "-"], escaped.as_bytes());
    assert!(out.contains(r"package `b\u{1b}[31m\u{9b}1m`"), "{out}");
}

/// How a type was found is said, unless the user names one.
#[test]
fn found_types_say_how_they_were_found() {
    let how = "the programs reserve 40 bytes, and the unused variable `brings_start` names the only struct of that size";
    let checked = printed(&["check", "bpf/found.json"]);
    assert!(
        checked.contains(&format!("; exports: starts (struct start; found: {how}), ")),
        "{checked}"
    );
    let table = printed(&["inspect", "bpf/found.json"]);
    let title = "Events of starts (ringbuf): struct start, 40 bytes, drops are not counted";
    assert!(table.contains(&format!("\n{title}; found: {how}\n")), "{table}");
    let export = |args: &[&str]| {
        let args = [&["inspect", "bpf/found.json", "--json"], args].concat();
        let object: Value = serde_json::from_str(&printed(&args)).unwrap();
        let exports = object["exports"].as_array().unwrap().clone();
        exports.into_iter().find(|export| export["map"] == "starts").unwrap()
    };
    let found = export(&[]);
    assert_eq!((&found["type"], &found["found"]), (&json!("struct start"), &json!(how)));
    let named = export(&["--event", "starts=pause"]);
    assert_eq!((&named["type"], &named["found"]), (&json!("struct pause"), &Value::Null));
    let checked = printed(&["check", "bpf/found.json", "--event", "starts=pause"]);
    assert!(checked.contains("; exports: starts (struct pause), "), "{checked}");
}
