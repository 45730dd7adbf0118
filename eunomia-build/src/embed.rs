//! How the object gets into a generated module.

/// How the object gets into the generated module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Embed {
    /// As one byte string literal: the module is self-contained.
    Literal,
    /// With `include_bytes!` of a file of this name beside the generated one: faster to compile for large objects.
    File(String),
}
