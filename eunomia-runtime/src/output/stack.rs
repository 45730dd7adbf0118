//! Events as stack traces, from the members that a document's `stack_trace` names: in the text
//! layout of the original tool, and as JSON.

use std::io::Write as _;

use serde_json::{Value as Json, json};

use super::Prefix;
use crate::{
    Error, Result,
    checked::{Checked, Payload, Stream},
    plain::json as shown,
    skeleton::model::Other,
    suggestion::near,
    value::{Event, Value},
};
#[cfg(feature = "symbolize")]
use crate::{
    plain::push,
    symbols::{Frame, Located, Symbols},
};

/// The form of records shown as stack traces.
#[derive(Debug)]
pub(super) struct StackTrace<'a> {
    pid: Option<&'a str>,
    cpu: Option<&'a str>,
    comm: Option<&'a str>,
    kernel: Option<Stack<'a>>,
    user: Option<Stack<'a>>,
    /// False if the document asks for addresses without names.
    #[cfg(feature = "symbolize")]
    with_symbols: bool,
}

/// The member that holds the addresses, and the member that holds their size in bytes.
#[derive(Debug)]
struct Stack<'a> {
    addresses: &'a str,
    size: Option<&'a str>,
}

/// The source of the names of an event's addresses.
#[cfg(feature = "symbolize")]
#[derive(Default)]
pub(super) struct Names<'s> {
    pub(super) symbols: Option<&'s Symbols>,
    /// The result of [`StackTrace::locate`].
    pub(super) located: Option<Located>,
}

/// The source of names without the feature `symbolize`: there are none.
#[cfg(not(feature = "symbolize"))]
#[derive(Default)]
pub(super) struct Names<'s>(std::marker::PhantomData<&'s ()>);

/// A frame without names: only its address.
#[cfg(not(feature = "symbolize"))]
struct Frame {
    address: u64,
}

impl<'a> StackTrace<'a> {
    /// Creates the form. `names` is the document's `field_map`; a role that it does not map is its
    /// own member name.
    pub(super) fn new(
        checked: &'a Checked,
        stream: &'a Stream,
        names: Option<&Other>,
        with_symbols: bool,
    ) -> Result<Self> {
        let refuse = |why: String| Error::Mismatch {
            name: format!("map `{}`, shown as `stack_trace`", stream.map),
            why,
        };
        let members: Vec<&'a str> = match &stream.payload {
            Payload::Type(ty) => {
                checked.layouts.fields(*ty).into_iter().map(|field| field.name).collect()
            }
            Payload::Custom(fields) => fields.iter().map(|field| field.name.as_str()).collect(),
            Payload::Tagged(_) | Payload::Bytes { .. } => Vec::new(),
        };
        let member = |role: &str| {
            let named = names.and_then(|names| names.get(role)).and_then(Json::as_str);
            let name = named.unwrap_or(role);
            match (members.iter().find(|member| **member == name), named) {
                (None, Some(name)) => {
                    let hint = near(name, members.iter().copied())
                        .map(|near| format!("; did you mean `{near}`?"));
                    Err(refuse(format!(
                        "`{role}` is mapped to `{name}`, but the records have no such member{}",
                        hint.unwrap_or_default()
                    )))
                }
                (found, _) => Ok(found.copied()),
            }
        };
        let stack = |addresses, size| -> Result<_> {
            let (addresses, size) = (member(addresses)?, member(size)?);
            Ok(addresses.map(|addresses| Stack { addresses, size }))
        };
        let (kernel, user) = (stack("kstack", "kstack_sz")?, stack("ustack", "ustack_sz")?);
        if kernel.is_none() && user.is_none() {
            return Err(refuse("the records have neither a member `kstack` nor a member `ustack`; name them in `field_map`".to_owned()));
        }
        #[cfg(not(feature = "symbolize"))]
        let _ = with_symbols;
        Ok(Self {
            pid: member("pid")?,
            cpu: member("cpu_id")?,
            comm: member("comm")?,
            kernel,
            user,
            #[cfg(feature = "symbolize")]
            with_symbols,
        })
    }

    /// Reports whether names of the kernel and names of processes are needed.
    #[cfg(feature = "symbolize")]
    pub(super) fn wants_symbols(&self) -> [bool; 2] {
        [&self.kernel, &self.user].map(|stack| self.with_symbols && stack.is_some())
    }

    /// Looks up the process of an event, for names that are written later.
    #[cfg(feature = "symbolize")]
    pub(super) fn locate(&self, record: &Value<'_>, symbols: &Symbols) -> Option<Located> {
        let user = self.user.as_ref().filter(|_| self.with_symbols)?;
        let pid = self
            .pid
            .and_then(|pid| record.field(pid)?.as_i64())
            .and_then(|pid| u32::try_from(pid).ok())?;
        Some(symbols.locate(pid, &user.of(record)))
    }

    pub(super) fn write_text(
        &self,
        event: &Event<'_>,
        names: Names<'_>,
        prefix: &Prefix,
        out: &mut Vec<u8>,
    ) {
        let text = |name: Option<&str>| {
            name.and_then(|name| event.value.field(name))
                .map_or("?".to_owned(), |value| value.to_string())
        };
        prefix.write(event.map, out);
        // Writing to memory cannot fail.
        _ = writeln!(
            out,
            "COMM: {} (pid={}) @ CPU {}",
            text(self.comm),
            text(self.pid),
            text(self.cpu)
        );
        let [kernel, user] = self.frames(&event.value, names);
        for (title, none, frames) in
            [("Kernel:", "No Kernel Stack", kernel), ("Userspace:", "No Userspace Stack", user)]
        {
            _ = writeln!(out, "{}", if frames.is_empty() { none } else { title });
            for (i, frame) in frames.iter().enumerate() {
                _ = write!(out, "  {i} [<{:016x}>]", frame.address);
                name(frame, out);
                out.push(b'\n');
            }
        }
        out.push(b'\n');
    }

    pub(super) fn write_json(&self, event: &Event<'_>, names: Names<'_>, out: &mut Vec<u8>) {
        let number = |name: Option<&str>| name.and_then(|name| event.value.field(name)?.as_i64());
        let comm = self
            .comm
            .and_then(|name| event.value.field(name))
            .and_then(|comm| Some(comm.as_text()?.into_owned()));
        let [kernel, user] = self
            .frames(&event.value, names)
            .map(|frames| frames.iter().map(json).collect::<Vec<_>>());
        let json = json!({ "pid": number(self.pid), "cpu": number(self.cpu), "comm": comm, "kernel": kernel, "user": user });
        // Any process decides what it and its files are called.
        out.extend_from_slice(shown(&json.to_string()).as_bytes());
    }

    fn frames(&self, record: &Value<'_>, names: Names<'_>) -> [Vec<Frame>; 2] {
        let [kernel, user] = [&self.kernel, &self.user]
            .map(|stack| stack.as_ref().map(|stack| stack.of(record)).unwrap_or_default());
        #[cfg(feature = "symbolize")]
        if let Names { symbols: Some(symbols), located } = names
            && self.with_symbols
        {
            // The process comes before the kernel, because it may end.
            let located = located.or_else(|| self.locate(record, symbols));
            let user = located.map_or_else(
                || user.into_iter().map(bare).collect(),
                |located| symbols.name(located),
            );
            return [symbols.symbolize_kernel(&kernel), user];
        }
        #[cfg(not(feature = "symbolize"))]
        let Names(_) = names;
        [kernel, user].map(|addresses| addresses.into_iter().map(bare).collect())
    }
}

impl Stack<'_> {
    /// Returns the addresses. A negative size is an error of the helper that took them, and gives
    /// none.
    fn of(&self, record: &Value<'_>) -> Vec<u64> {
        let addresses =
            record.field(self.addresses).and_then(|stack| stack.counts()).unwrap_or_default();
        let count = match self.size.and_then(|size| record.field(size)) {
            Some(size) => size.as_i64().map_or(0, |bytes| usize::try_from(bytes / 8).unwrap_or(0)),
            None => addresses.iter().position(|address| *address == 0).unwrap_or(addresses.len()),
        };
        addresses.into_iter().take(count).collect()
    }
}

#[cfg(feature = "symbolize")]
fn bare(address: u64) -> Frame {
    Frame { address, symbols: Vec::new() }
}

#[cfg(not(feature = "symbolize"))]
fn bare(address: u64) -> Frame {
    Frame { address }
}

/// Writes the function after its address, or each function on a line of its own if others are
/// inlined into it.
#[cfg(feature = "symbolize")]
fn name(frame: &Frame, out: &mut Vec<u8>) {
    let several = frame.symbols.len() > 1;
    for symbol in &frame.symbols {
        out.extend_from_slice(if several { b"\n        " } else { b" " });
        // Any process chooses its own names.
        push(&symbol.name, out);
        if let Some(offset) = symbol.offset {
            _ = write!(out, "+{offset:#x}");
        }
        if let Some(file) = &symbol.file {
            out.push(b' ');
            push(file, out);
        }
        if let Some(line) = symbol.line {
            _ = write!(out, ":{line}");
        }
    }
}

#[cfg(not(feature = "symbolize"))]
fn name(_: &Frame, _: &mut Vec<u8>) {}

#[cfg(feature = "symbolize")]
fn json(frame: &Frame) -> Json {
    let symbols = frame.symbols.iter().map(|symbol| {
        let crate::symbols::Symbol { name, offset, module, file, line } = symbol;
        json!({ "name": name, "offset": offset, "module": module, "file": file, "line": line })
    });
    json!({ "address": frame.address, "symbols": symbols.collect::<Vec<_>>() })
}

#[cfg(not(feature = "symbolize"))]
fn json(frame: &Frame) -> Json {
    json!({ "address": frame.address, "symbols": [] })
}
