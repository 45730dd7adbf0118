//! `eunomia doctor`.

use serde_json::json;

use super::{
    Failure, Streams,
    args::{Doctor, Source},
    input::Input,
    output,
};
use crate::bpf::preflight;

pub(super) fn run(args: &Doctor, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let checked = match &args.file {
        Some(file) => {
            let source = Source { file: file.clone(), object: args.object.clone() };
            Some(Input::read(&source, streams.input)?.document.check()?)
        }
        None => None,
    };
    let answers = preflight();
    let _ = checked;
    let text = if args.json {
        let checks = answers.checks.iter().map(|check| {
            json!({ "what": check.what, "ok": check.ok, "required": check.required, "found": check.found, "todo": if check.ok { "" } else { &check.todo } })
        });
        format!("{}\n", json!({ "ok": answers.ok(), "checks": checks.collect::<Vec<_>>() }))
    } else {
        answers.to_string()
    };
    output::print(streams.out, text.as_bytes())?;
    if answers.ok() { Ok(()) } else { Err(Failure::No) }
}
