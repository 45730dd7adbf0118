//! The way in which a generated module holds its object.

/// The way in which a generated module holds its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Embed {
    /// As one byte string literal. The module is self-contained.
    Literal,
    /// With `include_bytes!` of a file of this name beside the generated file. Large objects
    /// compile faster this way.
    File(String),
}
