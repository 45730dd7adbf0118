//! What users of eunomia-bpf's compiler expect of `cargo eunomia build`: an export header as second
//! argument, a folder as output, metadata and object as separate files, YAML, and archives with BTF.

use std::{
    env::consts::ARCH,
    fs::{self, File},
    path::{Path, PathBuf},
};

use eunomia_build::{Skeleton, cli::Exit};
use eunomia_runtime::bpf;
use lzma_rust2::{XzOptions, XzWriter};

use super::{Ran, clang, folder, names, printed, refused, run};

const HEADER: &str = "\
struct event { int pid; struct inner { int x; } inner; };
/* struct comment { int x; }; */
typedef struct { int y; } nameless;
";
const SOURCE: &str = "\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include \"event.h\"
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} rb SEC(\".maps\");
";

#[test]
fn structs_of_export_header_are_export_types() {
    let (dir, path) = folder("exported");
    fs::write(dir.join("event.h"), HEADER).unwrap();
    fs::write(dir.join("x.bpf.c"), SOURCE).unwrap();
    let [source, header, package] =
        ["x.bpf.c", "event.h", "x.json"].map(|file| format!("{path}/{file}"));
    let clang = clang();
    for words in [
        vec!["build", &source, &header, "--clang", &clang, "-o", &package],
        vec!["build", &source, "--export-header", &header, "--clang", &clang, "-o", &package],
    ] {
        assert_eq!(printed(&words), "");
        let skeleton = Skeleton::from_file(&package).unwrap();
        let exports: Vec<_> = skeleton.exports.iter().map(|export| export.name.as_str()).collect();
        assert_eq!(exports, ["event"]);
        let sources: Vec<_> = skeleton.other["sources"].as_object().unwrap().keys().collect();
        assert_eq!(sources, ["event.h", "x.bpf.c"]);
        assert!(printed(&["check", &package]).contains("exports: rb (struct event)"));
        fs::remove_file(&package).unwrap();
    }
    fs::write(dir.join("none.h"), "typedef struct { int y; } nameless;\n").unwrap();
    let none = format!("{path}/none.h");
    assert_eq!(
        refused(&["build", &source, &none, "--clang", &clang, "-o", &package]),
        format!("{none} defines no struct with a tag, so it exports nothing\n")
    );
    let Ran { exit, err, .. } = run(&["build", &header]);
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("only headers are given"), "{err}");
}

#[test]
fn folder_is_an_output() {
    let (dir, path) = folder("exported-folder");
    let output = format!("{path}/new/");
    printed(&["build", "bpf/names.bpf.c", "--clang", &clang(), "-o", &output]);
    assert_eq!(names(&dir.join("new")), ["names.json"]);
    printed(&["build", "bpf/names.bpf.c", "--clang", &clang(), "-o", &format!("{path}/new")]);
    assert_eq!(names(&dir.join("new")), ["names.json"]);
}

#[test]
fn metadata_and_object_are_separate_files() {
    let (dir, path) = folder("exported-separate");
    let package = format!("{path}/names.json");
    printed(&["build", "bpf/names.bpf.c", "--clang", &clang(), "-o", &package]);
    let whole = Skeleton::from_file(&package).unwrap();
    fs::remove_file(&package).unwrap();
    printed(&["build", "bpf/names.bpf.c", "--clang", &clang(), "-o", &package, "--separate"]);
    assert_eq!(names(&dir), ["names.bpf.o", "names.skel.json"]);
    assert_eq!(fs::read(dir.join("names.bpf.o")).unwrap(), whole.object.clone().unwrap());
    let metadata = Skeleton::from_file(dir.join("names.skel.json")).unwrap();
    assert_eq!(metadata.object, None);
    assert_eq!(metadata.maps, whole.maps);
    let [skel, object] = ["names.skel.json", "names.bpf.o"].map(|file| format!("{path}/{file}"));
    printed(&["check", &skel, "--object", &object, "--stale"]);
    for words in [&["-o", "-"][..], &["--target-arch", "x86_64", "--target-arch", "arm64"]] {
        let build = ["build", "bpf/names.bpf.c", "--separate"];
        let words: Vec<&str> = build.iter().chain(words).copied().collect();
        assert_eq!(run(&words).exit, Exit::Usage, "{words:?}");
    }
}

#[test]
fn archive_holds_btf_of_many_kernels_cut_down() {
    let (dir, path) = folder("exported-archive");
    let own = dir.join("btf").join(bpf::archived());
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::copy("/sys/kernel/btf/vmlinux", &own).unwrap();
    let (btf, archive) = (format!("{path}/btf"), format!("{path}/bootstrap.tar"));
    let source = "../examples/bootstrap/bpf/bootstrap.bpf.c";
    let build = ["build", source, "--clang", &clang(), "-o", &archive, "--btf-archive", &btf];
    assert_eq!(printed(&build), "");
    let size = fs::metadata(&archive).unwrap().len();
    assert!(size < fs::metadata(&own).unwrap().len() / 10, "{size}");
    // `eunomia` finds the kernel's BTF in it, and its relocations resolve against the part.
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = ["eunomia", "inspect", &archive].map(Into::into);
    let exit = eunomia_runtime::cli::run(words, &mut &b""[..], &mut out, &mut err);
    assert_eq!(exit, eunomia_runtime::cli::Exit::Done, "{}", String::from_utf8_lossy(&err));

    let error = |btf: &str| {
        refused(&["build", source, "--clang", &clang(), "-o", &archive, "--btf-archive", btf])
    };
    // btfhub's own files are compressed.
    let whole = fs::read(&archive).unwrap();
    pack(&own);
    fs::remove_file(&own).unwrap();
    assert_eq!(printed(&build), "");
    assert_eq!(fs::read(&archive).unwrap(), whole);
    fs::write(packed(&own), "no").unwrap();
    assert!(error(&btf).starts_with(&format!("cannot unpack {}: ", packed(&own).display())));
    fs::remove_file(packed(&own)).unwrap();

    fs::write(&own, "no").unwrap();
    assert_eq!(error(&btf), format!("{} is not BTF\n", own.display()));
    fs::remove_file(&own).unwrap();
    assert!(error(&btf).contains("has no BTF (*.btf or *.btf.tar.xz)"));
}

/// Packs a file as btfhub does.
fn pack(file: &Path) {
    let xz = XzWriter::new(File::create(packed(file)).unwrap(), XzOptions::with_preset(0)).unwrap();
    let mut archive = tar::Builder::new(xz);
    archive.append_path_with_name(file, file.file_name().unwrap()).unwrap();
    archive.into_inner().unwrap().finish().unwrap();
}

fn packed(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".tar.xz");
    name.into()
}

#[test]
fn yaml_says_what_json_says() {
    let (dir, path) = folder("exported-yaml");
    let [json, yaml] = ["json", "yaml"].map(|extension| format!("{path}/names.{extension}"));
    for output in [&json, &yaml] {
        printed(&["build", "bpf/names.bpf.c", "--clang", &clang(), "-o", output]);
    }
    let text = fs::read_to_string(&yaml).unwrap();
    assert!(text.starts_with("---\nbpf_object: "), "{text}");
    let standard = ["build", "bpf/names.bpf.c", "--clang", &clang(), "-o", "-", "--yaml"];
    assert_eq!(printed(&standard), text);
    let [from_json, from_yaml] = [&json, &yaml]
        .map(|file| Skeleton::from_input(&fs::read(file).unwrap(), file, ARCH).unwrap());
    assert_eq!(from_yaml, from_json);
    assert_eq!(
        printed(&["check", &yaml, "--stale"]),
        printed(&["check", &json, "--stale"]).replace("names.json", "names.yaml")
    );
    let folder = format!("{path}/apart/");
    let apart = ["build", "bpf/names.bpf.c", "--clang", &clang(), "-o", &folder];
    printed(&[&apart[..], &["--separate", "--yaml"]].concat());
    assert_eq!(names(&dir.join("apart")), ["names.bpf.o", "names.skel.yaml"]);
    let [skel, object] = ["skel.yaml", "bpf.o"].map(|file| format!("{folder}names.{file}"));
    printed(&["check", &skel, "--object", &object, "--stale"]);

    fs::write(&yaml, text.replace("mmaped: true", "mmaped: maybe")).unwrap();
    let refused = refused(&["check", &yaml, "--stale"]);
    let line = 1 + text[..text.find("mmaped: true").unwrap()].matches('\n').count();
    assert!(refused.contains(&format!("names.yaml:{line}:")), "{refused}");
}
