//! The Rust that reads a case through the generated module, as an app would write it.

use std::fmt::Write as _;

use super::{
    c::{Probe, c_name, probes},
    case::Case,
    model::{Declared, Member, Name, ScalarKind, Type, Value},
};

/// What every reader can use.
pub(crate) const READING: &str = include_str!("reading.rs");

/// A module `<name>_case` around the generated one, which stands in `<name>.rs` and has the text `generated`.
///
/// Whether a member is a field or a method depends on what it shares its bytes with. That is the generator's business: the reader looks
/// into its text. Names of members are unique in a case.
pub(crate) fn reader(case: &Case, name: &str, generated: &str) -> String {
    let layout: Vec<String> = probes(case).iter().map(|probe| layout(case, probe, generated)).collect();
    let mut steps = String::new();
    Reader { case, generated, out: &mut steps, variables: 0 }.record(case.top, "value");
    format!(
        "mod {name}_case {{
    use super::reading::{{Leaf as _, Report}};
    include!(\"{name}.rs\");
    use {name}::types;

    static VALUE: &[u8] = include_bytes!(\"{name}.value\");

    #[allow(unused)]
    fn read(value: &types::Top) -> Vec<i128> {{
        let mut leaves = Vec::new();
{steps}        leaves
    }}

    pub fn report() -> Report {{
        eunomia_runtime::sample::with_event(VALUE, |value: &types::Top| Report {{
            layout: vec![{}],
            leaves: read(value),
            line: value.to_string(),
        }})
        .unwrap()
    }}
}}
",
        layout.join(", ")
    )
}

fn layout(case: &Case, probe: &Probe, generated: &str) -> String {
    let ty = |c: &str| {
        let (index, _) = case.declared.iter().enumerate().find(|(index, _)| case.record(*index).and_then(c_name).as_deref() == Some(c))?;
        case.record(index).map(|record| match &record.name {
            Name::Tag(name) | Name::Typedef(name) => format!("types::{}{}", name[..1].to_uppercase(), &name[1..]),
            Name::Nameless => unreachable!("it has the name {c}"),
        })
    };
    let answer = match probe {
        Probe::Size { record } => ty(record).map(|ty| format!("size_of::<{ty}>()")),
        Probe::Align { record } => ty(record).map(|ty| format!("align_of::<{ty}>()")),
        // What shares its bytes has no field.
        Probe::Offset { member, .. } if !is_field(generated, member) => None,
        Probe::Offset { record, member } => ty(record).map(|ty| format!("::std::mem::offset_of!({ty}, {member})")),
    };
    answer.map_or("None".to_owned(), |answer| format!("Some({answer})"))
}

fn is_field(generated: &str, member: &str) -> bool {
    generated.contains(&format!(" pub {member}: "))
}

struct Reader<'a> {
    case: &'a Case,
    generated: &'a str,
    out: &'a mut String,
    variables: usize,
}

impl Reader<'_> {
    fn step(&mut self, step: &str) {
        writeln!(self.out, "        {step}").expect("text grows");
    }

    fn variable(&mut self) -> String {
        self.variables += 1;
        format!("v{}", self.variables)
    }

    fn record(&mut self, index: usize, of: &str) {
        let case = self.case;
        for member in case.record(index).into_iter().flat_map(|record| &record.members).filter(|member| member.has_value()) {
            self.member(member, of);
        }
    }

    fn member(&mut self, member: &Member, of: &str) {
        match (&member.name, &member.ty) {
            // Flattened, as in C.
            (None, Type::Declared(index)) => self.record(*index, of),
            (Some(_), _) if member.flexible => {}
            (Some(name), ty) if is_field(self.generated, name) => {
                // One that is not aligned for its type is read by its own `get`.
                let get = if self.generated.contains(&format!(" pub {name}: ::eunomia_runtime::sample::Packed<")) { ".get()" } else { "" };
                self.value(ty, &format!("{of}.{name}{get}"));
            }
            (Some(name), ty) => self.value(ty, &format!("{of}.{name}()")),
            (None, ty) => unreachable!("{ty:?} without a name has no value"),
        }
    }

    fn value(&mut self, ty: &Type, at: &str) {
        match self.case.resolve(ty) {
            Type::Array(element, _) if matches!(self.case.resolve(element), Type::Scalar(scalar) if scalar.kind == ScalarKind::Char) => {
                self.step(&format!("leaves.extend({at}.raw().iter().map(|byte| i128::from(byte.cast_signed())));"));
            }
            Type::Array(element, _) => {
                let item = self.variable();
                self.step(&format!("for {item} in {at}.iter() {{"));
                self.value(element, &format!("(*{item})"));
                self.step("}");
            }
            Type::Declared(index) => match &self.case.declared[*index] {
                // One without a constant of its own is its integer.
                Declared::Enum(of) => {
                    let typed = of.constants.iter().any(|(name, _)| self.generated.contains(&format!(" pub const {name}: Self")));
                    let number = if typed { ".0" } else { "" };
                    self.step(&format!("leaves.push({at}{number}.leaf());"));
                }
                _ => {
                    let record = self.variable();
                    self.step(&format!("let {record} = {at};"));
                    self.record(*index, &record);
                }
            },
            _ => self.step(&format!("leaves.push({at}.leaf());")),
        }
    }
}

/// The leaves of the case's value in the order in which the reader finds them, each with its path. Those of a union that were not set
/// have no number.
pub(crate) fn leaves(case: &Case) -> Vec<(String, Option<i128>)> {
    let mut leaves = Vec::new();
    members(case, case.top, Some(&case.value), "value", &mut leaves);
    leaves
}

fn members(case: &Case, index: usize, value: Option<&Value>, path: &str, leaves: &mut Vec<(String, Option<i128>)>) {
    let members = case.record(index).into_iter().flat_map(|record| &record.members).filter(|member| member.has_value());
    for (position, member) in members.enumerate() {
        let value = match value {
            Some(Value::Members(values)) => values.get(position),
            Some(Value::Arm(arm, value)) if *arm == position => Some(&**value),
            _ => None,
        };
        let path = member.name.as_ref().map_or(path.to_owned(), |name| format!("{path}.{name}"));
        if !member.flexible {
            parts(case, &member.ty, value, &path, leaves);
        }
    }
}

fn parts(case: &Case, ty: &Type, value: Option<&Value>, path: &str, leaves: &mut Vec<(String, Option<i128>)>) {
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
        (Type::Declared(index), value) if case.record(*index).is_some() => members(case, *index, value, path, leaves),
        (Type::Scalar(scalar), Some(Value::Eighths(eighths))) => {
            let number = f64::from(*eighths) / 8.0;
            let bits = if scalar.bits == 32 { i128::from((number as f32).to_bits()) } else { i128::from(number.to_bits()) };
            leaves.push((path.to_owned(), Some(bits)));
        }
        (_, Some(Value::Number(number))) => leaves.push((path.to_owned(), Some(*number))),
        _ => leaves.push((path.to_owned(), None)),
    }
}
