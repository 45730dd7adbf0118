//! `eunomia record`: writes the events of a skeleton to a recording.

use std::sync::Arc;

use super::{
    CommandError, Messages, Out, Streams,
    args::Record,
    choice::name_events,
    events::{self, Taker},
    input::Input,
    outlet::Ending,
    output::{Reader, Readers, Sink},
};
use crate::{Result, recording::Recorder, sample::Verdict};

pub(super) fn run(args: &Record, streams: &mut Streams<'_>) -> Result<(), CommandError> {
    let mut input = Input::read(&args.source, streams.input)?;
    name_events(&args.live.choice.events, &mut input.skeleton);
    let open = events::open(&input, &args.live, "record")?;
    let checked = Arc::clone(open.checked());
    let out = Out { to: streams.out, own: streams.own };
    let sink = Sink::new(Some(&args.output), Readers::Owner, &args.source.paths(), out)?;
    let mut recorded = Recorded { recorder: checked.recorder(Vec::new())?.timed(), sink };
    Ok(events::follow(
        open,
        &args.live,
        &mut Messages { to: streams.err, own: streams.own, stuck: false },
        &mut recorded,
    )?)
}

/// A consumer that writes records to a recording, in batches.
struct Recorded<'a> {
    recorder: Recorder<Vec<u8>>,
    sink: Sink<'a>,
}

impl Taker for Recorded<'_> {
    fn begin(&mut self, ending: Ending) {
        self.sink.end_with(ending);
        self.sink.begin();
    }

    /// A recording holds only records, so the text of iterators is refused.
    fn text(&mut self, _: &[u8]) -> Option<bool> {
        None
    }

    fn take(&mut self, map: usize, record: &[u8]) -> Verdict {
        let verdict = self.recorder.record(map, record);
        if self.sink.offer(self.recorder.get_mut()) { verdict } else { Verdict::Stop }
    }

    fn flush(&mut self) -> Result<Reader> {
        self.sink.flush(self.recorder.get_mut())
    }

    fn finish(&mut self) -> Result<u64> {
        self.sink.finish(self.recorder.get_mut())
    }
}
