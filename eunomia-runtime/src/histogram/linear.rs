//! [`LinearHistogram`]: slots of equal width.

use std::{fmt, ops::RangeInclusive};

use super::rows::{self, Row, Text};
use crate::{Error, Result};

/// Counts of values in slots of equal width, from a smallest value on.
///
/// The first and the last slot also count the values outside, as do BPF programs that clamp their
/// index to the array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinearHistogram {
    base: u64,
    step: u64,
    slots: Vec<u64>,
}

impl LinearHistogram {
    /// Creates an empty histogram of `slots` slots (at least 1) of `step` values (at least 1) each,
    /// the first from `base` on.
    ///
    /// Only this call and [`Self::from_slots`] allocate.
    pub fn new(base: u64, step: u64, slots: usize) -> Self {
        Self { base, step: step.max(1), slots: vec![0; slots.max(1)] }
    }

    /// Creates a histogram from the counts of a BPF program, `__u32 slots[N]` or `__u64 slots[N]`,
    /// whose slots are `step` wide, from `base` on.
    pub fn from_slots<N: Copy + Into<u64>>(base: u64, step: u64, slots: &[N]) -> Self {
        let mut histogram = Self::new(base, step, slots.len());
        for (slot, count) in histogram.slots.iter_mut().zip(slots) {
            *slot = (*count).into();
        }
        histogram
    }

    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        let slot =
            usize::try_from(value.saturating_sub(self.base) / self.step).unwrap_or(usize::MAX);
        let last = self.slots.len() - 1;
        if let Some(slot) = self.slots.get_mut(slot.min(last)) {
            *slot = slot.saturating_add(1);
        }
    }

    /// Adds the counts of another histogram.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if its slots differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let shape = |histogram: &Self| (histogram.base, histogram.step, histogram.slots.len());
        if shape(self) != shape(other) {
            let words = |(base, step, slots)| format!("{slots} slots of {step} from {base} on");
            let why = format!("cannot add {} to {}", words(shape(other)), words(shape(self)));
            return Err(Error::Mismatch { name: "histogram".to_owned(), why });
        }
        rows::add(&mut self.slots, &other.slots);
        Ok(())
    }

    /// Returns the number of values counted.
    pub fn count(&self) -> u64 {
        rows::total(&self.slots)
    }

    /// Returns the counts.
    pub fn slots(&self) -> &[u64] {
        &self.slots
    }

    /// Returns the values and the count of each slot, from the first to the last slot that is not
    /// empty.
    pub fn rows(&self) -> impl Iterator<Item = (RangeInclusive<u64>, u64)> + Clone {
        let used = |count: &u64| *count > 0;
        let first = self.slots.iter().position(used).unwrap_or(0);
        let end = self.slots.iter().rposition(used).map_or(0, |last| last + 1);
        let rows = self.slots.iter().enumerate().take(end).skip(first);
        rows.map(|(slot, count)| -> Row {
            let low = self.base.saturating_add(self.step.saturating_mul(slot as u64));
            (low..=low.saturating_add(self.step - 1), *count)
        })
    }

    /// Returns the slot of the value that `percent` (0 to 100) of all values do not exceed, as its
    /// smallest and largest value.
    ///
    /// `None` if no values were counted.
    pub fn percentile(&self, percent: f64) -> Option<RangeInclusive<u64>> {
        rows::percentile(self.rows(), self.count(), percent)
    }

    /// Returns a table like that of [`super::Log2Histogram::text`].
    pub fn text<'a>(&'a self, unit: &'a str) -> impl fmt::Display + 'a {
        let wide = self.rows().any(|(values, _)| *values.end() > 9_999_999_999);
        Text { unit, rows: self.rows(), wide }
    }
}

/// Writes [`LinearHistogram::text`] without a unit.
impl fmt::Display for LinearHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text("").fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(base: u64, step: u64, slots: usize, values: &[u64]) -> LinearHistogram {
        let mut histogram = LinearHistogram::new(base, step, slots);
        values.iter().for_each(|value| histogram.record(*value));
        histogram
    }

    #[test]
    fn values_find_their_slots() {
        let histogram = of(100, 10, 4, &[0, 99, 100, 109, 110, 139, 140, u64::MAX]);
        assert_eq!((histogram.slots(), histogram.count()), (&[4, 1, 0, 3][..], 8));
        assert_eq!(
            histogram.rows().collect::<Vec<_>>(),
            [(100..=109, 4), (110..=119, 1), (120..=129, 0), (130..=139, 3)]
        );
        assert_eq!(
            (histogram.percentile(50.0), histogram.percentile(51.0)),
            (Some(100..=109), Some(110..=119))
        );
        // A step and a number of slots of 0 count as 1.
        assert_eq!(of(0, 0, 0, &[3]).rows().collect::<Vec<_>>(), [(0..=0, 1)]);
        assert_eq!(
            of(u64::MAX - 1, 10, 2, &[u64::MAX]).rows().collect::<Vec<_>>(),
            [(u64::MAX - 1..=u64::MAX, 1)]
        );
    }

    #[test]
    fn text_has_bars_and_widths() {
        let histogram = LinearHistogram::from_slots(0, 5, &[0u32, 1, 0, 4, 0]);
        assert_eq!(
            histogram.text("cpus").to_string(),
            "     cpus                : count    distribution\n         \
             5 -> 9          : 1        |**********                              |\n        \
             10 -> 14         : 0        |                                        |\n        \
             15 -> 19         : 4        |****************************************|"
        );
        assert_eq!(LinearHistogram::new(0, 1, 8).to_string(), "");
        let digits = |values: &[u64]| {
            of(0, 10_000_000_000, 2, values).to_string().lines().last().map(str::to_owned)
        };
        assert_eq!(
            digits(&[0]).unwrap(),
            "         0 -> 9999999999 : 1        |****************************************|"
        );
        assert_eq!(
            digits(&[10_000_000_000]).unwrap(),
            "         10000000000 -> 19999999999          : 1        |********************|"
        );
    }

    #[test]
    fn histograms_with_other_slots_do_not_merge() {
        let mut merged = of(0, 10, 3, &[5]);
        merged.merge(&of(0, 10, 3, &[15, 29])).unwrap();
        assert_eq!(merged, of(0, 10, 3, &[5, 15, 29]));
        let other = merged.merge(&of(0, 5, 3, &[1])).unwrap_err();
        assert_eq!(
            other.to_string(),
            "histogram: cannot add 3 slots of 5 from 0 on to 3 slots of 10 from 0 on"
        );
        assert_eq!(merged.count(), 3);
    }
}
