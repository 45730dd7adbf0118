//! Writes the events of skeletons known only at run time as text or JSON Lines.
//!
//! They are appended to a buffer that the caller writes when it suits.
//!
//! ```no_run
//! use std::{io::Write as _, time::Duration};
//!
//! use eunomia_runtime::{Skeleton, output::{Format, Printer}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let skel = Skeleton::from_file("bootstrap.json")?.open()?.load()?.attach()?;
//! let mut printer = Printer::new(skel.checked(), Format::Json)?;
//! let mut out = Vec::new();
//! loop {
//!     skel.poll(Duration::from_millis(100), |event| printer.write(&event, &mut out))?;
//!     std::io::stdout().write_all(&out)?;
//!     out.clear();
//! }
//! # }
//! ```
//!
//! # Forms
//! - [`Format::Text`], if one map delivers: a table, whose head comes before its first row. Maps
//!   that the document shows as histograms (`log2_hist`, `linear_hist`) or stack traces
//!   (`stack_trace`) are shown as such. If several maps deliver, or one map delivers several types,
//!   each event is a line: the name of its map, then its members with their names.
//! - [`Format::Json`]: one object a line. For a map that is read at intervals it has `key` and
//!   `value`. If several maps deliver, it has `map`, and `event` or `key` and `value`.
//! - [`Format::Raw`]: the bytes of the record as the program sent it, or of the key and value for a
//!   map that is read at intervals, without separators.

mod histogram;
mod json;
mod stack;
mod table;

#[cfg(feature = "symbolize")]
use crate::symbols::{Located, Symbols};
use crate::{
    Result,
    checked::{Checked, Payload, Stream},
    plain::push,
    skeleton::model::{self, Interpreter, SampleKind},
    value::{Event, Value},
};
use histogram::Histogram;
use json::Json;
use stack::{Names, StackTrace};
use table::Table;

/// The form in which events are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    #[default]
    Text,
    /// JSON Lines.
    Json,
    /// The bytes that the program sent.
    Raw,
}

/// A writer of events; see [the module](self).
#[derive(Debug)]
pub struct Printer<'a> {
    checked: &'a Checked,
    views: Vec<View<'a>>,
    prefix: Prefix,
    #[cfg(feature = "symbolize")]
    symbols: Option<Symbols>,
}

/// The form of one map's events.
#[derive(Debug)]
enum View<'a> {
    Table(Table<'a>),
    Line,
    Histogram(Histogram<'a>),
    Stack(StackTrace<'a>),
    Json(Json<'a>),
    Raw,
}

/// The start of an event's line.
#[derive(Debug)]
struct Prefix {
    time: String,
    /// Length of the longest map name, if several maps deliver.
    maps: Option<usize>,
}

impl<'a> Printer<'a> {
    /// Creates a printer that shows all maps of a skeleton in one form.
    ///
    /// Stack traces have function names if the feature `symbolize` is on and the document does not
    /// turn them off; see also [`Printer::with_symbols`].
    ///
    /// # Errors
    /// [`crate::Error::Mismatch`] if the document asks for a histogram or a stack trace for which
    /// the record type lacks members.
    pub fn new(checked: &'a Checked, format: Format) -> Result<Self> {
        let longest = checked.streams.iter().map(|stream| stream.map.len()).max();
        let maps = longest.filter(|_| checked.streams.len() > 1);
        let views = checked
            .streams
            .iter()
            .map(|stream| View::new(checked, stream, format, maps.is_some()))
            .collect::<Result<_>>()?;
        #[cfg_attr(
            not(feature = "symbolize"),
            expect(unused_mut, reason = "only the feature changes it")
        )]
        let mut printer = Self {
            checked,
            views,
            prefix: Prefix { time: String::new(), maps },
            #[cfg(feature = "symbolize")]
            symbols: None,
        };
        #[cfg(feature = "symbolize")]
        if printer.wants_symbols() {
            printer.symbols = Some(Symbols::new());
        }
        Ok(printer)
    }

    /// Takes the names of stack traces from `symbols`, or shows only addresses if it is `None`.
    #[cfg(feature = "symbolize")]
    #[must_use]
    pub fn with_symbols(self, symbols: Option<Symbols>) -> Self {
        Self { symbols, ..self }
    }

    /// Reports whether a map is shown as stack traces with names.
    #[cfg(feature = "symbolize")]
    #[doc(hidden)]
    pub fn wants_symbols(&self) -> bool {
        self.stacks().any(|stack| stack.wants_symbols().contains(&true))
    }

    /// Reads the kernel's symbols if a map is shown as stack traces of the kernel.
    ///
    /// This takes some 10 ms; call it before programs are attached, else the first event pays for
    /// it.
    #[cfg(feature = "symbolize")]
    #[doc(hidden)]
    pub fn read_kernel(&self) {
        if let Some(symbols) = &self.symbols
            && self.stacks().any(|stack| stack.wants_symbols()[0])
        {
            symbols.read_kernel();
        }
    }

    #[cfg(feature = "symbolize")]
    fn stacks(&self) -> impl Iterator<Item = &StackTrace<'a>> {
        self.views.iter().filter_map(View::stack)
    }

    /// Shows one map in another form than the others.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if no map of this name delivers records, else those of
    /// [`Self::new`].
    pub fn set_format(&mut self, map: &str, format: Format) -> Result<()> {
        let number = self.checked.stream(map)?;
        // Every map number has a view.
        if let (Some(stream), Some(view)) =
            (self.checked.streams.get(number), self.views.get_mut(number))
        {
            *view = View::new(self.checked, stream, format, self.prefix.maps.is_some())?;
        }
        Ok(())
    }

    /// Sets the time written before each event from now on, in text only; an empty one is not
    /// written.
    ///
    /// Its form is the caller's choice; the columns of a table line up if its length stays the
    /// same.
    pub fn set_time(&mut self, time: &str) {
        self.prefix.time.clear();
        self.prefix.time.push_str(time);
    }

    /// Begins to look up the names of an event that is shown as a stack trace, for
    /// [`Self::write_located`]; `None` for any other event.
    ///
    /// Naming functions takes so long that processes of other events end meanwhile. To get their
    /// names, too, locate each event when it comes, keep a copy of the record, and write it when
    /// [`Located::is_ready`]; see [`Symbols::locate`].
    #[cfg(feature = "symbolize")]
    #[doc(hidden)]
    pub fn locate(&self, event: &Event<'_>) -> Option<Located> {
        self.views.get(event.stream)?.stack()?.locate(&event.value, self.symbols.as_ref()?)
    }

    /// Appends an event whose process was looked up with [`Self::locate`].
    #[cfg(feature = "symbolize")]
    #[doc(hidden)]
    pub fn write_located(
        &mut self,
        event: &Event<'_>,
        located: Option<Located>,
        out: &mut Vec<u8>,
    ) {
        // Every map number has a view.
        let Some(view) = self.views.get_mut(event.stream) else { return };
        view.write(event, Names { symbols: self.symbols.as_ref(), located }, &self.prefix, out);
    }

    /// Appends an event.
    pub fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        #[cfg(feature = "symbolize")]
        self.write_located(event, None, out);
        #[cfg(not(feature = "symbolize"))]
        if let Some(view) = self.views.get_mut(event.stream) {
            view.write(event, Names::default(), &self.prefix, out);
        }
    }
}

impl<'a> View<'a> {
    fn new(
        checked: &'a Checked,
        stream: &'a Stream,
        format: Format,
        several: bool,
    ) -> Result<Self> {
        if format == Format::Raw {
            return Ok(Self::Raw);
        }
        let described = checked.skeleton.maps.iter().find(|map| map.name == stream.map);
        let stack = match described.map(|map| &map.interpreter) {
            Some(Interpreter::StackTrace { fields, with_symbols, .. }) => Some(StackTrace::new(
                checked,
                stream,
                fields.as_ref(),
                with_symbols.unwrap_or(true),
            )?),
            _ => None,
        };
        let sample =
            described.and_then(|map| map.sample.as_ref()).filter(|_| stream.sampled.is_some());
        Ok(match (stack, sample) {
            (stack, _) if format == Format::Json => Self::Json(Json::new(stream, several, stack)),
            (Some(stack), _) => Self::Stack(stack),
            (
                None,
                Some(
                    sample @ model::Sample {
                        kind: SampleKind::Log2Hist | SampleKind::LinearHist,
                        ..
                    },
                ),
            ) => Self::Histogram(Histogram::new(checked, stream, sample)?),
            _ if several || matches!(stream.payload, Payload::Tagged(_)) => Self::Line,
            _ => Self::Table(Table::new(checked, stream)),
        })
    }

    #[cfg(feature = "symbolize")]
    fn stack(&self) -> Option<&StackTrace<'a>> {
        match self {
            Self::Stack(stack) => Some(stack),
            Self::Json(json) => json.stack(),
            _ => None,
        }
    }

    fn write(&mut self, event: &Event<'_>, names: Names<'_>, prefix: &Prefix, out: &mut Vec<u8>) {
        match self {
            Self::Table(table) => table.write(event, prefix, out),
            Self::Line => {
                prefix.write(event.map, out);
                line(event, out);
            }
            Self::Histogram(histogram) => histogram.write(event, prefix, out),
            Self::Stack(stack) => stack.write_text(event, names, prefix, out),
            Self::Json(json) => json.write(event, names, out),
            Self::Raw => {
                out.extend_from_slice(event.key.as_ref().map_or(&[], |key| key.bytes()));
                out.extend_from_slice(event.record);
            }
        }
    }
}

impl Prefix {
    fn write(&self, map: &str, out: &mut Vec<u8>) {
        if !self.time.is_empty() {
            out.extend_from_slice(self.time.as_bytes());
            out.push(b' ');
        }
        if let Some(width) = self.maps {
            push(map, out);
            out.resize(out.len() + width.saturating_sub(map.len()) + 1, b' ');
        }
    }
}

/// Writes a value as part of a line; a struct gets braces.
fn braced(value: &Value<'_>, out: &mut Vec<u8>) {
    if !value.has_members() {
        return value.write_line(out);
    }
    out.push(b'{');
    value.write_line(out);
    out.push(b'}');
}

/// Writes an event with the names of its members, on a line of its own.
fn line(event: &Event<'_>, out: &mut Vec<u8>) {
    if let Some(key) = &event.key {
        out.extend_from_slice(b"key=");
        braced(key, out);
        out.extend_from_slice(b" value=");
        braced(&event.value, out);
    } else {
        event.value.write_line(out);
    }
    out.push(b'\n');
}
