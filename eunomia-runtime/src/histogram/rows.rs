//! The common part of histograms: slots as rows, from the smallest values up.

use std::{fmt, ops::RangeInclusive};

use crate::plain::line;

/// The first and last value of a slot, and their count.
pub(super) type Row = (RangeInclusive<u64>, u64);

/// Returns the sum of the counts. It saturates, far beyond any real count.
pub(super) fn total(slots: &[u64]) -> u64 {
    slots.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

pub(super) fn add(slots: &mut [u64], more: &[u64]) {
    for (slot, count) in slots.iter_mut().zip(more) {
        *slot = slot.saturating_add(*count);
    }
}

/// Returns the row of the value that `percent` of all values do not exceed.
pub(super) fn percentile(
    rows: impl Iterator<Item = Row>,
    count: u64,
    percent: f64,
) -> Option<RangeInclusive<u64>> {
    // Rank of the value, from 1 on. Above 2^53 values it is off by less than the accuracy of the
    // percentage.
    let rank = (percent / 100.0 * count as f64).ceil() as u64;
    let rank = rank.clamp(1, count.max(1));
    let mut seen = 0u64;
    for (values, count) in rows {
        seen = seen.saturating_add(count);
        if seen >= rank {
            return Some(values);
        }
    }
    None
}

/// The table of bcc's `print_log2_hist`, which readers of such text expect: a header, then a line
/// for each row, without a newline after the last one. It is empty if there are no rows.
pub(super) struct Text<'a, R> {
    pub(super) unit: &'a str,
    pub(super) rows: R,
    /// True for columns of 20 digits instead of 10, and half the stars.
    pub(super) wide: bool,
}

impl<R: Iterator<Item = Row> + Clone> fmt::Display for Text<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pad, unit_width, width, stars) =
            if self.wide { (15, 29, 20, 20) } else { (5, 19, 10, 40) };
        let Some(most) = self.rows.clone().map(|(_, count)| count).max() else { return Ok(()) };
        write!(f, "{:pad$}{:<unit_width$} : count    distribution", "", line(self.unit))?;
        for (values, count) in self.rows.clone() {
            let (low, high) = values.into_inner();
            // It is computed in 128 bits, because counts take up to 64. It is at most `stars`,
            // because `most` is the largest count.
            let filled = (u128::from(count) * stars as u128 / u128::from(most.max(1))) as usize;
            let empty = stars - filled;
            write!(
                f,
                "\n{low:>width$} -> {high:<width$} : {count:<8} |{:*<filled$}{:empty$}|",
                "", ""
            )?;
        }
        Ok(())
    }
}
