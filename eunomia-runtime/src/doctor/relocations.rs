//! Checks the CO-RE relocations of an object.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::{
    Patient, check,
    core::{Outcome, resolve, subject},
    list,
};
use crate::{bpf::Check, object::RelocationKind};

/// The time for the types of the kernel. An object of kilobytes can have a hundred thousand
/// relocations that refer to the largest types.
const MOST_TIME: Duration = Duration::from_secs(10);

/// Returns one check for all relocations that resolve, one for the existence checks that are
/// answered with no, and one for each other relocation that does not resolve.
pub(super) fn examine(patient: &Patient<'_>) -> Vec<Check> {
    if patient.relocations.is_empty() || patient.kernel.relocation_types().is_err() {
        return Vec::new();
    }
    let local = &patient.checked.layouts.btf;
    let mut found = 0;
    let mut absent = BTreeSet::new();
    // By reason, because one member may be read in many places.
    let mut missing = BTreeMap::<(String, bool), BTreeSet<&str>>::new();
    let mut broken = BTreeMap::<(String, bool), BTreeSet<&str>>::new();
    let mut untold = BTreeSet::new();
    let (start, mut known) = (Instant::now(), HashMap::new());
    for (index, relocation) in patient.relocations.iter().enumerate() {
        let same = (relocation.ty, relocation.kind as u32, &relocation.access);
        if !known.contains_key(&same) && start.elapsed() > MOST_TIME {
            let left = patient.relocations.len() - index;
            untold.insert(format!("{left} of {} are too many", patient.relocations.len()));
            break;
        }
        let programs = patient.programs_at(relocation.section, relocation.offset);
        let programs: Vec<_> = programs.collect();
        let required = programs.iter().any(|program| program.autoload);
        let names = programs.iter().map(|program| program.name.as_str());
        let outcome =
            known.entry(same).or_insert_with(|| resolve(local, relocation, patient.kernel));
        match outcome.clone() {
            Outcome::Found => found += 1,
            Outcome::Untold(why) => {
                _ = untold.insert(format!("`{}`: {why}", subject(local, relocation)))
            }
            Outcome::Missing(_) if relocation.kind.is_question() => {
                absent.insert(format!("`{}`", subject(local, relocation)));
            }
            Outcome::Missing(why) => {
                let zero = matches!(
                    relocation.kind,
                    RelocationKind::TypeSize | RelocationKind::TypeIdTarget
                );
                missing.entry((why, zero)).or_default().extend(names);
            }
            Outcome::Broken(why) => broken
                .entry((format!("`{}`: {why}", subject(local, relocation)), required))
                .or_default()
                .extend(names),
        }
    }
    let mut checks = Vec::new();
    if found > 0 {
        checks.push(check::found(
            "CO-RE relocations",
            format!("{found} of {} resolve", patient.relocations.len()),
        ));
    }
    if !absent.is_empty() {
        let subjects = list(absent.iter().map(String::as_str));
        checks.push(check::found(
            "CO-RE existence checks",
            format!("programs find that this kernel does not have {subjects}"),
        ));
    }
    checks.extend(missing.into_iter().map(|((why, zero), programs)| {
        let todo = if zero {
            "the programs read 0 for it: they must check bpf_core_type_exists first"
        } else {
            "the verifier refuses the programs if they can reach the instruction: guard it with bpf_core_field_exists (or \
             bpf_core_enum_value_exists)"
        };
        check::missing("CO-RE relocation", false, format!("{why}{}", used_by(&programs)), todo)
    }));
    checks.extend(broken.into_iter().map(|((why, required), programs)| {
        check::missing(
            "CO-RE relocation",
            required,
            format!("{why}{}", used_by(&programs)),
            "libbpf does not load the object: change its source",
        )
    }));
    checks.extend(
        untold
            .into_iter()
            .map(|why| check::untold("CO-RE relocation", why, "load the object to find out")),
    );
    checks
}

fn used_by(programs: &BTreeSet<&str>) -> String {
    if programs.is_empty() {
        "; no program calls the function that uses it".to_owned()
    } else {
        format!("; used by {}", list(programs.iter().copied()))
    }
}
