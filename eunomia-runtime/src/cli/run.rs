//! `eunomia run`.

use std::sync::Arc;

use clap::error::ErrorKind;

use super::{
    Failure, Messages, Out, Streams,
    args::{Run, Style, usage},
    events,
    input::Input,
    output::{Readers, Sink},
    printed::Printed,
};
use crate::checked::Checked;

pub(super) fn run(args: &Run, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let mut input = Input::read(&args.source, streams.input)?;
    args.live.choice.name_events(&mut input.document);
    let open = events::open(&input, &args.live, "run")?;
    let checked = Arc::clone(open.checked());
    can_be_raw(&checked, args.shown.format)?;
    // Before anything is loaded it is known that what comes can be written.
    let out = Out { to: streams.out, own: streams.own };
    let sink = Sink::new(args.shown.output.as_deref(), Readers::Usual, &args.source.paths(), out)?;
    let mut printed = Printed::new(&checked, &args.shown, sink)?.timed();
    Ok(events::follow(open, &args.live, &mut Messages { to: streams.err, own: streams.own, stuck: false }, &mut printed)?)
}

/// Refuses to print the bytes of several maps, one after the other.
pub(super) fn can_be_raw(checked: &Checked, style: Style) -> Result<(), Failure> {
    match (&checked.streams[..], style) {
        ([_, _, ..], Style::Raw) => {
            let maps: Vec<&str> = checked.streams.iter().map(|stream| stream.map.as_str()).collect();
            let what = format!("{} deliver events, and raw bytes do not tell which: `eunomia record` keeps them apart", maps.join(", "));
            Err(usage(ErrorKind::ArgumentConflict, &what))
        }
        _ => Ok(()),
    }
}
