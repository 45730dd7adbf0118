//! Records that are printed as text, JSON or raw bytes.

use std::collections::VecDeque;

use jiff::Zoned;
use rustix::time::{ClockId, clock_gettime};

use super::{
    args::Shown,
    events::Taker,
    outlet::Ending,
    output::{Reader, Sink},
};
use crate::{
    Result,
    checked::Checked,
    output::Printer,
    sample::Verdict,
    symbols::{Located, Symbols},
    value::Event,
};

/// The number of records that may wait for symbol names; each holds open files.
const LOCATED: usize = 64;

/// A consumer that prints records in batches.
pub(super) struct Printed<'a> {
    checked: &'a Checked,
    printer: Printer<'a>,
    sink: Sink<'a>,
    batch: Vec<u8>,
    /// Records whose symbol names are being looked up. A lookup can take so long that other traced
    /// processes end meanwhile, so records wait here instead of blocking the loop.
    located: VecDeque<(usize, Vec<u8>, Option<Located>)>,
    /// The second that was last printed before an event; `None` if no time is printed.
    second: Option<i64>,
}

impl<'a> Printed<'a> {
    pub(super) fn new(checked: &'a Checked, shown: &Shown, sink: Sink<'a>) -> Result<Self> {
        let mut printer = Printer::new(checked, shown.format.into())?;
        if shown.no_symbols {
            printer = printer.with_symbols(None);
        } else if shown.perf_maps {
            printer = printer.with_symbols(Some(Symbols::new().with_perf_maps()));
        }
        // Reads the kernel's names before programs run, so that the first events do not wait for
        // it.
        printer.read_kernel();
        Ok(Self {
            checked,
            printer,
            sink,
            batch: Vec::new(),
            located: VecDeque::new(),
            second: None,
        })
    }

    /// Prints the time before each event.
    pub(super) fn timed(self) -> Self {
        Self { second: Some(-1), ..self }
    }

    /// Empties the file; called when the first event is certain to come.
    pub(super) fn empty(&mut self) {
        self.sink.begin();
    }

    /// Prints an event. Returns false if no further event is of use.
    pub(super) fn event(&mut self, event: &Event<'_>) -> bool {
        self.update_time();
        self.printer.write(event, &mut self.batch);
        self.sink.offer(&mut self.batch)
    }

    /// Prints events in their order while their names are known, and waits for names until at most
    /// `left` events are pending. Returns false if no further event is of use.
    fn print_located(&mut self, left: usize) -> bool {
        let mut more = true;
        while let Some((_, _, located)) = self.located.front_mut()
            && (located.as_mut().is_none_or(Located::is_ready) || self.located.len() > left)
            && let Some((map, record, located)) = self.located.pop_front()
        {
            let (printer, batch) = (&mut self.printer, &mut self.batch);
            let mut located = Some(located);
            self.checked.deliver(map, &record, |event| {
                printer.write_located(&event, located.take().flatten(), batch)
            });
            more &= self.sink.offer(&mut self.batch);
        }
        more
    }

    /// Updates the local time once a second: formatting it takes longer than printing an event.
    fn update_time(&mut self) {
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
        let located = self.printer.wants_symbols();
        let verdict = self.checked.deliver(map, record, |event| {
            if located {
                self.update_time();
                self.located.push_back((map, record.to_vec(), self.printer.locate(&event)));
            } else {
                more = self.event(&event);
            }
        });
        more &= self.print_located(LOCATED);
        if more { verdict } else { Verdict::Stop }
    }

    fn flush(&mut self) -> Result<Reader> {
        self.print_located(LOCATED);
        self.sink.flush(&mut self.batch)
    }

    fn is_done(&self) -> bool {
        self.located.is_empty()
    }

    fn finish(&mut self) -> Result<u64> {
        self.print_located(0);
        self.sink.finish(&mut self.batch)
    }
}
