use std::{
    alloc::{self, Layout},
    ptr::NonNull,
    slice,
};

use super::{Bool, CharArray, KernelPtr, Packed, Padding};

/// A type that is its bytes: any bytes of its size are a value, and any value is that many initialised bytes.
///
/// The structs of generated modules have it through [`plain!`](crate::plain), which checks it; with it, records are read where the
/// kernel wrote them, and values are handed to the kernel.
///
/// # Safety
/// Every byte pattern of the type's size is a value of it, no byte of a value is padding, and nothing in it can change behind a shared
/// reference.
pub unsafe trait Plain: Copy + 'static {
    /// Bytes that a record of this type has at least. It may end where the last member begins, or inside of it, if that is an array:
    /// programs send what they have filled.
    const LEAST: usize = size_of::<Self>();

    /// The value of zeroes.
    fn zeroed() -> Self {
        // SAFETY: zeroes are a value of every plain type.
        unsafe { std::mem::zeroed() }
    }

    /// The value of zeroes on the heap, for values that may be too large for a stack.
    fn zeroed_box() -> Box<Self> {
        let layout = Layout::new::<Self>();
        // Nothing here holds a value: its place on the stack would be there in any case.
        let at = match layout.size() {
            0 => NonNull::<Self>::dangling().as_ptr(),
            // SAFETY: the layout has bytes.
            _ => unsafe { alloc::alloc_zeroed(layout) }.cast::<Self>(),
        };
        if at.is_null() {
            alloc::handle_alloc_error(layout);
        }
        // SAFETY: the memory is new, of the type's layout and from the allocator of boxes, or none where the type has no bytes; zeroes are
        // a value of every plain type.
        unsafe { Box::from_raw(at) }
    }

    /// The value at the start of `bytes`, where there are enough of them.
    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..size_of::<Self>())?;
        // SAFETY: there are as many bytes as the type has, at any address, and any bytes are a value.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }

    /// The start of `bytes` in place, where there are enough of them and they are aligned for the type.
    fn of_bytes(bytes: &[u8]) -> Option<&Self> {
        let at = bytes.get(..size_of::<Self>())?.as_ptr().cast::<Self>();
        // SAFETY: there are as many bytes as the type has, aligned for it, borrowed as the result is, and any bytes are a value.
        at.is_aligned().then(|| unsafe { &*at })
    }

    /// As [`Self::of_bytes`], to be changed.
    fn of_bytes_mut(bytes: &mut [u8]) -> Option<&mut Self> {
        let at = bytes.get_mut(..size_of::<Self>())?.as_mut_ptr().cast::<Self>();
        // SAFETY: as for `of_bytes`, borrowed alone; whatever value is written, its bytes are initialised.
        at.is_aligned().then(|| unsafe { &mut *at })
    }

    /// The value that `bytes` are the beginning of, the rest being zero, if they are [`LEAST`](Self::LEAST) bytes or more.
    #[cold]
    fn read_begun(bytes: &[u8]) -> Option<Self> {
        let mut value = Self::zeroed();
        let len = bytes.len().min(size_of::<Self>());
        value.bytes_mut().get_mut(..len)?.copy_from_slice(bytes.get(..len)?);
        (bytes.len() >= Self::LEAST).then_some(value)
    }

    /// As many values as `bytes` are enough for, in place; none where they are not aligned for the type.
    fn slice_of_bytes(bytes: &[u8]) -> &[Self] {
        let at = bytes.as_ptr().cast::<Self>();
        let len = bytes.len().checked_div(size_of::<Self>()).unwrap_or(0);
        if !at.is_aligned() {
            return &[];
        }
        // SAFETY: there are bytes for `len` values, aligned for them, borrowed as the result is, and any bytes are a value.
        unsafe { slice::from_raw_parts(at, len) }
    }

    /// The bytes of values that stand one behind the other.
    fn slice_bytes(values: &[Self]) -> &[u8] {
        // SAFETY: all bytes of plain values are initialised, and do not change while they are borrowed.
        unsafe { slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
    }

    /// As [`Self::slice_bytes`], to be changed.
    fn slice_bytes_mut(values: &mut [Self]) -> &mut [u8] {
        // SAFETY: all bytes of plain values are initialised, borrowed alone here, and any others are values, too.
        unsafe { slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
    }

    /// The bytes of the value.
    fn bytes(&self) -> &[u8] {
        Self::slice_bytes(slice::from_ref(self))
    }

    /// The bytes of the value, to be changed.
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
// SAFETY: an array is its items, one after the other.
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

/// Declares a struct that is [`Plain`](crate::sample::Plain): all its fields are, and there is no padding between or behind them.
///
/// ```
/// eunomia_runtime::plain! {
///     /// What the kernel looks an entry up by.
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
/// A `bool` has bytes that are no value, and the struct here would have padding; neither compiles:
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
/// Nor does a field of a type that has no values at all, also in editions that take such a field for one of any type:
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
/// The proof reads the struct that the compiler has, not the text of the declaration: an attribute that takes away a field or the whole
/// struct, or a macro in the place of a type, changes nothing about it. A tuple struct has up to eight fields.
#[macro_export]
macro_rules! plain {
    // Generated modules say where BTF has the fields, too.
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

    // Numbers in place of the names of fields.
    (@numbered $name:ident [$next:tt $($later:tt)*] [$($field:tt)*] $type:ty, $($more:ty,)*) => {
        $crate::plain!(@numbered $name [$($later)*] [$($field)* $next] $($more,)*);
    };
    (@numbered $name:ident [$($later:tt)*] [$($field:tt)*]) => {
        $crate::plain!(@proof $name [$($field)*]);
    };

    // Proves it of the type that `$name` is here, whatever that is: a struct (fields of unions are not read without `unsafe`) that
    // has these fields and no other (there is no `..`), each of a plain type, and is as large as they are together.
    (@proof $name:ident $(least $least:literal)? [$($field:tt)*]) => {
        #[allow(deprecated, clippy::unused_unit, reason = "a proof is no use of a field, and there may be none")]
        const _: () = $crate::__private::unpadded::<$name, _>(|this| {
            let $name { $($field: _,)* } = this;
            ($($crate::__private::unaligned(this.$field, &raw const this.$field),)*)
        });
        // SAFETY: the fields are plain, and all bytes are theirs, as was just proved.
        unsafe impl $crate::sample::Plain for $name {
            $(const LEAST: ::core::primitive::usize = $least;)?
        }
    };
}

/// A field, which must be plain, without its alignment. Its type is that of the place: a value of a type without values would be taken for
/// one of any type, for example `()`. (The place alone would not do: that of a union's field is had without `unsafe`.)
pub const fn unaligned<T: Plain>(field: T, _: *const T) -> Packed<T> {
    Packed::new(field)
}

/// Refuses a struct that is not as large as its fields are together. `F` is a tuple of them without their alignment, and so without
/// padding; the function is never called.
pub const fn unpadded<S, F>(_: fn(&S) -> F) {
    assert!(align_of::<F>() == 1, "a field is aligned");
    assert!(size_of::<F>() == size_of::<S>(), "there is padding");
}

/// The size of a field, which must be plain.
pub const fn size<T: Plain>() -> usize {
    size_of::<T>()
}

/// Refuses a `repr(C)` struct that is larger than its fields are or not laid out as BTF says: without padding, a field is where those
/// before it end.
pub const fn placed<S, const N: usize>(fields: [usize; N], offsets: [usize; N], size: usize, align: usize) {
    assert!(size_of::<S>() == size, "the size is not that of BTF");
    assert!(align_of::<S>() == align, "the alignment is not that of BTF");
    let (mut end, mut i) = (0, 0);
    while i < N {
        assert!(end == offsets[i], "an offset is not that of BTF");
        end += fields[i];
        i += 1;
    }
    assert!(end == size, "there is padding");
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[repr(C)]
    struct Pair(u16, u32);

    #[test]
    fn a_field_is_where_those_before_it_end() {
        crate::plain! {
            #[derive(Clone, Copy)]
            #[repr(C)]
            struct Whole { short: u16, pad: Padding<2>, long: u32, tail: [u16; 0] }
            const LAYOUT: Layout = Layout { size: 8, align: 4, offsets: [0, 2, 4, 8] };
        }
        assert_eq!((std::mem::offset_of!(Whole, long), std::mem::offset_of!(Whole, tail)), (4, 8));
    }

    /// What could be proved of one struct and be implemented for another.
    #[test]
    fn plain_is_proved_of_the_type_that_gets_it() {
        #[allow(dead_code, non_camel_case_types, reason = "it is named as what the macro could name")]
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
        assert_eq!((Nothing {}.bytes(), Whatever::<u8>::read(&[7]).map(|whatever| whatever.a)), (&[][..], Some(7)));
    }

    #[test]
    fn whatever_differs_from_btf_is_refused() {
        let refusal = |fields: [usize; 2], offsets, size, align| {
            let refused = catch_unwind(|| placed::<Pair, 2>(fields, offsets, size, align)).unwrap_err();
            *refused.downcast::<&str>().unwrap()
        };
        assert_eq!(refusal([2, 4], [0, 2], 6, 4), "the size is not that of BTF");
        assert_eq!(refusal([4, 4], [0, 4], 8, 2), "the alignment is not that of BTF");
        assert_eq!(refusal([2, 4], [0, 4], 8, 4), "an offset is not that of BTF");
        assert_eq!(refusal([2, 4], [0, 2], 8, 4), "there is padding");
    }
}
