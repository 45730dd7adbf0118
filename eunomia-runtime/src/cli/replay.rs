//! `eunomia replay`: prints the events of a recording.

use std::{fs::File, io::Read, ops::ControlFlow};

use super::{
    CommandError, Out, Streams,
    args::Replay,
    events::Taker as _,
    input::{Input, is_stream, read_once},
    output::{Readers, Sink},
    printed::Printed,
    run::can_be_raw,
};
use crate::{Error, plain::line};

pub(super) fn run(args: &Replay, streams: &mut Streams<'_>) -> Result<(), CommandError> {
    let path = &args.recording;
    let mut inputs = args.source.paths();
    inputs.push(path);
    read_once(&inputs)?;
    let checked = Input::read(&args.source, streams.input)?.check()?;
    can_be_raw(&checked, args.shown.format)?;
    let mut file;
    let from: &mut dyn Read = if is_stream(path) {
        streams.input
    } else {
        file = File::open(path).map_err(|source| Error::File { path: path.clone(), source })?;
        &mut file
    };
    let out = Out { to: streams.out, own: streams.own };
    let sink = Sink::new(args.shown.output.as_deref(), Readers::Usual, &inputs, out)?;
    let mut printed = Printed::new(&checked, &args.shown, sink)?;
    let mut count = 0;
    let replayed = checked.replay(from, |event| {
        if count == 0 {
            // The header was read: the file is a recording of this skeleton.
            printed.empty();
        }
        count += 1;
        if printed.event(&event) && Some(count) != args.count {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    // Events before the damaged part of a recording are printed.
    printed.finish()?;
    let replayed = replayed?;
    if count == 0 {
        printed.empty();
    }
    let lines = [
        (
            replayed.short,
            ["record is shorter than its type", "records are shorter than their type"],
        ),
        (
            replayed.left_over,
            [
                "byte at the end is not a whole record; the recording was cut off",
                "bytes at the end are not a whole record; the recording was cut off",
            ],
        ),
    ];
    for (number, [one, many]) in lines.into_iter().filter(|(number, _)| *number > 0) {
        let problem = if number == 1 { one } else { many };
        let _ = writeln!(streams.err, "{}: {number} {problem}", line(&path.to_string_lossy()));
    }
    Ok(())
}
