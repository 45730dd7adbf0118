//! The build refuses exactly the objects that libbpf does not open or no kernel loads, compared
//! with libbpf itself.

use std::fs;

use eunomia_build::{Embed, Skeleton, tokens};
use libbpf_rs::{ObjectBuilder, PrintLevel, set_print};

use crate::sources::{Source, compile, loaded, read};

fn said(object: &[u8], file: &str) -> Result<(), String> {
    let skeleton =
        Skeleton::from_object("x", object.to_vec(), file).map_err(|faults| faults.to_string())?;
    tokens(skeleton, "x", &Embed::Literal).map(drop).map_err(|faults| faults.to_string())
}

fn opens(object: &[u8]) -> bool {
    set_print(None::<(PrintLevel, fn(PrintLevel, String))>);
    ObjectBuilder::default().open_memory(object).is_ok()
}

/// Describes how the verdict on a source differs from the expected one, if it does.
fn wrong(source: &Source, opened: bool) -> Option<String> {
    let Source { name, fault, .. } = source;
    let object = compile(source);
    let (said, opens) = (said(&object, "x.bpf.o"), opens(&object));
    let right = match &said {
        Ok(()) => fault.is_empty(),
        Err(text) => !fault.is_empty() && text.contains(fault) && text.lines().count() == 1,
    };
    (!right || opens != opened)
        .then(|| format!("{name}: libbpf opens it: {opens}, the build says {said:?}"))
}

#[test]
fn objects_that_libbpf_does_not_open_are_refused() {
    let wrong: Vec<_> = read(include_str!("opened.c"))
        .iter()
        .filter_map(|source| wrong(source, source.fault.is_empty()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Opening such an object at run time gives the same text as a hint.
#[test]
fn objects_that_libbpf_does_not_open_are_explained() {
    let mut seen = 0;
    for source in read(include_str!("opened.c")).iter().filter(|source| !source.fault.is_empty()) {
        let Ok(checked) = Skeleton::from_object("x", compile(source), "x.bpf.o").unwrap().check()
        else {
            continue;
        };
        let error = checked.open(None).map(drop).unwrap_err().to_string();
        assert!(
            error.contains("\n  hint: ") && error.contains(source.fault),
            "{}: {error}",
            source.name
        );
        seen += 1;
    }
    assert!(seen >= 3, "{seen}");
}

/// A live test checks the same objects with the kernel.
#[test]
fn objects_that_no_kernel_loads_are_refused() {
    let wrong: Vec<_> = loaded().iter().filter_map(|source| wrong(source, true)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every object of the tests and examples is accepted.
#[test]
fn objects_that_libbpf_opens_are_accepted() {
    let folders = [
        "bpf",
        "../examples/bootstrap/bpf",
        "../examples/runqlat/bpf",
        "../examples/tracer/bpf",
        "../examples/fleet/bpf",
    ];
    let files = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .map(|file| file.unwrap().path());
    let mut seen = 0;
    for path in files.filter(|path| path.extension().is_some_and(|end| end == "json")) {
        let skeleton = Skeleton::from_file(&path).unwrap();
        let file = path.display().to_string();
        let Some(object) = skeleton.object.clone() else { continue };
        assert!(opens(&object), "{file}");
        skeleton.check().unwrap().loadable().unwrap();
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}

/// If the section of a program does not give its type, the user can set it.
#[test]
fn program_type_can_be_set() {
    let object = compile(&read("//= hook\nSEC(\"ext/hook\") int hook(void *c) { return 0; }")[0]);
    let skeleton = || Skeleton::from_object("x", object.clone(), "x.bpf.o").unwrap();
    let text = |skeleton: Skeleton| {
        tokens(skeleton, "x", &Embed::Literal).map(|tokens| tokens.to_string())
    };
    assert!(
        text(skeleton())
            .unwrap_err()
            .to_string()
            .contains("program `hook` is in section `ext/hook`")
    );
    assert!(text(skeleton().with_program("hook", "xdp")).unwrap().contains("kind :: Xdp"));
    let written =
        Skeleton::parse(&skeleton().with_program("hook", "xdp").to_json(), "x.json").unwrap();
    assert!(text(written).unwrap().contains("kind :: Xdp"), "the document does not keep the type");
    let wrong = text(skeleton().with_program("hook", "xpd")).unwrap_err().to_string();
    assert_eq!(wrong, "x.bpf.o: type: \"xpd\" does not name a program type; did you mean `xdp`?");
    let unknown = text(skeleton().with_program("hok", "xdp")).unwrap_err().to_string();
    assert!(
        unknown.contains("the object has no program `hok`")
            && unknown.contains("did you mean `hook`?"),
        "{unknown}"
    );
}
