//! [`Log2Histogram`]: slots by powers of two.

use std::{fmt, ops::RangeInclusive};

use super::rows::{self, Row, Text};

/// Counts of values by powers of two: slot 0 counts 0 and 1, slot `n` the values from 2^n to
/// 2^(n+1) - 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log2Histogram {
    slots: [u64; 64],
}

impl Log2Histogram {
    /// Creates an empty histogram.
    pub fn new() -> Self {
        Self { slots: [0; 64] }
    }

    /// Creates a histogram from the counts of a BPF program, `__u32 slots[N]` or `__u64 slots[N]`.
    ///
    /// Counts after slot 63, which no value reaches, are added to it.
    pub fn from_slots<N: Copy + Into<u64>>(slots: &[N]) -> Self {
        let mut histogram = Self::new();
        for (index, count) in slots.iter().enumerate() {
            histogram.count_in(index, (*count).into());
        }
        histogram
    }

    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        self.count_in(value.max(1).ilog2() as usize, 1);
    }

    /// Adds the counts of another histogram.
    pub fn merge(&mut self, other: &Self) {
        rows::add(&mut self.slots, &other.slots);
    }

    /// Returns the number of values counted.
    pub fn count(&self) -> u64 {
        rows::total(&self.slots)
    }

    /// Returns the counts.
    pub fn slots(&self) -> &[u64; 64] {
        &self.slots
    }

    /// Returns the values and the count of each slot, up to the last slot that is not empty.
    pub fn rows(&self) -> impl Iterator<Item = (RangeInclusive<u64>, u64)> + Clone {
        let used = self.slots.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        self.slots.iter().take(used).enumerate().map(|(slot, count)| -> Row {
            let low = if slot == 0 { 0 } else { 1 << slot };
            (low..=u64::MAX >> (63 - slot), *count)
        })
    }

    /// Returns the slot of the value that `percent` (0 to 100) of all values do not exceed, as its
    /// smallest and largest value.
    ///
    /// `None` if no values were counted.
    pub fn percentile(&self, percent: f64) -> Option<RangeInclusive<u64>> {
        rows::percentile(self.rows(), self.count(), percent)
    }

    /// Returns the table that tools of bcc and eunomia-bpf print, with the unit of the values in
    /// its head; empty if no values were counted.
    ///
    /// It ends without a newline.
    pub fn text<'a>(&'a self, unit: &'a str) -> impl fmt::Display + 'a {
        Text { unit, rows: self.rows(), wide: self.slots.iter().skip(33).any(|count| *count > 0) }
    }

    fn count_in(&mut self, slot: usize, count: u64) {
        if let Some(slot) = self.slots.get_mut(slot.min(63)) {
            *slot = slot.saturating_add(count);
        }
    }
}

impl Default for Log2Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes [`Log2Histogram::text`] without a unit.
impl fmt::Display for Log2Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text("").fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Log2Histogram {
        let mut histogram = Log2Histogram::new();
        values.iter().for_each(|value| histogram.record(*value));
        histogram
    }

    #[test]
    fn values_find_their_slots() {
        let histogram = of(&[0, 1, 2, 3, 4, 7, 8, 1 << 32, u64::MAX]);
        let used: Vec<_> =
            histogram.slots().iter().enumerate().filter(|(_, count)| **count > 0).collect();
        assert_eq!(used, [(0, &2), (1, &2), (2, &2), (3, &1), (32, &1), (63, &1)]);
        assert_eq!((histogram.count(), histogram.rows().count()), (9, 64));
        for (slot, (values, _)) in histogram.rows().enumerate() {
            assert!(of(&[*values.start(), *values.end()]).slots()[slot] == 2, "{values:?}");
            assert!(
                values.end().checked_add(1).is_none_or(|next| of(&[next]).slots()[slot + 1] == 1),
                "{values:?}"
            );
        }
    }

    #[test]
    fn text_is_narrow_up_to_slot_32() {
        let histogram = Log2Histogram::from_slots(&[1u32, 8, 138, 512, 1029, 16]);
        assert_eq!(
            histogram.text("qaq").to_string(),
            "     qaq                 : count    distribution\n         \
             0 -> 1          : 1        |                                        |\n         \
             2 -> 3          : 8        |                                        |\n         \
             4 -> 7          : 138      |*****                                   |\n         \
             8 -> 15         : 512      |*******************                     |\n        \
             16 -> 31         : 1029     |****************************************|\n        \
             32 -> 63         : 16       |                                        |"
        );
        assert_eq!(Log2Histogram::from_slots(&[0u64; 26]).text("qaq").to_string(), "");
        assert_eq!(
            of(&[0]).to_string().lines().next(),
            Some("                         : count    distribution")
        );
    }

    #[test]
    fn text_is_wide_after_slot_32() {
        let narrow = of(&[1 << 32]).text("ns").to_string();
        assert_eq!(narrow.lines().next(), Some("     ns                  : count    distribution"));
        assert_eq!(
            narrow.lines().last(),
            Some("4294967296 -> 8589934591 : 1        |****************************************|")
        );
        let wide = of(&[u64::MAX, u64::MAX, 1 << 33]).text("ns").to_string();
        let mut lines = wide.lines();
        assert_eq!(
            lines.next(),
            Some("               ns                            : count    distribution")
        );
        assert_eq!(
            lines.next(),
            Some("                   0 -> 1                    : 0        |                    |")
        );
        assert_eq!(
            lines.nth(32),
            Some("          8589934592 -> 17179869183          : 1        |**********          |")
        );
        assert_eq!(
            lines.next_back(),
            Some(" 9223372036854775808 -> 18446744073709551615 : 2        |********************|")
        );
    }

    #[test]
    fn nothing_overflows() {
        let mut histogram = Log2Histogram::from_slots(&[u64::MAX; 80]);
        histogram.merge(&histogram.clone());
        histogram.record(5);
        assert_eq!((histogram.count(), histogram.slots()[2]), (u64::MAX, u64::MAX));
        let text = histogram.to_string();
        assert_eq!(text.lines().count(), 65);
        assert!(
            text.lines()
                .skip(1)
                .all(|line| line.ends_with(" : 18446744073709551615 |********************|"))
        );
        // Counts of slots that no `u64` reaches are kept in the last slot.
        assert_eq!(Log2Histogram::from_slots(&[1u32; 66]).slots()[63], 3);
    }

    #[test]
    fn percentiles_are_slots() {
        let histogram = Log2Histogram::from_slots(&[1u32, 0, 3, 12, 4]);
        let slot = |percent| histogram.percentile(percent);
        assert_eq!(
            [slot(0.0), slot(5.0), slot(5.1), slot(20.0)],
            [Some(0..=1), Some(0..=1), Some(4..=7), Some(4..=7)]
        );
        assert_eq!(
            [slot(50.0), slot(80.0), slot(80.1), slot(100.0)],
            [Some(8..=15), Some(8..=15), Some(16..=31), Some(16..=31)]
        );
        assert_eq!(
            [slot(-1.0), slot(1e9), slot(f64::NAN)],
            [Some(0..=1), Some(16..=31), Some(0..=1)]
        );
        assert_eq!(Log2Histogram::new().percentile(50.0), None);
    }

    #[test]
    fn merge_equals_recording_together() {
        let mut merged = of(&[1, 2, 300]);
        merged.merge(&of(&[0, 1 << 40]));
        assert_eq!(merged, of(&[1, 2, 300, 0, 1 << 40]));
    }
}
