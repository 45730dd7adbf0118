//! Accessors for members that are not fields of the Rust struct: bit fields, and members that share
//! bytes with others.
//!
//! Generated accessors call them with constant places, which are checked at compile time.

use super::Plain;

/// Reports whether a `T` at `offset` lies inside an `S`.
const fn inside<S, T>(offset: usize) -> bool {
    size_of::<T>() <= size_of::<S>() && offset <= size_of::<S>() - size_of::<T>()
}

/// Reports whether a `T` at `offset` of an `S` is always aligned.
const fn aligned<S, T>(offset: usize) -> bool {
    align_of::<S>().is_multiple_of(align_of::<T>()) && offset.is_multiple_of(align_of::<T>())
}

/// Returns a copy of the member at `OFFSET`.
pub fn get<S, T, const OFFSET: usize>(this: &S) -> T
where
    S: Plain,
    T: Plain,
{
    const { assert!(inside::<S, T>(OFFSET)) };
    // There are enough bytes, as was just asserted.
    this.bytes().get(OFFSET..).and_then(T::read).unwrap_or_else(T::zeroed)
}

/// Reads the member that tells the type of a record, at `OFFSET`; `None` if the record is too
/// short.
pub fn tag<T, const OFFSET: usize>(record: &[u8]) -> Option<T>
where
    T: Plain,
{
    record.get(OFFSET..).and_then(T::read)
}

/// Replaces the member at `OFFSET`.
pub fn set<S, T, const OFFSET: usize>(this: &mut S, value: &T)
where
    S: Plain,
    T: Plain,
{
    const { assert!(inside::<S, T>(OFFSET)) };
    if let Some(bytes) = this.bytes_mut().get_mut(OFFSET..OFFSET + size_of::<T>()) {
        bytes.copy_from_slice(value.bytes());
    }
}

/// Borrows the member at `OFFSET`.
pub fn view<S, T, const OFFSET: usize>(this: &S) -> &T
where
    S: Plain,
    T: Plain,
{
    const { assert!(inside::<S, T>(OFFSET) && aligned::<S, T>(OFFSET)) };
    match this.bytes().get(OFFSET..).and_then(T::ref_from_prefix) {
        Some(member) => member,
        _ => unreachable!("asserted at compile time"),
    }
}

/// Mutably borrows the member at `OFFSET`.
pub fn view_mut<S, T, const OFFSET: usize>(this: &mut S) -> &mut T
where
    S: Plain,
    T: Plain,
{
    const { assert!(inside::<S, T>(OFFSET) && aligned::<S, T>(OFFSET)) };
    match this.bytes_mut().get_mut(OFFSET..).and_then(T::mut_from_prefix) {
        Some(member) => member,
        _ => unreachable!("asserted at compile time"),
    }
}

/// Returns the bit field of `WIDTH` bits (1 to 128) from bit `AT` on, sign-extended if it is
/// signed.
///
/// Bits are counted from the lowest bit of the first byte, as little-endian C compilers place them.
pub fn bits<S, const AT: usize, const WIDTH: u32>(this: &S, signed: bool) -> i128
where
    S: Plain,
{
    const { assert!(0 < WIDTH && WIDTH <= 128 && AT + WIDTH as usize <= 8 * size_of::<S>()) };
    number(this.bytes().get(AT / 8..).unwrap_or_default(), AT as u32 % 8, WIDTH, signed)
}

/// Returns the number of `width` bits in `bytes` after the lowest `shift` bits (fewer than 8); see
/// [`bits`].
pub(crate) fn number(bytes: &[u8], shift: u32, width: u32, signed: bool) -> i128 {
    let mut raw = 0u128;
    let mut at = 0;
    for &byte in bytes.iter().take((shift + width).div_ceil(8) as usize) {
        let byte = u128::from(byte);
        raw |= if at < shift { byte >> shift } else { byte << (at - shift) };
        at += 8;
    }
    let unused = 128 - width;
    let raw = raw << unused;
    if signed { raw.cast_signed() >> unused } else { (raw >> unused).cast_signed() }
}

/// Sets the bit field of `WIDTH` bits from bit `AT` on to the lowest bits of `value`.
///
/// The bits around it do not change.
pub fn set_bits<S, const AT: usize, const WIDTH: u32>(this: &mut S, value: i128)
where
    S: Plain,
{
    const { assert!(0 < WIDTH && WIDTH <= 128 && AT + WIDTH as usize <= 8 * size_of::<S>()) };
    let bytes = this.bytes_mut();
    for bit in 0..WIDTH {
        let at = AT + bit as usize;
        if let Some(byte) = bytes.get_mut(at / 8) {
            let mask = 1 << (at % 8);
            *byte = if value >> bit & 1 == 1 { *byte | mask } else { *byte & !mask };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_fields_work_at_every_place() {
        fn check<const AT: usize, const WIDTH: u32>() {
            for value in [0, 1, -1, i128::MAX, 0x0123_4567_89ab_cdef_1122_3344_5566_7788] {
                for background in [0u8, 0xff] {
                    let mut bytes = [background; 24];
                    set_bits::<_, AT, WIDTH>(&mut bytes, value);
                    let unused = 128 - WIDTH;
                    assert_eq!(
                        bits::<_, AT, WIDTH>(&bytes, true),
                        value << unused >> unused,
                        "{AT} {WIDTH}"
                    );
                    assert_eq!(
                        bits::<_, AT, WIDTH>(&bytes, false),
                        ((value << unused).cast_unsigned() >> unused).cast_signed()
                    );
                    let outside = (0..192).filter(|bit| !(AT..AT + WIDTH as usize).contains(bit));
                    assert!(
                        outside
                            .into_iter()
                            .all(|bit| bytes[bit / 8] >> (bit % 8) & 1 == background & 1)
                    );
                }
            }
        }
        check::<0, 1>();
        check::<3, 5>();
        check::<7, 2>();
        check::<5, 33>();
        check::<38, 7>();
        check::<1, 64>();
        check::<56, 70>();
        check::<0, 128>();
        check::<63, 128>();
    }

    #[test]
    fn tag_is_none_if_record_is_too_short() {
        let record = [0, 0, 7, 0, 0, 0, 1];
        assert_eq!((tag::<u32, 2>(&record), tag::<u32, 3>(&record)), (Some(7), Some(0x0100_0000)));
        assert_eq!(
            (tag::<u32, 4>(&record), tag::<u8, 7>(&record), tag::<u64, 9>(&record)),
            (None, None, None)
        );
    }

    #[test]
    fn members_can_share_bytes() {
        let mut words = [0u64; 2];
        set::<_, u32, 12>(&mut words, &0xdead_beef);
        assert_eq!((get::<_, u32, 12>(&words), words[1]), (0xdead_beef, 0xdead_beef << 32));
        *view_mut::<_, [u16; 2], 4>(&mut words) = [1, 2];
        assert_eq!(view::<_, [u16; 2], 4>(&words), &[1, 2]);
        assert_eq!(get::<[u8; 3], u16, 1>(&[1, 2, 3]), 0x0302);
    }
}
