//! Records that are printed.

use jiff::Zoned;
use rustix::time::{ClockId, clock_gettime};

use super::{
    events::Taker,
    outlet::Ending,
    output::{Reader, Sink},
};
use crate::{
    Result,
    object::Checked,
    output::{Format, Printer},
    sample::Verdict,
    value::Event,
};

/// Prints records in batches.
pub(super) struct Printed<'a> {
    checked: &'a Checked,
    printer: Printer<'a>,
    sink: Sink<'a>,
    batch: Vec<u8>,
    /// The second that is shown before events; `None` where none is.
    second: Option<i64>,
}

impl<'a> Printed<'a> {
    pub(super) fn new(checked: &'a Checked, format: Format, sink: Sink<'a>) -> Result<Self> {
        let printer = Printer::new(checked, format)?;
        Ok(Self { checked, printer, sink, batch: Vec::new(), second: None })
    }

    /// Shows the time before each event.
    pub(super) fn timed(self) -> Self {
        Self { second: Some(-1), ..self }
    }

    /// Empties the file: events will come.
    pub(super) fn empty(&mut self) {
        self.sink.begin();
    }

    /// Prints an event; whether there is sense in more.
    pub(super) fn event(&mut self, event: &Event<'_>) -> bool {
        self.tell_time();
        self.printer.write(event, &mut self.batch);
        self.sink.offer(&mut self.batch)
    }

    /// The local time is worked out once a second: it takes longer than the event.
    fn tell_time(&mut self) {
        let Some(second) = self.second else { return };
        let now = clock_gettime(ClockId::RealtimeCoarse).tv_sec;
        if second != now {
            self.second = Some(now);
            self.printer.set_time(&Zoned::now().strftime("%H:%M:%S").to_string());
        }
    }
}

impl Taker for Printed<'_> {
    fn begin(&mut self, ending: Ending) {
        self.sink.end_with(ending);
        self.empty();
    }

    fn text(&mut self, text: &[u8]) -> Option<bool> {
        self.batch.extend_from_slice(text);
        Some(self.sink.offer(&mut self.batch))
    }

    fn take(&mut self, map: usize, record: &[u8]) -> Verdict {
        let mut more = true;
        let verdict = self.checked.deliver(map, record, |event| more = self.event(&event));
        if more { verdict } else { Verdict::Stop }
    }

    fn flush(&mut self) -> Result<Reader> {
        self.sink.flush(&mut self.batch)
    }

    fn finish(&mut self) -> Result<u64> {
        self.sink.finish(&mut self.batch)
    }
}
