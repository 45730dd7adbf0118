//! `eunomia record`.

use std::sync::Arc;

use super::{
    Failure, Streams,
    args::Record,
    events::{self, Taker},
    input::Input,
    output::{Reader, Sink},
};
use crate::{Result, recording::Recorder, sample::Verdict};

pub(super) fn run(args: &Record, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let input = Input::read(&args.source, streams.input)?;
    let open = events::open(&input, &args.live, "record")?;
    let checked = Arc::clone(open.checked());
    let sink = Sink::new(Some(&args.output), &args.source.paths(), streams.out)?;
    let mut recorded = Recorded { recorder: checked.recorder(Vec::new())?.timed(), sink };
    Ok(events::follow(open, &args.live, streams.err, &mut recorded)?)
}

/// Records in batches, as events are printed.
struct Recorded<'a> {
    recorder: Recorder<Vec<u8>>,
    sink: Sink<'a>,
}

impl Taker for Recorded<'_> {
    fn begin(&mut self) {
        self.sink.begin();
    }

    fn take(&mut self, map: usize, record: &[u8]) -> Verdict {
        let verdict = self.recorder.record(map, record);
        if self.sink.offer(self.recorder.get_mut()) { verdict } else { Verdict::Stop }
    }

    fn flush(&mut self) -> Result<Reader> {
        self.sink.flush(self.recorder.get_mut())
    }
}
