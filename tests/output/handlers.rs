//! Handlers of dynamic events.

use std::{cell::Cell, ops::ControlFlow};

use eunomia_runtime::{
    dynamic::{Event, Handler, Handlers},
    sample::{Cause, Verdict},
};

use super::checked;

/// A handler that counts events and stops at a limit.
struct Counter<'a> {
    seen: &'a Cell<u64>,
    limit: u64,
}

impl Handler for Counter<'_> {
    fn handle(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, Cause> {
        assert_eq!((event.map, event.key.is_none()), ("notes", true));
        self.seen.set(self.seen.get() + 1);
        Ok(if self.seen.get() == self.limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }
}

#[test]
fn each_map_has_its_handler() {
    let checked = checked("streams", |_| ());
    let (seen, others) = (Cell::new(0), Cell::new(0));
    let mut handlers = Handlers::new(&checked);
    handlers.on("notes", Counter { seen: &seen, limit: 2 }).unwrap();
    handlers.on("rb", |_: &Event<'_>| others.set(others.get() + 1)).unwrap();
    assert!(
        handlers
            .on("nodes", |_: &Event<'_>| ())
            .unwrap_err()
            .to_string()
            .contains("did you mean `notes`?")
    );
    let record = [0; 64];
    let mut deliver = |map: &str| {
        let number = checked.streams.iter().position(|stream| stream.map == map).unwrap();
        checked.deliver(number, &record, |event| handlers.handle(&event))
    };
    assert!(matches!(deliver("notes"), Verdict::Delivered));
    assert!(matches!(deliver("rb"), Verdict::Delivered));
    assert!(matches!(deliver("notes"), Verdict::Stop));
    let Verdict::Failed(cause) = deliver("events") else { panic!("a map without a handler") };
    assert_eq!(cause.to_string(), "map `events` has no handler");
    assert_eq!((seen.get(), others.get()), (2, 1));
}
