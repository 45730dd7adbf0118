//! What the command says about events: those of unknown types, and how many were lost.

use std::time::Duration;

use super::Messages;
use crate::{
    checked::{Checked, Payload},
    dynamic::Loaded,
    plain::line,
    reader::Stats,
};

/// Prints for which events the type is unknown, and how to name it.
pub(super) fn untyped(checked: &Checked, err: &mut Messages<'_>) {
    for stream in &checked.streams {
        if let Payload::Bytes { why } = &stream.payload {
            let map = &stream.map;
            err.print(&line(&format!(
                "{map}: events are shown as bytes: {why}; `--event '{map}=struct NAME'` names a type of the object; `{}` \
                 of eunomia.bpf.h in the map's definition declares one",
                stream.declaration()
            )));
        }
    }
}

pub(super) fn summary(loaded: &Loaded, time: Duration, err: &mut Messages<'_>) {
    for (stream, (map, stats)) in loaded.checked().streams.iter().zip(loaded.stats()) {
        err.print(&line(&map_summary(map, &stats, stream.sampled.is_some(), time)));
    }
    if let Ok(left @ 1..) = loaded.object().unread() {
        let were = if left == 1 { "event was" } else { "events were" };
        err.print(&line(&format!("{left} more {were} left unread in the buffers")));
    }
}

/// Returns the summary line of a map: its received, lost, discarded and short records.
fn map_summary(map: &str, stats: &Stats, sampled: bool, time: Duration) -> String {
    let Stats { received, discarded, short, lost, lost_at_least, .. } = *stats;
    let events = if received == 1 { "event" } else { "events" };
    let mut text = format!("{map}: {received} {events} in {:.1} s", time.as_secs_f64());
    text += &match lost {
        Some(lost) if lost_at_least => format!(", at least {lost} lost"),
        Some(lost) => format!(", {lost} lost"),
        // Sampling a map loses no record.
        None if sampled => String::new(),
        None => format!(", lost: unknown (the program has no counter `{map}_dropped`)"),
    };
    for (number, reason) in
        [(discarded, "discarded by the program"), (short, "shorter than their type")]
    {
        if number > 0 {
            text += &format!(", {number} {reason}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_summary_counts_records() {
        let summary = |stats: Stats, sampled| {
            map_summary("rb", &Stats { received: 5, ..stats }, sampled, Duration::from_millis(1234))
        };
        let (counted, lost) = (
            Stats { lost: Some(3), ..Stats::default() },
            Stats { lost: Some(0), ..Stats::default() },
        );
        assert_eq!(summary(counted, false), "rb: 5 events in 1.2 s, 3 lost");
        assert_eq!(
            summary(Stats { lost_at_least: true, ..counted }, false),
            "rb: 5 events in 1.2 s, at least 3 lost"
        );
        assert_eq!(
            summary(Stats { lost_at_least: true, ..lost }, false),
            "rb: 5 events in 1.2 s, at least 0 lost"
        );
        let unknown = Stats { discarded: 1, short: 2, lost: None, ..Stats::default() };
        let rest = ", 1 discarded by the program, 2 shorter than their type";
        assert_eq!(
            summary(unknown, false),
            format!(
                "rb: 5 events in 1.2 s, lost: unknown (the program has no counter `rb_dropped`){rest}"
            )
        );
        assert_eq!(summary(unknown, true), format!("rb: 5 events in 1.2 s{rest}"));
    }
}
