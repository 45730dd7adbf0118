//! A module of the programs that hold the cases; `rust.rs` generates the rest.

pub use eunomia_runtime::sample::Plain;
use eunomia_runtime::sample::{Bool, KernelPtr};

/// A leaf that can be a number: a float as its bits, an address or bool as in C.
pub trait Leaf {
    /// Returns the number.
    fn leaf(&self) -> i128;
}

macro_rules! leaves {
    ($($type:ty: $leaf:expr;)*) => {$(
        impl Leaf for $type {
            fn leaf(&self) -> i128 {
                $leaf(*self)
            }
        }
    )*};
}

leaves! {
    u8: i128::from;
    i8: i128::from;
    u16: i128::from;
    i16: i128::from;
    u32: i128::from;
    i32: i128::from;
    u64: i128::from;
    i64: i128::from;
    i128: i128::from;
    u128: u128::cast_signed;
    f32: |value: f32| i128::from(value.to_bits());
    f64: |value: f64| i128::from(value.to_bits());
    bool: i128::from;
    Bool: |value: Bool| i128::from(value.get());
    KernelPtr: |value: KernelPtr| i128::from(value.addr());
}

/// The report on a case.
pub struct Report {
    /// Sizes, alignments and offsets.
    pub layout: Vec<Option<usize>>,
    /// The leaves of the value.
    pub leaves: Vec<i128>,
    /// True if a value made by setting each leaf has the same bytes.
    pub written: bool,
    /// The value as one line of text.
    pub line: String,
}

impl Report {
    /// Prints the report for the test.
    pub fn print(&self) {
        let layout: Vec<String> = self.layout.iter().map(|number| number.map_or("-".to_owned(), |number| number.to_string())).collect();
        let leaves: Vec<String> = self.leaves.iter().map(i128::to_string).collect();
        println!("{}|{}|{}|{}", layout.join(" "), leaves.join(" "), self.written, self.line);
    }
}
