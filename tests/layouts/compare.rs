//! Compares the report of a program on a case with C.

use eunomia_runtime::{Skeleton, object::TypeId, value::Value};

use super::{
    c::{Probe, probes},
    case::{Case, Feature},
    leaves,
    object::Object,
};

/// Compares the line that the program printed; the error is the first difference.
pub(crate) fn compare(case: &Case, object: &Object, report: &str) -> Result<(), String> {
    let [layout, leaves, written, line] = report.splitn(4, '|').collect::<Vec<_>>()[..] else {
        return Err(format!("printed {report}"));
    };
    compare_layout(case, object, layout)?;
    compare_leaves(case, leaves)?;
    if written != "true" {
        return Err("a copy made by setting every leaf has other bytes".to_owned());
    }
    let is_flexible = case
        .members(case.top)
        .last()
        .is_some_and(|member| member.flexible && member.name.is_some());
    let dynamic = dynamic(object, is_flexible);
    if dynamic == line { Ok(()) } else { Err(format!("typed {line}\nand dynamic {dynamic}")) }
}

fn compare_layout(case: &Case, object: &Object, layout: &str) -> Result<(), String> {
    let (probes, found) = (probes(case), layout.split(' '));
    assert_eq!((probes.len(), found.clone().count()), (object.probes.len(), object.probes.len()));
    for ((probe, expected), found) in probes.iter().zip(&object.probes).zip(found) {
        let fine = match (probe, found.parse::<u64>()) {
            // BTF has offsets but no alignments. So the alignment is at most that of C, unless a
            // feature reduces that of C.
            (Probe::Align { .. }, Ok(_))
                if [Feature::Packed, Feature::Pack, Feature::UnusedBits]
                    .iter()
                    .any(|less| case.has(*less)) =>
            {
                true
            }
            (Probe::Align { .. }, Ok(found)) if case.has(Feature::Aligned) => found <= *expected,
            (_, Ok(found)) => found == *expected,
            // A member that shares bytes with another is not a field; its value is compared
            // instead.
            (_, Err(_)) => {
                case.has(Feature::Unions) || case.has(Feature::Empty) && case.has(Feature::Bits)
            }
        };
        if !fine {
            return Err(format!("{probe:?}: {expected} in C, {found} in Rust"));
        }
    }
    Ok(())
}

fn compare_leaves(case: &Case, leaves: &str) -> Result<(), String> {
    let expected = leaves::expected(case);
    let found: Vec<&str> = leaves.split_whitespace().collect();
    if expected.len() != found.len() {
        return Err(format!("{} leaves in C, {} in Rust", expected.len(), found.len()));
    }
    for ((path, expected), found) in expected.iter().zip(found) {
        if let Some(expected) = expected
            && expected.to_string() != found
        {
            return Err(format!("{path}: {expected} in C, {found} in Rust"));
        }
    }
    Ok(())
}

/// Returns the line of the value through dynamic reading. If the struct ends with a flexible array,
/// its items come after the struct.
fn dynamic(object: &Object, is_flexible: bool) -> String {
    let skeleton = Skeleton::from_object("case".to_owned(), object.file.clone(), "case").unwrap();
    let layouts = skeleton.check().unwrap().layouts.clone();
    let id = layouts
        .btf
        .iter()
        .map(|(id, _)| id)
        .find(|id: &TypeId| layouts.c_name(*id) == "struct top")
        .unwrap();
    let size = layouts.layout(id).size as usize;
    let value = if is_flexible {
        Value::of_record(&layouts, id, &object.value)
    } else {
        Value::new(&layouts, id, &object.value[..size])
    };
    value.unwrap().to_string()
}
