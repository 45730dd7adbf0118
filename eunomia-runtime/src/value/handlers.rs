//! [`Handlers`]: one handler of events for each map.

use std::{fmt, ops::ControlFlow};

use super::Event;
use crate::{
    Result,
    checked::Checked,
    sample::{Cause, Outcome},
};

/// A handler of a map's events, with its own state.
///
/// Closures are handlers, too.
pub trait Handler {
    /// Handles an event.
    ///
    /// # Errors
    /// The handler's own. They are counted and reported, and later events are still delivered; see
    /// [`Outcome`].
    fn handle(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, Cause>;
}

impl<R: Outcome, F: FnMut(&Event<'_>) -> R> Handler for F {
    fn handle(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, Cause> {
        self(event)
            .stops()
            .map(|stops| if stops { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

/// A handler for each map: the event that `poll` delivers goes to the handler of its map.
///
/// ```no_run
/// # use std::{ops::ControlFlow, time::Duration};
/// # use eunomia_runtime::{Skeleton, dynamic::{Event, Handler, Handlers}, sample::Cause};
/// /// Ends the poll after a number of events.
/// struct Counter {
///     left: u64,
/// }
///
/// impl Handler for Counter {
///     fn handle(&mut self, _: &Event<'_>) -> Result<ControlFlow<()>, Cause> {
///         self.left -= 1;
///         Ok(if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
///     }
/// }
///
/// # fn main() -> eunomia_runtime::Result<()> {
/// let skel = Skeleton::from_file("processes.json")?.open()?.load()?.attach()?;
/// let mut handlers = Handlers::new(skel.checked());
/// handlers.on("exits", Counter { left: 100 })?;
/// handlers.on("execs", |event: &Event<'_>| println!("{}", event.value))?;
/// skel.poll(Duration::from_secs(1), |event| handlers.handle(&event))?;
/// # Ok(())
/// # }
/// ```
pub struct Handlers<'h> {
    checked: &'h Checked,
    /// Handlers by the number of their map.
    handlers: Vec<Option<Box<dyn Handler + 'h>>>,
}

impl<'h> Handlers<'h> {
    /// Creates an empty set of handlers for the maps of a skeleton.
    pub fn new(checked: &'h Checked) -> Self {
        Self { checked, handlers: checked.streams.iter().map(|_| None).collect() }
    }

    /// Sets the handler of a map, in place of an earlier one.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if no map of this name delivers records.
    pub fn on(&mut self, map: &str, handler: impl Handler + 'h) -> Result<()> {
        let number = self.checked.stream(map)?;
        if let Some(slot) = self.handlers.get_mut(number) {
            *slot = Some(Box::new(handler));
        }
        Ok(())
    }

    /// Passes an event to the handler of its map.
    ///
    /// # Errors
    /// The handler's own, or that the map has no handler, so that no event is dropped silently.
    pub fn handle(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, Cause> {
        match self.handlers.get_mut(event.stream) {
            Some(Some(handler)) => handler.handle(event),
            _ => Err(format!("map `{}` has no handler", event.map).into()),
        }
    }
}

impl fmt::Debug for Handlers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let maps = self.checked.streams.iter().map(|stream| &stream.map);
        f.debug_map().entries(maps.zip(self.handlers.iter().map(Option::is_some))).finish()
    }
}
