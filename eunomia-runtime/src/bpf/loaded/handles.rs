//! Handles of many maps or programs in one call.
//!
//! A generated module has a handle for each map and program. One `?` for each would cost as much
//! compile time as a small function.

use crate::{
    Result,
    bpf::{
        FromMap, Loaded, PerfEventArray, Program, RingBuffer, StructOps, UserRingBuffer,
        kind::ProgramKind,
    },
};

/// A handle that a loaded object returns by name.
pub trait Named<'a>: Sized {
    /// Returns the handle of the map or program `name`.
    ///
    /// # Errors
    /// Those of the method of [`Loaded`] that returns it.
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

impl<'a, K: ProgramKind> Named<'a> for Program<'a, K> {
    fn named(loaded: &'a Loaded, name: &str) -> Result<Self> {
        loaded.program(name).map(Program::of_section)
    }
}

/// A tuple of handles, one for each name.
pub trait Group<'a, const N: usize>: Sized {
    /// Returns the handles of the maps or programs `names`.
    ///
    /// # Errors
    /// Those of the first handle that fails.
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

/// Returns the handles of the maps or programs `names`.
///
/// # Errors
/// Those of the first handle that fails.
pub fn handles<'a, T: Group<'a, N>, const N: usize>(
    loaded: &'a Loaded,
    names: [&str; N],
) -> Result<T> {
    T::group(loaded, names)
}
