//! [`Plain`]: types that are nothing but their bytes, and the macro that proves it.

use std::{
    alloc::{self, Layout},
    ptr::NonNull,
    slice,
};

use super::{Bool, CharArray, KernelPtr, Packed, Padding};

/// The maximum size of values that are passed by value, such as those of variables and maps, or
/// copied to the stack: 64 KiB.
///
/// Unoptimised code has several copies of such a value on the stack at once, and the stack of a
/// thread has 2 MiB.
pub const ON_STACK: usize = 64 << 10;

/// A type for which any bytes of its size are a value, and every value is that many initialised
/// bytes.
///
/// The structs of generated modules implement it through [`plain!`](crate::plain), which checks the
/// requirements. It lets records be read in place, in the kernel's memory, and values be passed to
/// the kernel.
///
/// # Safety
/// Every byte pattern of the type's size is a value of the type, no byte of a value is padding, and
/// nothing in a value can change while it is borrowed through a shared reference.
pub unsafe trait Plain: Copy + 'static {
    /// The least number of bytes in a record of this type. If the last member is an array, a record
    /// may end anywhere from its start on: programs send only the part that they filled.
    #[doc(hidden)]
    const LEAST: usize = size_of::<Self>();

    /// Returns the value whose bytes are all zero.
    fn zeroed() -> Self {
        // SAFETY: all zeroes are a value of every plain type.
        unsafe { std::mem::zeroed() }
    }

    /// Returns the all-zero value on the heap, for values that may be too large for the stack.
    fn zeroed_box() -> Box<Self> {
        let layout = Layout::new::<Self>();
        // No local variable holds the value: its place on the stack would be reserved on every
        // path.
        let at = match layout.size() {
            0 => NonNull::<Self>::dangling().as_ptr(),
            // SAFETY: the layout has at least one byte.
            _ => unsafe { alloc::alloc_zeroed(layout) }.cast::<Self>(),
        };
        if at.is_null() {
            alloc::handle_alloc_error(layout);
        }
        // SAFETY: the memory is new, has the type's layout and comes from the allocator that boxes
        // use, or the type has no bytes and needs no memory. All zeroes are a value of every plain
        // type.
        unsafe { Box::from_raw(at) }
    }

    /// Copies the value at the start of `bytes`, or returns `None` if they are too few.
    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..size_of::<Self>())?;
        // SAFETY: there are as many bytes as the type has, the read works at any address, and any
        // bytes are a value.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }

    /// Borrows the start of `bytes` as a value; `None` if they are too few or not aligned for the
    /// type.
    fn ref_from_prefix(bytes: &[u8]) -> Option<&Self> {
        let at = bytes.get(..size_of::<Self>())?.as_ptr().cast::<Self>();
        // SAFETY: there are as many bytes as the type has, they are aligned for it and borrowed for
        // as long as the result is, and any bytes are a value.
        at.is_aligned().then(|| unsafe { &*at })
    }

    /// Mutably borrows the start of `bytes` as a value; see [`Self::ref_from_prefix`].
    fn mut_from_prefix(bytes: &mut [u8]) -> Option<&mut Self> {
        let at = bytes.get_mut(..size_of::<Self>())?.as_mut_ptr().cast::<Self>();
        // SAFETY: as for `ref_from_prefix`, and the borrow is exclusive. Any value written through
        // it leaves the bytes initialised.
        at.is_aligned().then(|| unsafe { &mut *at })
    }

    /// Copies a value that `bytes` may cut short, with zeroes for the missing rest; `None` if there
    /// are fewer than [`LEAST`](Self::LEAST) bytes.
    #[cold]
    #[doc(hidden)]
    fn read_begun(bytes: &[u8]) -> Option<Self> {
        let mut value = Self::zeroed();
        let len = bytes.len().min(size_of::<Self>());
        value.bytes_mut().get_mut(..len)?.copy_from_slice(bytes.get(..len)?);
        (bytes.len() >= Self::LEAST).then_some(value)
    }

    /// Copies a value as [`Self::read_begun`] does, to the heap, for values that may be too large for
    /// the stack.
    #[cold]
    #[doc(hidden)]
    fn read_begun_box(bytes: &[u8]) -> Option<Box<Self>> {
        if bytes.len() < Self::LEAST.min(size_of::<Self>()) {
            return None;
        }
        let mut value = Self::zeroed_box();
        let len = bytes.len().min(size_of::<Self>());
        value.bytes_mut().get_mut(..len)?.copy_from_slice(bytes.get(..len)?);
        Some(value)
    }

    /// Borrows as many whole values as `bytes` hold; none if they are not aligned for the type.
    fn slice_from_bytes(bytes: &[u8]) -> &[Self] {
        let at = bytes.as_ptr().cast::<Self>();
        let len = bytes.len().checked_div(size_of::<Self>()).unwrap_or(0);
        if !at.is_aligned() {
            return &[];
        }
        // SAFETY: there are bytes for `len` values, they are aligned for them and borrowed for as
        // long as the result is, and any bytes are a value.
        unsafe { slice::from_raw_parts(at, len) }
    }

    /// Returns the bytes of a slice of values.
    fn slice_bytes(values: &[Self]) -> &[u8] {
        // SAFETY: all bytes of plain values are initialised, and they do not change while they are
        // borrowed.
        unsafe { slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
    }

    /// Returns the bytes of a slice of values for writing.
    fn slice_bytes_mut(values: &mut [Self]) -> &mut [u8] {
        // SAFETY: all bytes of plain values are initialised, the borrow is exclusive, and any bytes
        // written are values, too.
        unsafe { slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
    }

    /// Returns the bytes of the value.
    fn bytes(&self) -> &[u8] {
        Self::slice_bytes(slice::from_ref(self))
    }

    /// Returns the bytes of the value for writing.
    fn bytes_mut(&mut self) -> &mut [u8] {
        Self::slice_bytes_mut(slice::from_mut(self))
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        // SAFETY: any bytes are a number, and a number has no padding.
        unsafe impl Plain for $number {}
    )*};
}

numbers!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64);

// SAFETY: there are no bytes.
unsafe impl Plain for () {}
// SAFETY: an array is its items, one after the other, without padding.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}
// SAFETY: a transparent `u8`.
unsafe impl Plain for Bool {}
// SAFETY: transparent bytes.
unsafe impl<const N: usize> Plain for CharArray<N> {}
// SAFETY: transparent bytes.
unsafe impl<const N: usize> Plain for Padding<N> {}
// SAFETY: a transparent `u64`.
unsafe impl Plain for KernelPtr {}
// SAFETY: a `T` at any address.
unsafe impl<T: Plain> Plain for Packed<T> {}

/// Declares a struct that is [`Plain`](crate::sample::Plain): all its fields are plain, and there
/// is no padding between or after them.
///
/// ```
/// eunomia_runtime::plain! {
///     /// The key of a map entry.
///     #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
///     #[repr(C)]
///     pub struct Key {
///         pub pid: u32,
///         pub cpu: u32,
///     }
/// }
/// use eunomia_runtime::sample::Plain;
/// assert_eq!(Key::read(&[1, 0, 0, 0, 2, 0, 0, 0]), Some(Key { pid: 1, cpu: 2 }));
/// ```
///
/// The first of these does not compile because some bytes are no `bool`, and the second because the
/// struct would have padding:
///
/// ```compile_fail
/// eunomia_runtime::plain! {
///     #[derive(Clone, Copy)]
///     #[repr(C)]
///     pub struct Flag { pub set: bool }
/// }
/// ```
/// ```compile_fail
/// eunomia_runtime::plain! {
///     #[derive(Clone, Copy)]
///     #[repr(C)]
///     pub struct Padded { pub short: u16, pub long: u32 }
/// }
/// ```
///
/// A field of a type without values does not compile either, not even in editions that accept such
/// a value in place of one of any other type:
///
/// ```compile_fail,E0277,edition2021
/// #![allow(dependency_on_unit_never_type_fallback)]
/// trait Returns { type Value; }
/// impl<T> Returns for fn() -> T { type Value = T; }
///
/// eunomia_runtime::plain! {
///     #[derive(Clone, Copy)]
///     pub struct Never { pub value: <fn() -> ! as Returns>::Value }
/// }
/// ```
///
/// The proof is of the struct that the compiler sees, not of the text of the declaration. An
/// attribute that removes a field or the whole struct does not escape it, nor does a macro in place
/// of a type. A tuple struct may have up to 8 fields.
#[macro_export]
macro_rules! plain {
    // Generated modules also pass the layout that BTF gives.
    (
        $(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$about:meta])* $access:vis $field:ident: $type:ty),* $(,)? }
        const LAYOUT: Layout = Layout {
            size: $size:literal, align: $align:literal, offsets: $offsets:tt $(, least: $least:literal)? $(,)?
        };
    ) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$about])* $access $field: $type,)* }
        $crate::plain!(@proof $name $(least $least)? [$($field)*]);
        const _: () = $crate::__private::placed::<$name, _>([$($crate::__private::size::<$type>()),*], $offsets, $size, $align);
    };
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$about:meta])* $access:vis $field:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$about])* $access $field: $type,)* }
        $crate::plain!(@proof $name [$($field)*]);
    };
    ($(#[$meta:meta])* $vis:vis struct $name:ident($($(#[$about:meta])* $access:vis $type:ty),* $(,)?);) => {
        $(#[$meta])*
        $vis struct $name($($(#[$about])* $access $type,)*);
        $crate::plain!(@numbered $name [0 1 2 3 4 5 6 7] [] $($type,)*);
    };

    // Numbers stand in for the field names of a tuple struct.
    (@numbered $name:ident [$next:tt $($later:tt)*] [$($field:tt)*] $type:ty, $($more:ty,)*) => {
        $crate::plain!(@numbered $name [$($later)*] [$($field)* $next] $($more,)*);
    };
    (@numbered $name:ident [$($later:tt)*] [$($field:tt)*]) => {
        $crate::plain!(@proof $name [$($field)*]);
    };

    // The proof is of the type that the name `$name` resolves to, whatever that is. It must be a
    // struct (reading a union's field would need `unsafe`) with exactly these fields (the pattern
    // has no `..`), each of a plain type, and as large as the fields together.
    (@proof $name:ident $(least $least:literal)? [$($field:tt)*]) => {
        #[allow(deprecated, clippy::unused_unit, reason = "the proof does not use the fields, and the struct may have none")]
        const _: () = $crate::__private::unpadded::<$name, _>(|this| {
            let $name { $($field: _,)* } = this;
            ($($crate::__private::unaligned(this.$field, &raw const this.$field),)*)
        });
        // SAFETY: the fields are plain and make up all bytes of the struct, as was just proved.
        unsafe impl $crate::sample::Plain for $name {
            $(const LEAST: ::core::primitive::usize = $least;)?
        }
    };
}

/// Takes a plain field and returns it without its alignment.
///
/// The second parameter ties the type to that of the place: the value alone could be one of a type
/// without values, which coerces to any type, for example `()`. The place alone would not do
/// either, because a pointer to a union's field needs no `unsafe`.
pub const fn unaligned<T: Plain>(field: T, _: *const T) -> Packed<T> {
    Packed::new(field)
}

/// Fails to compile if a struct is larger than its fields together.
///
/// `F` is a tuple of the fields without their alignment and therefore without padding. The function
/// is never called.
pub const fn unpadded<S, F>(_: fn(&S) -> F) {
    assert!(align_of::<F>() == 1, "a field is aligned");
    assert!(size_of::<F>() == size_of::<S>(), "the struct has padding");
}

/// Returns the size of a plain field.
pub const fn size<T: Plain>() -> usize {
    size_of::<T>()
}

/// Fails to compile if a `repr(C)` struct has padding or a layout other than BTF's.
///
/// Without padding, each field starts at the end of those before it.
pub const fn placed<S, const N: usize>(
    fields: [usize; N],
    offsets: [usize; N],
    size: usize,
    align: usize,
) {
    assert!(size_of::<S>() == size, "the size differs from BTF");
    assert!(align_of::<S>() == align, "the alignment differs from BTF");
    let (mut end, mut i) = (0, 0);
    while i < N {
        assert!(end == offsets[i], "an offset differs from BTF");
        end += fields[i];
        i += 1;
    }
    assert!(end == size, "the struct has padding");
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[repr(C)]
    struct Pair(u16, u32);

    #[test]
    fn field_starts_at_end_of_those_before_it() {
        crate::plain! {
            #[derive(Clone, Copy)]
            #[repr(C)]
            struct Whole { short: u16, pad: Padding<2>, long: u32, tail: [u16; 0] }
            const LAYOUT: Layout = Layout { size: 8, align: 4, offsets: [0, 2, 4, 8] };
        }
        assert_eq!((std::mem::offset_of!(Whole, long), std::mem::offset_of!(Whole, tail)), (4, 8));
    }

    /// Covers declarations that could make the proof and the implementation be of different
    /// structs.
    #[test]
    fn proof_covers_type_that_is_implemented() {
        #[allow(
            dead_code,
            non_camel_case_types,
            reason = "it shadows a name that the macro could use"
        )]
        struct usize;
        macro_rules! number {
            () => {
                u32
            };
        }
        crate::plain! {
            #[derive(Clone, Copy)]
            #[cfg_attr(all(), repr(C, packed))]
            struct Packet { kind: u8, len: number!(), #[cfg_attr(all(), allow(dead_code, reason = "an attribute"))] r#type: [u16; 2] }
        }
        crate::plain! {
            #[derive(Clone, Copy)]
            #[repr(C)]
            struct Numbered(u32, number!(), u64);
        }
        crate::plain! {
            #[derive(Clone, Copy)]
            struct Nothing {}
        }
        #[derive(Clone, Copy)]
        #[repr(C)]
        struct Whatever<T = u8> {
            a: T,
        }
        crate::plain! {
            #[cfg(any())]
            struct Whatever { a: u64 }
        }
        assert_eq!(Packet::read(&[1, 2, 0, 0, 0, 0, 0, 0, 0]).map(|packet| packet.len), Some(2));
        let Numbered(_, second, _) = Numbered(1, 2, 3);
        assert_eq!(second, 2);
        assert_eq!(Numbered(1, 2, 3).bytes(), [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            (Nothing {}.bytes(), Whatever::<u8>::read(&[7]).map(|whatever| whatever.a)),
            (&[][..], Some(7))
        );
    }

    #[test]
    fn difference_from_btf_is_refused() {
        let kernel_error = |fields: [usize; 2], offsets, size, align| {
            let refused =
                catch_unwind(|| placed::<Pair, 2>(fields, offsets, size, align)).unwrap_err();
            *refused.downcast::<&str>().unwrap()
        };
        assert_eq!(kernel_error([2, 4], [0, 2], 6, 4), "the size differs from BTF");
        assert_eq!(kernel_error([4, 4], [0, 4], 8, 2), "the alignment differs from BTF");
        assert_eq!(kernel_error([2, 4], [0, 4], 8, 4), "an offset differs from BTF");
        assert_eq!(kernel_error([2, 4], [0, 2], 8, 4), "the struct has padding");
    }
}
