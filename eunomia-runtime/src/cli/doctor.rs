//! `eunomia doctor`.

use serde_json::json;

use super::{
    Failure, Streams,
    args::{Doctor, Source},
    input::Input,
    output,
};
use crate::{bpf::preflight, doctor::examine};

pub(super) fn run(args: &Doctor, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let checked = match &args.file {
        Some(file) => {
            let source = Source { file: file.clone(), object: args.object.clone() };
            Some(Input::read(&source, streams.input)?.document.check()?)
        }
        None => None,
    };
    let mut answers = preflight();
    if let Some(checked) = checked {
        let of_object = examine(&checked).checks;
        // Of what both look at, the object's answer says more.
        answers.checks.retain(|check| !of_object.iter().any(|other| other.what == check.what));
        answers.checks.extend(of_object);
    }
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
