//! Tests of lookups in ELF files that the tests write, and in the C library.

use std::{env, fs, fs::File, iter, process, process::Command};

use super::*;

fn why(path: &str) -> String {
    match Binary::read(path) {
        Err(Answer::NoFile(why) | Answer::Untold(why)) => why,
        _ => panic!("{path} was read"),
    }
}

/// The kinds of files that are not opened are those of [`file::read`], and in its tests.
#[test]
fn irregular_and_large_files_are_not_read() {
    let folder = env::temp_dir().join(format!("eunomia-binary-{}", process::id()));
    fs::create_dir(&folder).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    File::create(path("large")).unwrap().set_len(1 << 40).unwrap();
    File::create(path("empty")).unwrap();
    for (path, expected) in [
        (path("fifo"), "it is a FIFO, and is not opened"),
        (path("large"), "it has more than 512 MiB"),
        (path("none"), "No such file or directory (os error 2)"),
    ] {
        assert_eq!(why(&path), format!("{path}: {expected}"));
    }
    assert!(matches!(
        Binary::read(&path("empty")).unwrap_or_else(|_| panic!()).function("main"),
        Answer::NoFile(_)
    ));
    // A link of procfs to a regular file is accepted.
    assert!(Binary::read("/proc/self/exe").is_ok());
    fs::remove_dir_all(folder).unwrap();
}

fn binary(sections: &[Part<'_>]) -> Binary {
    Binary { place: "x.so".to_owned(), bytes: file(sections) }
}

/// Name, type, linked section, information and contents.
type Part<'a> = (&'a str, u32, u32, u32, Vec<u8>);

/// An ELF file.
fn file(sections: &[Part<'_>]) -> Vec<u8> {
    let mut names = b"\0.names\0".to_vec();
    let (mut bytes, mut headers) = (vec![0; 64], vec![0; 64]);
    let mut section = |name: usize, kind: u32, link: u32, info: u32, contents: &[u8]| {
        headers.extend([name as u32, kind].map(u32::to_le_bytes).concat());
        headers.extend(
            [0, 0, bytes.len() as u64, contents.len() as u64].map(u64::to_le_bytes).concat(),
        );
        headers.extend([link, info].map(u32::to_le_bytes).concat());
        let size: u64 = match kind {
            2 | 11 => 24,
            0x6fff_ffff => 2,
            _ => 0,
        };
        headers.extend([4, size].map(u64::to_le_bytes).concat());
        bytes.extend(contents);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    };
    for (name, kind, link, info, contents) in sections {
        section(names.len(), *kind, *link, *info, contents);
        names.extend([name.as_bytes(), b"\0"].concat());
    }
    section(1, 3, 0, 0, &names);
    let count = sections.len() as u16 + 2;
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
    header.extend([0, 0, bytes.len() as u64].map(u64::to_le_bytes).concat());
    header.extend([0, 0, 64, 56, 0, 64, count, count - 1].map(u16::to_le_bytes).concat());
    bytes.splice(..64, header);
    bytes.extend(headers);
    bytes
}

fn symbols(count: u32, name: impl Fn(u32) -> u32) -> Vec<u8> {
    let symbol = |at: u32| {
        [&name(at).to_le_bytes()[..], &[0x12, 0, 1, 0], &u64::from(at + 16).to_le_bytes(), &[0; 8]]
            .concat()
    };
    iter::once(vec![0; 24]).chain((0..count).map(symbol)).flatten().collect()
}

#[test]
fn hostile_files_take_linear_time_and_bounded_memory() {
    let long = [b"\0", &b"a".repeat(1 << 20)[..], b"\0"].concat();
    let text = || (".text", 1, 0, 0, vec![0; 64]);
    let overlapping = binary(&[
        text(),
        (".strtab", 3, 0, 0, long.clone()),
        (".symtab", 2, 2, 1, symbols(10_000, |at| 1 + at)),
    ]);
    let untold = |answer| match answer {
        Answer::Untold(why) => why,
        _ => panic!("it is told"),
    };
    let expected = "the names of x.so are longer together than the file";
    assert_eq!(untold(overlapping.function("b")), expected);
    assert_eq!(untold(overlapping.functions(|_| false)), expected);
    let endless = binary(&[
        text(),
        (".strtab", 3, 0, 0, b"a".repeat(1 << 20)),
        (".symtab", 2, 2, 1, symbols(10_000, |at| at)),
    ]);
    assert_eq!(untold(endless.function("b")), "the names of x.so do not end");

    let names = b"\0f\0V\0".to_vec();
    let count = 20_000;
    let of_symbols: Vec<u8> =
        iter::repeat_n(0x7ff0_u16.to_le_bytes(), count + 1).flatten().collect();
    let definition = [1u16, 0, 1, 1].map(u16::to_le_bytes).concat();
    let definition = [definition, [0u32, 20, 28, 3, 0].map(u32::to_le_bytes).concat()].concat();
    let versions = binary(&[
        text(),
        (".dynstr", 3, 0, 0, names),
        (".dynsym", 11, 2, 1, symbols(count as u32, |_| 1)),
        (".gnu.version", 0x6fff_ffff, 3, 0, of_symbols),
        (".gnu.version_d", 0x6fff_fffd, 2, count as u32, definition.repeat(count)),
    ]);
    assert_eq!(untold(versions.function("f@W")), "x.so has more than 16 functions of this name");

    let note = |at: u32| {
        let head = [8u32, 92, 3].map(u32::to_le_bytes).concat();
        [&head[..], b"stapsdt\0", &[0; 24], format!("p\0{at:064x}\0\0").as_bytes()].concat()
    };
    let notes = binary(&[(".note.stapsdt", 7, 0, 0, (0..20_000).flat_map(note).collect())]);
    assert!(matches!(notes.probe("p", &format!("{:064x}", 19_999)), Answer::There(_)));
    let Answer::Missing { all, .. } = notes.probe("p", "none") else { panic!("it is there") };
    assert!(
        all.len() > 1000 && all.iter().map(String::len).sum::<usize>() <= 1 << 20,
        "{}",
        all.len()
    );
}

#[test]
fn symbol_versions_are_matched() {
    let Ok(libc) = Binary::read("libc.so.6") else { panic!("the C library is there") };
    let there = |name: &str| matches!(libc.function(name), Answer::There(_));
    let all: Vec<String> = ["GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.2", "GLIBC_2.0"]
        .map(|version| format!("malloc@{version}"))
        .into();
    let version = all
        .iter()
        .find(|name| there(name))
        .unwrap_or_else(|| panic!("malloc has a version of those"));
    assert!(there("malloc") && there(&version.replace('@', "@@")), "{version}");
    assert!(!there("malloc@GLIBC_1.0") && !there("mallocs"));
    let Answer::Missing { near, .. } = libc.function("malloc@GLIBC_1.0") else { panic!() };
    assert_eq!(near, std::slice::from_ref(version));
}
