//! `plain!` proves its claims for the type that becomes plain, even if attributes change it.
#![forbid(unsafe_code)]

use std::ops::Deref;

use eunomia_runtime::plain;

plain! {
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct WithoutAField {
        a: u8,
        #[cfg(any())]
        gone: [u8; 3],
        b: u32,
    }
}

#[derive(Clone, Copy)]
struct OtherStruct(&'static str);

plain! {
    #[cfg(any())]
    struct OtherStruct { a: u64, b: u64 }
}

#[derive(Clone, Copy)]
struct OtherFields {
    a: &'static str,
}

plain! {
    #[cfg_attr(all(), cfg(any()))]
    struct OtherFields { a: [u64; 2] }
}

#[derive(Clone, Copy)]
struct MoreFields {
    a: u64,
    b: bool,
}

plain! {
    #[cfg(any())]
    struct MoreFields { a: [u8; 16] }
}

#[derive(Clone, Copy)]
union Union {
    a: u64,
    b: (),
}

plain! {
    #[cfg(any())]
    struct Union { a: u64 }
}

#[derive(Clone, Copy)]
enum Enum {
    Enum(u8),
}
use Enum::*;

plain! {
    #[cfg(any())]
    struct Enum(u8);
}

#[derive(Clone, Copy)]
struct Derefs(&'static Target);

struct Target {
    a: u64,
}

impl Deref for Derefs {
    type Target = Target;

    fn deref(&self) -> &Target {
        self.0
    }
}

plain! {
    #[cfg(any())]
    struct Derefs { a: u64 }
}

#[derive(Clone, Copy)]
struct Parameter<T> {
    a: T,
}

plain! {
    #[cfg(any())]
    struct Parameter { a: u64 }
}

plain!(@proof OtherStruct [0]);

fn main() {}
