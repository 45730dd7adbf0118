//! The C types of a case, and values of them.

/// A type as a member has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    Scalar(Scalar),
    /// A declaration in which `@` stands for the name.
    Pointer(&'static str),
    Array(Box<Type>, u32),
    /// By its index in [`super::case::Case::declared`].
    Declared(usize),
}

/// A type that C has by itself.
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
    /// Signed, and text in arrays.
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
    /// `None`: declared where it is used.
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
    /// `#pragma pack` around it.
    pub(crate) pack: Option<u32>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Name {
    Tag(String),
    Typedef(String),
    /// Declared where it is used, and used there alone.
    Nameless,
}

#[derive(Debug)]
pub(crate) struct Member {
    /// `None`: an anonymous struct or union, or bits that nobody uses.
    pub(crate) name: Option<String>,
    pub(crate) ty: Type,
    pub(crate) qualifier: &'static str,
    pub(crate) bits: Option<u32>,
    pub(crate) packed: bool,
    pub(crate) aligned: Option<u32>,
    /// An array without a length, of this type.
    pub(crate) flexible: bool,
}

impl Member {
    pub(crate) fn new(name: Option<String>, ty: Type) -> Self {
        Self { name, ty, qualifier: "", bits: None, packed: false, aligned: None, flexible: false }
    }

    /// Whether it has a value: bits without a name have none.
    pub(crate) fn has_value(&self) -> bool {
        self.name.is_some() || self.bits.is_none()
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Also addresses, and truth as 0 and 1.
    Number(i128),
    /// Eighths, which C and Rust print and read without loss.
    Eighths(i32),
    Items(Vec<Value>),
    /// One for each member that has a value.
    Members(Vec<Value>),
    /// The member of a union that was set.
    Arm(usize, Box<Value>),
}
