//! `eunomia doctor`: reports whether this kernel can run BPF programs, or those of a skeleton.

use serde_json::json;

use super::{
    CommandError, Streams,
    args::{Doctor, Source},
    choice::name_events,
    input::Input,
    output,
};
use crate::{
    Error,
    bpf::{Check, preflight},
    doctor::{self, TARGET_OF},
    plain,
};

pub(super) fn run(args: &Doctor, streams: &mut Streams<'_>) -> Result<(), CommandError> {
    let mut answers = preflight();
    if let Some(file) = &args.file {
        let mut input = Input::read(
            &Source { file: file.clone(), object: args.object.clone() },
            streams.input,
        )?;
        name_events(&args.choice.events, &mut input.skeleton);
        let btf = input.kernel_btf(args.btf.as_deref())?;
        let (doctor, checked) = (doctor::Doctor::new(btf.as_deref()), input.check()?);
        let of_object = match checked.clone().open(btf.as_deref()) {
            Ok(mut open) => {
                match args.choice.apply(&mut open) {
                    // `apply` looks up a function that is the target of a program and fails if the
                    // kernel has none.
                    Err(CommandError::Error(error @ Error::Kernel(_))) => {
                        answers.checks.push(Check {
                            what: "targets".into(),
                            required: true,
                            ok: false,
                            found: error.to_string(),
                            todo: "name another target with `--attach`".into(),
                        })
                    }
                    applied => applied?,
                }
                let only = args.choice.only(open.object())?;
                let only: Option<Vec<&str>> =
                    only.as_ref().map(|only| only.iter().map(String::as_str).collect());
                doctor.examine_open(open, only.as_deref(), args.choice.strict)
            }
            // `examine` reports why the object cannot be opened.
            Err(_) => doctor.examine(&checked),
        };
        let mut of_object = of_object.checks;
        // A caller of the library may attach such programs by other calls; `run` has only
        // `--attach`.
        if args.choice.strict {
            of_object
                .iter_mut()
                .filter(|check| check.what.starts_with(TARGET_OF))
                .for_each(|check| check.required = true);
        }
        // If both made the same check, the object's answer has more detail.
        answers.checks.retain(|check| !of_object.iter().any(|other| other.what == check.what));
        answers.checks.extend(of_object);
    }
    let text = if args.json {
        let checks = answers.checks.iter().map(|check| {
            json!({ "what": check.what, "ok": check.ok, "required": check.required, "found": check.found, "todo": if check.ok { "" } else { check.todo.for_command() } })
        });
        plain::json(&format!(
            "{}\n",
            json!({ "ok": answers.ok(), "checks": checks.collect::<Vec<_>>() })
        ))
        .into_owned()
    } else {
        answers.for_command()
    };
    output::print(streams.out, text.as_bytes())?;
    if answers.ok() { Ok(()) } else { Err(CommandError::No) }
}
