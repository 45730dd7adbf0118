//! The C types of a case, and values of them.

/// The type of a member.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    Scalar(Scalar),
    /// A declaration with `@` in place of the name.
    Pointer(&'static str),
    Array(Box<Type>, u32),
    /// An index in [`super::case::Case::declared`].
    Declared(usize),
}

/// A built-in type of C.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) name: &'static str,
    pub(crate) bits: u32,
    pub(crate) kind: ScalarKind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ScalarKind {
    Signed,
    Unsigned,
    /// `char`: signed, and text in arrays.
    Char,
    Bool,
    Float,
}

/// A type that the case declares.
#[derive(Debug)]
pub(crate) enum Declared {
    Enum(Enum),
    Record(Record),
    Typedef { name: String, ty: Type },
}

#[derive(Debug)]
pub(crate) struct Enum {
    /// The tag; `None` if the enum is declared where it is used.
    pub(crate) tag: Option<String>,
    pub(crate) constants: Vec<(String, i128)>,
    pub(crate) packed: bool,
}

/// A struct or union.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) union: bool,
    pub(crate) name: Name,
    pub(crate) members: Vec<Member>,
    pub(crate) packed: bool,
    pub(crate) aligned: Option<u32>,
    /// The value of `#pragma pack` around the declaration.
    pub(crate) pack: Option<u32>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Name {
    Tag(String),
    Typedef(String),
    /// The record has no name and is declared where it is used.
    Nameless,
}

#[derive(Debug)]
pub(crate) struct Member {
    /// The name; `None` for an anonymous struct or union, or an unnamed bit field.
    pub(crate) name: Option<String>,
    pub(crate) ty: Type,
    pub(crate) qualifier: &'static str,
    pub(crate) bits: Option<u32>,
    pub(crate) packed: bool,
    pub(crate) aligned: Option<u32>,
    /// True if the member is a flexible array of this type.
    pub(crate) flexible: bool,
}

impl Member {
    pub(crate) fn new(name: Option<String>, ty: Type) -> Self {
        Self { name, ty, qualifier: "", bits: None, packed: false, aligned: None, flexible: false }
    }

    /// Returns true if the member has a value, which unnamed bit fields have not.
    pub(crate) fn has_value(&self) -> bool {
        self.name.is_some() || self.bits.is_none()
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// An integer, an address, or a bool as 0 or 1.
    Number(i128),
    /// A float in eighths, which C and Rust print and read without loss.
    Eighths(i32),
    Items(Vec<Value>),
    /// A value for each member that has one.
    Members(Vec<Value>),
    /// The member of a union that was set.
    Arm(usize, Box<Value>),
}
