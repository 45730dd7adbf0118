//! Padding that an attribute adds is found.
#![forbid(unsafe_code)]

use eunomia_runtime::{plain, sample::Padding};

plain! {
    #[derive(Clone, Copy)]
    #[repr(C)]
    #[cfg_attr(all(), repr(align(16)))]
    struct Aligned {
        a: u64,
    }
}

plain! {
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Numbered(u8, u32);
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Other {
    a: u8,
    b: u32,
}

plain! {
    #[cfg(any())]
    struct Other { a: u8, b: u32 }
    const LAYOUT: Layout = Layout { size: 8, align: 4, offsets: [0, 4] };
}

plain! {
    #[derive(Clone, Copy)]
    #[cfg_attr(all(), repr(C))]
    struct Elsewhere {
        a: u32,
        b: Padding<4>,
    }
    const LAYOUT: Layout = Layout { size: 8, align: 4, offsets: [0, 2] };
}

fn main() {}
