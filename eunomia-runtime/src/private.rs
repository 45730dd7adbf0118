//! Not public API: what generated modules name beside the public types. Changes with the generator.

#[cfg(feature = "serde")]
pub use serde_core as serde;
pub use zerocopy;

pub use crate::sample::{
    Fields, Padding,
    access::{bits, get, set, set_bits, view, view_mut},
    with_event, with_tail,
};

#[cfg(feature = "serde")]
pub use crate::sample::serial::{Record, Serial, serialize_enum};

/// The object, aligned as libbpf wants it.
#[derive(Debug)]
#[repr(C, align(8))]
pub struct Aligned<T: ?Sized>(pub T);

/// Expands to its argument where the runtime can load objects, else to nothing: a generated module asks nothing of the user's own
/// features.
#[cfg(feature = "load")]
#[doc(hidden)]
#[macro_export]
macro_rules! __lifecycle {
    ($($item:item)*) => { $($item)* };
}

/// Expands to its argument where the runtime can load objects, else to nothing.
#[cfg(not(feature = "load"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __lifecycle {
    ($($item:item)*) => {};
}

/// Expands to its argument where the runtime knows serde, else to nothing.
#[cfg(feature = "serde")]
#[doc(hidden)]
#[macro_export]
macro_rules! __serde {
    ($($item:item)*) => { $($item)* };
}

/// Expands to its argument where the runtime knows serde, else to nothing.
#[cfg(not(feature = "serde"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __serde {
    ($($item:item)*) => {};
}
