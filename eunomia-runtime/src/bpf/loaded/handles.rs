//! Handles by their names, many in one call. A generated module has one for each map and program; each `?` takes the compiler as long as
//! a small function.

use crate::{
    Result,
    bpf::{FromMap, Loaded, PerfEventArray, Program, RingBuffer, StructOps, UserRingBuffer, kind::Kind},
};

/// A handle that a loaded object gives by a name.
pub trait Named<'a>: Sized {
    /// The handle of the map or program `name`.
    ///
    /// # Errors
    /// Those of the method of [`Loaded`] that makes it.
    fn named(loaded: &'a Loaded, name: &str) -> Result<Self>;
}

impl<'a, T: FromMap<'a>> Named<'a> for T {
    fn named(loaded: &'a Loaded, name: &str) -> Result<Self> {
        loaded.typed_map_or_none(name)
    }
}

impl<'a, E: ?Sized> Named<'a> for RingBuffer<'a, E> {
    fn named(loaded: &'a Loaded, name: &str) -> Result<Self> {
        loaded.ring_buffer(name)
    }
}

impl<'a, E: ?Sized> Named<'a> for PerfEventArray<'a, E> {
    fn named(loaded: &'a Loaded, name: &str) -> Result<Self> {
        loaded.perf_event_array(name)
    }
}

impl<'a> Named<'a> for UserRingBuffer<'a> {
    fn named(loaded: &'a Loaded, name: &str) -> Result<Self> {
        loaded.user_ring_buffer(name)
    }
}

impl<'a> Named<'a> for StructOps<'a> {
    fn named(loaded: &'a Loaded, name: &str) -> Result<Self> {
        loaded.struct_ops(name)
    }
}

impl<'a, K: Kind> Named<'a> for Program<'a, K> {
    fn named(loaded: &'a Loaded, name: &str) -> Result<Self> {
        loaded.program(name).map(Program::of_section)
    }
}

/// As many handles as there are names, in a tuple.
pub trait Group<'a, const N: usize>: Sized {
    /// The handles of the maps or programs with these names.
    ///
    /// # Errors
    /// Those of the first that there is none for.
    fn group(loaded: &'a Loaded, names: [&str; N]) -> Result<Self>;
}

macro_rules! groups {
    ($($len:literal: $($handle:ident $name:ident)*;)*) => {$(
        impl<'a, $($handle: Named<'a>),*> Group<'a, $len> for ($($handle,)*) {
            fn group(loaded: &'a Loaded, [$($name),*]: [&str; $len]) -> Result<Self> {
                Ok(($($handle::named(loaded, $name)?,)*))
            }
        }
    )*};
}

groups! {
    1: A a;
    2: A a B b;
    3: A a B b C c;
    4: A a B b C c D d;
    5: A a B b C c D d E e;
    6: A a B b C c D d E e F f;
    7: A a B b C c D d E e F f G g;
    8: A a B b C c D d E e F f G g H h;
}

/// The handles of the maps or programs with these names.
///
/// # Errors
/// Those of the first that there is none for.
pub fn handles<'a, T: Group<'a, N>, const N: usize>(loaded: &'a Loaded, names: [&str; N]) -> Result<T> {
    T::group(loaded, names)
}
