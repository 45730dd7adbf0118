//! Encodes and decodes the object inside a document: base64 of the zlib-compressed ELF, or base64
//! of the ELF itself.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use miniz_oxide::{
    deflate::compress_to_vec_zlib,
    inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit},
};

use super::table::Node;

/// The greatest size of an object, far above any real one. It limits the memory that a malicious
/// document can allocate.
pub(super) const MAX_OBJECT: usize = 64 << 20;

/// The zlib level that the format's own compiler uses.
const LEVEL: u8 = 6;

/// Decodes the object at `node` and checks its size against the one at `size`.
pub(super) fn object(node: &Node<'_>, size: Option<&Node<'_>>) -> Option<Vec<u8>> {
    let bytes = base64(node);
    let size = match size {
        Some(node) if !node.json.is_null() => {
            Some(usize::try_from(node.u64()?).unwrap_or(usize::MAX))
        }
        _ => None,
    };
    let bytes = bytes?;
    // The first generation, and documents written as in the README, do not compress.
    let object = if bytes.starts_with(b"\x7fELF") { bytes } else { inflate(node, &bytes, size)? };
    match size {
        Some(size) if size != object.len() => node.diagnostic(
            format!("the object has {} bytes, expected {size}", object.len()),
            "the package is damaged or was edited by hand; rebuild it",
        ),
        _ => Some(object),
    }
}

/// Decodes base64 that may contain line breaks, as in old files.
pub(super) fn base64(node: &Node<'_>) -> Option<Vec<u8>> {
    let mut text = node.string()?;
    text.retain(|c| !c.is_ascii_whitespace());
    STANDARD
        .decode(&text)
        .map_or_else(|error| node.diagnostic(format!("malformed base64: {error}"), ""), Some)
}

fn inflate(node: &Node<'_>, bytes: &[u8], size: Option<usize>) -> Option<Vec<u8>> {
    let limit = size.unwrap_or(MAX_OBJECT).min(MAX_OBJECT);
    let error = match decompress_to_vec_zlib_with_limit(bytes, limit) {
        Ok(object) => return Some(object),
        Err(error) => error,
    };
    match error.status {
        TINFLStatus::HasMoreOutput if limit == MAX_OBJECT => node.diagnostic(
            format!("the object inflates to more than {} MiB", MAX_OBJECT >> 20),
            "it is not a BPF object",
        ),
        TINFLStatus::HasMoreOutput => node.diagnostic(
            format!("the object inflates to more than the {limit} bytes in the document"),
            "the package is damaged or was edited by hand; rebuild it",
        ),
        TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => {
            node.diagnostic("the compressed object is truncated", "copy or rebuild the package")
        }
        TINFLStatus::Adler32Mismatch => node.diagnostic(
            "the compressed object has a wrong checksum",
            "copy or rebuild the package",
        ),
        _ => node.diagnostic("this is neither an ELF object nor zlib data", ""),
    }
}

/// Encodes an ELF as the text of `bpf_object`.
pub(super) fn encode(object: &[u8]) -> String {
    STANDARD.encode(compress_to_vec_zlib(object, LEVEL))
}

/// Encodes BTF as the text of `export_btf`.
pub(super) fn encode_plain(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
