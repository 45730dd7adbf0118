//! Generates Rust statements that set every leaf of `copy` to that of `value`.

use std::fmt::Write as _;

use super::{
    case::Case,
    model::{Member, Type},
    rust::{Access, Generated},
};

/// Returns statements after which all bytes except padding are equal. They set all members of a
/// union, one after the other.
pub(crate) fn steps(case: &Case, generated: Generated<'_>) -> String {
    let mut writer = Writer { case, generated, steps: String::new(), variables: 0 };
    writer.record(case.top, "copy", "value");
    writer.steps
}

struct Writer<'a> {
    case: &'a Case,
    generated: Generated<'a>,
    steps: String,
    variables: usize,
}

impl Writer<'_> {
    fn step(&mut self, step: &str) {
        writeln!(self.steps, "        {step}").expect("text grows");
    }

    fn variables(&mut self) -> (String, String) {
        self.variables += 1;
        (format!("to{}", self.variables), format!("from{}", self.variables))
    }

    fn record(&mut self, index: usize, to: &str, from: &str) {
        let case = self.case;
        for member in case.members(index) {
            self.member(member, to, from);
        }
    }

    fn member(&mut self, member: &Member, to: &str, from: &str) {
        let Some(name) = &member.name else {
            if let Type::Declared(index) = member.ty {
                self.record(index, to, from);
            }
            return;
        };
        match self.generated.access(name) {
            Access::Field => {
                self.value(&member.ty, &format!("{to}.{name}"), &format!("{from}.{name}"))
            }
            Access::Packed => {
                let (inner_to, inner_from) = self.variables();
                self.step(&format!(
                    "let (mut {inner_to}, {inner_from}) = ({to}.{name}.get(), {from}.{name}.get());"
                ));
                self.value(&member.ty, &inner_to, &inner_from);
                self.step(&format!("{to}.{name}.set({inner_to});"));
            }
            Access::Copy => {
                let (inner_to, inner_from) = self.variables();
                self.step(&format!(
                    "let (mut {inner_to}, {inner_from}) = ({to}.{name}(), {from}.{name}());"
                ));
                self.value(&member.ty, &inner_to, &inner_from);
                self.step(&format!("{to}.set_{name}({inner_to});"));
            }
            Access::View => self.value(
                &member.ty,
                &format!("(*{to}.{name}_mut())"),
                &format!("(*{from}.{name}())"),
            ),
        }
    }

    fn value(&mut self, ty: &Type, to: &str, from: &str) {
        let case = self.case;
        match case.resolve(ty) {
            Type::Array(element, _) if matches!(case.resolve(element), Type::Declared(index) if case.record(*index).is_some()) =>
            {
                let (inner_to, inner_from) = self.variables();
                self.step(&format!(
                    "for ({inner_to}, {inner_from}) in {to}.iter_mut().zip({from}.iter()) {{"
                ));
                self.value(element, &format!("(*{inner_to})"), &format!("(*{inner_from})"));
                self.step("}");
            }
            Type::Declared(index) if case.record(*index).is_some() => self.record(*index, to, from),
            _ => self.step(&format!("{to} = {from};")),
        }
    }
}
