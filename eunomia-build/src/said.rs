//! What clang says of a source that it takes: libbpf-cargo tells it to `tracing` alone.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::with_default,
};

/// Runs `f`, with what clang said meanwhile.
pub(crate) fn listen<R>(f: impl FnOnce() -> R) -> (R, String) {
    let said = Arc::new(Said::default());
    let result = with_default(Arc::clone(&said), f);
    let text = std::mem::take(&mut *said.0.lock().unwrap_or_else(PoisonError::into_inner));
    (result, text)
}

#[derive(Default)]
struct Said(Mutex<String>);

impl Subscriber for Said {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        about.target() == "compiler-stderr"
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Lines(&self.0));
    }

    // There are no spans of this target.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Lines<'a>(&'a Mutex<String>);

impl Visit for Lines<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            _ = writeln!(self.0.lock().unwrap_or_else(PoisonError::into_inner), "{value:?}");
        }
    }
}
