use std::time::{Duration, Instant};

/// How a poll waits for records.
///
/// The kernel wakes a reader each time that it has caught up, and the producer pays for it: over a microsecond for each record where
/// the reader is always faster. So by default the reader lets records of a burst gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// While records keep coming, they are read at most once in this time; a record waits for that much longer than it would have to.
    /// The first record after a pause is delivered at once. A sleep can end late by what the scheduler takes; the default is 100
    /// microseconds.
    Adaptive {
        /// The time between two reads.
        latency: Duration,
    },
    /// Waits for the kernel after every read: no record waits for others. For few events, or where the load of the producers does
    /// not matter.
    Epoll,
    /// Looks again and again, without a pause: the lowest latency, for a whole CPU.
    Busy,
}

impl Default for Waiting {
    fn default() -> Self {
        Self::Adaptive { latency: Duration::from_micros(100) }
    }
}

/// What the kernel adds to a short sleep (the default timer slack, `PR_SET_TIMERSLACK`).
const SLACK: Duration = Duration::from_micros(50);

/// Windows without a record after which a burst is taken to be over.
const QUIET: u32 = 4;

/// The burst that a reader is in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Burst {
    /// When records were last delivered; `None` outside of a burst.
    last: Option<Instant>,
}

impl Burst {
    /// How long to wait before the next read: what is missing of the window.
    pub(super) fn pause(self, waiting: Waiting) -> Duration {
        match (waiting, self.last) {
            (Waiting::Adaptive { latency }, Some(last)) => latency.saturating_sub(SLACK).saturating_sub(last.elapsed()),
            _ => Duration::ZERO,
        }
    }

    /// Whether it goes on after a read that found nothing; then there is a window to sleep.
    pub(super) fn goes_on(&mut self, waiting: Waiting) -> Option<Duration> {
        let (Waiting::Adaptive { latency }, Some(last)) = (waiting, self.last) else { return None };
        if last.elapsed() > latency.saturating_mul(QUIET) {
            self.last = None;
            return None;
        }
        Some(latency.saturating_sub(SLACK))
    }

    /// Records were delivered.
    pub(super) fn feed(&mut self, waiting: Waiting) {
        // A clock is read for those who look at it.
        if matches!(waiting, Waiting::Adaptive { .. }) {
            self.last = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_latency_is_too_long() {
        let (mut burst, waiting) = (Burst::default(), Waiting::Adaptive { latency: Duration::MAX });
        burst.feed(waiting);
        assert_eq!(burst.goes_on(waiting), Some(Duration::MAX - SLACK));
    }
}
