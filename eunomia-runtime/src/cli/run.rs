//! `eunomia run`: loads a skeleton and prints its events.

use std::sync::Arc;

use clap::error::ErrorKind;

use super::{
    CommandError, Messages, Out, Streams,
    args::{Run, Style, usage},
    choice::name_events,
    events,
    input::Input,
    output::{Readers, Sink},
    printed::Printed,
};
use crate::checked::Checked;

pub(super) fn run(args: &Run, streams: &mut Streams<'_>) -> Result<(), CommandError> {
    let mut input = Input::read(&args.source, streams.input)?;
    name_events(&args.live.choice.events, &mut input.skeleton);
    let open = events::open(&input, &args.live, "run")?;
    let checked = Arc::clone(open.checked());
    can_be_raw(&checked, args.shown.format)?;
    // Opened before anything is loaded: an output that cannot be written is refused early.
    let out = Out { to: streams.out, own: streams.own };
    let sink = Sink::new(args.shown.output.as_deref(), Readers::Usual, &args.source.paths(), out)?;
    let mut printed = Printed::new(&checked, &args.shown, sink)?.timed();
    Ok(events::follow(
        open,
        &args.live,
        &mut Messages { to: streams.err, own: streams.own, stuck: false },
        &mut printed,
    )?)
}

/// Refuses raw output of several maps, whose bytes could not be told apart.
pub(super) fn can_be_raw(checked: &Checked, style: Style) -> Result<(), CommandError> {
    match (&checked.streams[..], style) {
        ([_, _, ..], Style::Raw) => {
            let maps: Vec<&str> =
                checked.streams.iter().map(|stream| stream.map.as_str()).collect();
            let message = format!(
                "{} deliver events, and raw bytes do not tell the maps apart; `eunomia record` does",
                maps.join(", ")
            );
            Err(usage(ErrorKind::ArgumentConflict, &message))
        }
        _ => Ok(()),
    }
}
