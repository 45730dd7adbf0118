//! `eunomia record`.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    sync::Arc,
};

use super::{
    Failure, Streams,
    args::Record,
    events::{self, Taker},
    input::Input,
    output::Reader,
};
use crate::{Error, Result, recording::Recorder, sample::Verdict};

pub(super) fn run(args: &Record, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let input = Input::read(&args.source, streams.input)?;
    let open = events::open(&input, &args.kernel, &args.args, "record")?;
    let checked = Arc::clone(open.checked());
    let file = File::create(&args.output).map_err(|source| Error::File { path: args.output.clone(), source })?;
    let mut recorded = Recorded(checked.recorder(BufWriter::new(file))?.timed());
    let skel = events::attach(open, args.quiet, streams.err)?;
    let followed = events::follow(skel, &args.limits, args.quiet, streams.err, &mut recorded);
    // What made following fail may be that writing failed, which this says better.
    let mut file = recorded.0.finish()?;
    followed?;
    Ok(file.flush().map_err(|source| Error::File { path: args.output.clone(), source })?)
}

struct Recorded(Recorder<BufWriter<File>>);

impl Taker for Recorded {
    fn take(&mut self, map: usize, record: &[u8]) -> Verdict {
        match self.0.record(map, record) {
            // There is no sense in more; `finish` says why.
            Verdict::Failed(_) => Verdict::Stop,
            verdict => verdict,
        }
    }

    fn flush(&mut self) -> Result<Reader> {
        Ok(Reader::There)
    }
}
