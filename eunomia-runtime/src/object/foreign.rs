//! Recognises files that are neither a skeleton nor a BPF object by their first bytes, and tells
//! what to do with them.

/// Returns a description of the file and what to do; `None` if it may be a skeleton.
pub(crate) fn foreign(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const UNPACK: &str = "unpack it";
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if bytes.trim_ascii().is_empty() {
        return Some(("the file is empty", "compile the object again or rebuild the package"));
    }
    if starts(b"BC\xc0\xde") || starts(b"\xde\xc0\x17\x0b") {
        return Some((
            "this is LLVM bitcode, not an object",
            "compile it without `-emit-llvm` and `-flto`, or run `llc -march=bpf -filetype=obj`",
        ));
    }
    if starts(b"!<arch>\n") || starts(b"!<thin>\n") {
        return Some((
            "this is an archive of objects (ar)",
            "pass the BPF object in it; `ar x` extracts it",
        ));
    }
    if starts(b"\x9f\xeb\x01") || starts(b"\xeb\x9f\x01") {
        return Some((
            "this is BTF without an object",
            "pass the BPF object (.bpf.o) or the skeleton",
        ));
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Some((
            "this is a tar archive",
            "extract the package (package.json); the command `eunomia` also reads the archive itself",
        ));
    }
    for (magic, what) in [
        (&b"\x1f\x8b"[..], "this is compressed with gzip"),
        (b"\x28\xb5\x2f\xfd", "this is compressed with zstd"),
        (b"\xfd7zXZ", "this is compressed with xz"),
        (b"PK\x03\x04", "this is a zip archive"),
    ] {
        if starts(magic) {
            return Some((what, UNPACK));
        }
    }
    let text = bytes.trim_ascii_start();
    if [&b"/*"[..], b"//", b"#include", b"#ifndef", b"#pragma", b"#define"]
        .iter()
        .any(|start| text.starts_with(start))
    {
        let head = text.get(..text.len().min(1 << 20)).unwrap_or_default();
        let has = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
        if has(b"bpf_object_skeleton") || has(b"skel_internal.h") {
            return Some((
                "this is a C skeleton of bpftool",
                "pass the BPF object (.bpf.o) that it was made from",
            ));
        }
        return Some((
            "this is C, not a skeleton",
            "`cargo eunomia build FILE.bpf.c` makes a skeleton from it, `Config::source` a module",
        ));
    }
    None
}
