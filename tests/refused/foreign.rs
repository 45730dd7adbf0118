//! Errors for files that are neither a skeleton nor an object, and for objects beyond limits.

use eunomia_build::{Embed, EventType, Skeleton, tokens};

use crate::sources::{compile, read};

fn said(bytes: &[u8]) -> String {
    Skeleton::from_slice(bytes, "x").unwrap_err().to_string()
}

#[test]
fn other_files_are_named_by_their_format() {
    let mut tar = vec![0u8; 512];
    tar[..12].copy_from_slice(b"package.json");
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, what) in [
        (&b""[..], "the file is empty"),
        (b" \n", "the file is empty"),
        (
            b"BC\xc0\xde5\x14",
            "this is LLVM bitcode, not an object; compile it without `-emit-llvm`",
        ),
        (b"!<arch>\n", "this is an archive of objects"),
        (b"\x9f\xeb\x01\0\x18\0\0\0", "this is BTF without an object"),
        (b"\x1f\x8b\x08", "this is compressed with gzip; unpack it"),
        (&tar, "this is a tar archive; extract the package"),
        (
            b"/* SPDX */\n#include <x.h>\n",
            "this is C, not a skeleton; `cargo eunomia build FILE.bpf.c`",
        ),
        (
            b"/* x */\nstruct x_bpf { struct bpf_object_skeleton *skeleton; };",
            "this is a C skeleton of bpftool; pass the BPF object",
        ),
        (b"\xff\xfe\0", "neither a BPF object nor a text file in UTF-8; give the .json file"),
        (
            b"[1]",
            "neither a BPF object nor a skeleton, which is a JSON object; give the .json file",
        ),
        (
            b"name: x\n",
            "neither a BPF object nor a skeleton, which is a JSON object; give the .json file",
        ),
    ] {
        let said = said(bytes);
        assert!(said.starts_with(&format!("x: {what}")), "{said}");
    }
}

#[test]
fn yaml_is_for_commands() {
    let said = Skeleton::from_slice(b"meta:\n", "x.yaml").unwrap_err().to_string();
    assert_eq!(
        said,
        "x.yaml: neither a BPF object nor a skeleton, which is a JSON object; only the commands \
         read YAML; write JSON with `cargo eunomia build`"
    );
}

/// The same for a file that is passed as the object.
#[test]
fn other_files_are_not_objects() {
    for (bytes, what) in [
        (&b""[..], "the file is empty; compile the object"),
        (b"\x1f\x8b\x08", "this is compressed with gzip; unpack it"),
        (b"#include <x.h>\n", "this is C, not a skeleton; `cargo eunomia build FILE.bpf.c`"),
        (b"{\"meta\": {}}", "this is JSON, not a BPF object; give it as the skeleton"),
        (b"\0", "not an ELF file; compile it with"),
    ] {
        let said = Skeleton::from_object("x", bytes.to_vec(), "x")
            .and_then(|skeleton| skeleton.check())
            .unwrap_err()
            .to_string();
        assert!(said.starts_with(&format!("x: {what}")), "{said}");
    }
}

/// If an object has one map that delivers records, a pointer named as other generators name it
/// gives the type.
#[test]
fn unused_pointers_name_the_type_of_records() {
    const MAPS: &str =
        "struct { __uint(type, RINGBUF); __uint(max_entries, 4096); } rb SEC(\".maps\");\n";
    for (declared, delivered) in [
        (
            "struct event { u32 pid; u64 t; }; const struct event *unused __attribute__((unused));",
            "exports: rb (struct event)",
        ),
        (
            "struct event { u32 pid; }; struct event *unused_event __attribute__((unused));",
            "exports: rb (struct event)",
        ),
        (
            "struct event { u32 pid; }; const struct event *event_unused __attribute__((unused));",
            "exports: rb (struct event)",
        ),
        (
            "typedef struct { u32 pid; } event_t; const event_t *unused __attribute__((unused));",
            "exports: rb (event_t)",
        ),
        (
            "struct event { u32 pid; }; const struct event *other __attribute__((unused));",
            "exports: rb (bytes",
        ),
        (
            "struct a { u32 a; }; struct b { u32 b; }; const struct a *unused1; const struct b *unused2;",
            "exports: rb (bytes",
        ),
        (
            "struct a { u32 a; }; struct a *unused; struct b { u32 b; }; struct b *__eunomia_dummy_b_ptr;",
            "exports: rb (struct b)",
        ),
    ] {
        let object = compile(
            &read(Box::leak(format!("//= unused\n{declared}\n{MAPS}").into_boxed_str()))[0],
        );
        let summary =
            Skeleton::from_object("x", object, "x.bpf.o").unwrap().check().unwrap().summary();
        assert!(summary.contains(delivered), "{declared}: {summary}");
    }
}

#[test]
fn event_type_must_be_in_btf() {
    let source = "//= missing\nstruct even { u32 pid; } even; struct { __uint(type, RINGBUF); __uint(max_entries, 4096); } rb SEC(\".maps\");";
    let object = compile(&read(source)[0]);
    let refused = |c_type: &str| {
        let skeleton =
            Skeleton::from_object("x", object.clone(), "x").unwrap().with_event("rb", c_type);
        tokens(skeleton, "x", &Embed::Literal).unwrap_err().to_string()
    };
    let line = "add `const struct record *unused __attribute__((unused));` to the C source";
    let said = refused("struct record");
    assert!(
        said.starts_with(&format!(
            "x: events.rb: the object has no complete type `struct record`; {line}"
        )),
        "{said}"
    );
    assert!(refused("even").contains("did you mean `struct even`? Otherwise, add"));
    // The package names the type, too.
    let checked = Skeleton::from_object("x", object.clone(), "x")
        .unwrap()
        .with_event("rb", "struct even")
        .check()
        .unwrap();
    let written = Skeleton::parse(&checked.documented().unwrap().to_json(), "x").unwrap();
    assert_eq!(
        written.exports.iter().map(|export| export.name.as_str()).collect::<Vec<_>>(),
        ["even"]
    );
    assert!(written.check().unwrap().summary().contains("exports: rb (struct even)"));
}

/// Returns an ELF file with these numbers of sections and symbols, all of one name.
fn elf(sections: usize, symbols: usize, name: usize) -> Vec<u8> {
    let strings: Vec<u8> = [&b"\0"[..], &vec![b'a'; name], b"\0"].concat();
    let mut bytes = vec![0u8; 64];
    let mut put = |data: &[u8]| {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let at = bytes.len() as u64;
        bytes.extend_from_slice(data);
        at
    };
    let header = |kind: u32, at: u64, size: usize, link: u32, entry: u64| {
        let words = [1u32, kind].map(u32::to_le_bytes).concat();
        let rest = [0, 0, at, size as u64].map(u64::to_le_bytes).concat();
        let end = [8u64, entry].map(u64::to_le_bytes).concat();
        [words, rest, [link, 0].map(u32::to_le_bytes).concat(), end].concat()
    };
    let symbol = [&[1, 0, 0, 0, 0x12, 0, 1, 0][..], &[0; 16]].concat();
    let (text, table) = (put(&strings), put(&symbol.repeat(symbols)));
    let names = header(3, text, strings.len(), 0, 0);
    let mut headers = [vec![0; 64], names, header(2, table, 24 * symbols, 1, 24)].concat();
    let total = sections + 3;
    headers[32..40].copy_from_slice(&(total as u64).to_le_bytes());
    headers.extend(header(1, 0, 0, 0, 0).repeat(sections));
    let at = put(&headers);
    bytes[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\xf7\0");
    bytes[20] = 1;
    bytes[40..48].copy_from_slice(&at.to_le_bytes());
    (bytes[52], bytes[58], bytes[62]) = (64, 64, 1);
    // Numbers beyond 16 bits are in the first section header.
    let short = if total < 0xff00 { total as u16 } else { 0 };
    bytes[60..62].copy_from_slice(&short.to_le_bytes());
    bytes
}

/// A few kilobytes of compressed data must not cause gigabytes of allocations.
#[test]
fn sections_and_symbols_are_limited() {
    for (object, what) in [
        (elf(1_000_000, 1, 8), "the object has 1000003 sections, at most 65536 are supported"),
        (elf(1, 1_000_000, 8), "the object has 1000000 symbols, at most 131072 are supported"),
        (elf(2000, 1, 8192), "section and symbol names exceed 8 MiB"),
        (elf(1, 100_000, 500), "section and symbol names exceed 8 MiB"),
    ] {
        let said = said(&object);
        assert_eq!(said, format!("x: {what}; no compiler writes such an object"));
    }
}

#[test]
fn size_of_modules_is_limited() {
    let of = |text: String| {
        let object = compile(&read(Box::leak(format!("//= large\n{text}").into_boxed_str()))[0]);
        tokens(Skeleton::from_object("x", object, "x").unwrap(), "x", &Embed::Literal)
            .map(drop)
            .map_err(|faults| faults.to_string())
    };
    let list = |count: usize| {
        let members: String = (0..count).map(|at| format!("char m{at};")).collect();
        of(format!("struct large {{ {members} }} large;"))
    };
    let variables =
        |count: usize| of((0..count).map(|at| format!("const volatile char v{at};")).collect());
    // rustc crashes with SIGSEGV at 4000 members or options, in a build without optimizations.
    assert_eq!(list(2048), Ok(()));
    assert_eq!(variables(2048), Ok(()));
    assert_eq!(variables(2049), list(2049));
    let said = list(2049).unwrap_err();
    assert!(
        said.starts_with(
            "x: the module would have more than 8192 maps, programs, variables and members of their types, or 2048 variables or "
        ),
        "{said}"
    );
}

/// Without a limit, a document of some megabytes keeps the check busy for minutes.
#[test]
fn types_of_records_are_limited() {
    const MAPS: usize = 14;
    let constants: String = (0..20_000).map(|number| format!("C{number},")).collect();
    let maps: String = (0..MAPS)
        .map(|map| format!("struct {{ __uint(type, RINGBUF); __uint(max_entries, 4096); }} rb{map} SEC(\".maps\");\n"))
        .collect();
    let source =
        format!("//= many\nenum many {{ {constants} }} x; struct event {{ u32 kind; }} y;\n{maps}");
    let object = compile(&read(Box::leak(source.into_boxed_str()))[0]);
    let mut skeleton = Skeleton::from_object("x", object, "x").unwrap();
    for map in 0..MAPS {
        let types = (0..1024).map(|value| (value.to_string(), "struct event".to_owned())).collect();
        let tagged = EventType::Tagged { member: "kind".to_owned(), types };
        skeleton.events.insert(format!("rb{map}"), tagged);
    }
    let mut fewer = skeleton.clone();
    fewer.events.remove("rb0");
    assert!(fewer.check().is_ok());
    let refused = skeleton.check().unwrap_err().to_string();
    let what = "events.rb13: too many types of records: 1024 here, with 200";
    assert!(refused.contains(what) && refused.lines().count() == 1, "{refused}");
}
