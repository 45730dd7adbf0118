//! Records that are printed as text, JSON or raw bytes.

use std::collections::VecDeque;

use jiff::Zoned;
use rustix::time::{ClockId, clock_gettime};

use super::{
    args::{Shown, Style},
    events::Taker,
    outlet::Ending,
    output::{Reader, Sink},
};
use crate::{
    Result,
    checked::Checked,
    output::Printer,
    plain::plain,
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
    /// The text of iterators that is not printed yet, because it ends within a letter; `None` if
    /// bytes are printed as they are.
    text: Option<Vec<u8>>,
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
            text: (!matches!(shown.format, Style::Raw)).then(Vec::new),
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
        match &mut self.text {
            Some(left) => {
                left.extend_from_slice(text);
                write_lines(left, &mut self.batch);
            }
            None => self.batch.extend_from_slice(text),
        }
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
        if self.text.take().is_some_and(|left| !left.is_empty()) {
            self.batch.extend_from_slice("\u{fffd}".as_bytes());
        }
        self.print_located(0);
        self.sink.finish(&mut self.batch)
    }
}

/// Takes whole letters from the start of a text and writes them so that they are safe for a
/// terminal: an iterator prints names that any process chose for itself. Line breaks and tabs stay.
fn write_lines(text: &mut Vec<u8>, out: &mut Vec<u8>) {
    let (mut kept, mut parts) = (0, text.utf8_chunks().peekable());
    while let Some(part) = parts.next() {
        for (i, cell) in part.valid().split('\t').enumerate() {
            out.extend_from_slice(if i > 0 { b"\t" } else { b"" });
            out.extend_from_slice(plain(cell).as_bytes());
        }
        let bad = part.invalid();
        let begins = |error: std::str::Utf8Error| error.error_len().is_none();
        if parts.peek().is_none() && str::from_utf8(bad).is_err_and(begins) {
            kept = bad.len();
        } else if !bad.is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    text.drain(..text.len().saturating_sub(kept));
}

#[cfg(test)]
mod tests {
    use super::write_lines;

    fn written(pieces: &[&[u8]]) -> String {
        let (mut text, mut out) = (Vec::new(), Vec::new());
        for piece in pieces {
            text.extend_from_slice(piece);
            write_lines(&mut text, &mut out);
            assert!(text.len() < 4, "{text:?}");
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_of_iterators_is_safe_for_a_terminal() {
        let name = "\u{1b}[2J\u{9b}\r\u{202e}";
        assert_eq!(
            written(&[b"1\t", name.as_bytes(), b"\n2\tbash\n"]),
            "1\t\\u{1b}[2J\\u{9b}\\r\\u{202e}\n2\tbash\n"
        );
    }

    #[test]
    fn letters_of_iterators_may_be_read_in_pieces() {
        let text = "größe 日本語 👍\n";
        for size in 1..6 {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_eq!(written(&pieces), text);
        }
        assert_eq!(written(&[b"a\xff\xe6\x97b\xc3", b"\xa4\xf0"]), "a\u{fffd}\u{fffd}bä");
    }
}
