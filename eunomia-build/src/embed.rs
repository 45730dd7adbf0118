//! The way in which a generated module holds its object.

/// The way in which a generated module holds its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Embed {
    /// One byte string literal. The module is self-contained.
    Literal,
    /// An `include_bytes!` of a file of this name beside the generated file. Large objects
    /// compile faster this way.
    File(String),
}
