//! The leaves of a case's value, as its C initializer sets them.

use super::{
    case::Case,
    model::{Type, Value},
};

/// A leaf: its path and its number. A leaf of a union member that was not set has no number.
pub(crate) type Leaf = (String, Option<i128>);

/// Returns all leaves in the order of the declaration.
pub(crate) fn expected(case: &Case) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    members(case, case.top, Some(&case.value), "value", &mut leaves);
    leaves
}

fn members(case: &Case, index: usize, value: Option<&Value>, path: &str, leaves: &mut Vec<Leaf>) {
    for (position, member) in case.members(index).enumerate() {
        let value = match value {
            Some(Value::Members(values)) => values.get(position),
            Some(Value::Arm(arm, value)) if *arm == position => Some(&**value),
            _ => None,
        };
        let path = member.name.as_ref().map_or(path.to_owned(), |name| format!("{path}.{name}"));
        match value {
            Some(Value::Items(items)) if member.flexible => {
                items.iter().for_each(|item| parts(case, &member.ty, Some(item), &path, leaves));
            }
            _ => parts(case, &member.ty, value, &path, leaves),
        }
    }
}

fn parts(case: &Case, ty: &Type, value: Option<&Value>, path: &str, leaves: &mut Vec<Leaf>) {
    match (case.resolve(ty), value) {
        (Type::Array(element, len), value) => {
            for index in 0..*len as usize {
                let item = match value {
                    Some(Value::Items(items)) => items.get(index),
                    _ => None,
                };
                parts(case, element, item, &format!("{path}[{index}]"), leaves);
            }
        }
        (Type::Declared(index), value) if case.record(*index).is_some() => {
            members(case, *index, value, path, leaves)
        }
        (Type::Scalar(scalar), Some(Value::Eighths(eighths))) => {
            let number = f64::from(*eighths) / 8.0;
            let bits = if scalar.bits == 32 {
                i128::from((number as f32).to_bits())
            } else {
                i128::from(number.to_bits())
            };
            leaves.push((path.to_owned(), Some(bits)));
        }
        (_, Some(Value::Number(number))) => leaves.push((path.to_owned(), Some(*number))),
        _ => leaves.push((path.to_owned(), None)),
    }
}
