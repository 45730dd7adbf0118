//! `eunomia doctor`.

use serde_json::json;

use super::{
    Failure, Streams,
    args::{Doctor, Source},
    input::Input,
    output,
};
use crate::{bpf::preflight, doctor, plain::plain};

pub(super) fn run(args: &Doctor, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let mut answers = preflight();
    if let Some(file) = &args.file {
        let input = Input::read(&Source { file: file.clone(), object: args.object.clone() }, streams.input)?;
        let btf = input.kernel_btf(args.btf.as_deref())?;
        let (doctor, checked) = (doctor::Doctor::new(btf.as_deref()), input.document.check()?);
        let programs: Vec<&str> = args.programs.iter().map(String::as_str).collect();
        let of_object = if programs.is_empty() { doctor.examine(&checked) } else { doctor.examine_only(&checked, &programs) }.checks;
        // Of what both look at, the object's answer says more.
        answers.checks.retain(|check| !of_object.iter().any(|other| other.what == check.what));
        answers.checks.extend(of_object);
    }
    let text = if args.json {
        let checks = answers.checks.iter().map(|check| {
            json!({ "what": check.what, "ok": check.ok, "required": check.required, "found": check.found, "todo": if check.ok { "" } else { check.todo.for_command() } })
        });
        format!("{}\n", json!({ "ok": answers.ok(), "checks": checks.collect::<Vec<_>>() }))
    } else {
        plain(&answers.for_command())
    };
    output::print(streams.out, text.as_bytes())?;
    if answers.ok() { Ok(()) } else { Err(Failure::No) }
}
