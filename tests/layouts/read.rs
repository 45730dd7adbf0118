//! Generates Rust statements that read every leaf of a value.

use std::fmt::Write as _;

use super::{
    case::{Case, FLEXIBLE},
    model::{Declared, Member, ScalarKind, Type},
    rust::{Access, Generated},
};

/// Returns statements that push the leaves of `value` to `leaves`, in the order of
/// [`super::leaves::expected`].
pub(crate) fn steps(case: &Case, generated: Generated<'_>) -> String {
    let mut reader = Reader { case, generated, steps: String::new(), variables: 0 };
    reader.record(case.top, "value");
    reader.steps
}

struct Reader<'a> {
    case: &'a Case,
    generated: Generated<'a>,
    steps: String,
    variables: usize,
}

impl Reader<'_> {
    fn step(&mut self, step: &str) {
        writeln!(self.steps, "        {step}").expect("text grows");
    }

    fn variable(&mut self) -> String {
        self.variables += 1;
        format!("v{}", self.variables)
    }

    fn record(&mut self, index: usize, owner: &str) {
        let case = self.case;
        for member in case.members(index) {
            self.member(member, owner);
        }
    }

    fn member(&mut self, member: &Member, owner: &str) {
        let Some(name) = &member.name else {
            // As in C, the members of an anonymous record belong to the outer one.
            if let Type::Declared(index) = member.ty {
                self.record(index, owner);
            }
            return;
        };
        if member.flexible {
            let item = self.variable();
            self.step(&format!("for {item} in {owner}.tail().take({FLEXIBLE}) {{"));
            self.value(&member.ty, &item);
            self.step("}");
            return;
        }
        let place = match self.generated.access(name) {
            Access::Field => format!("{owner}.{name}"),
            Access::Packed => format!("{owner}.{name}.get()"),
            Access::Copy | Access::View => format!("{owner}.{name}()"),
        };
        self.value(&member.ty, &place);
    }

    fn value(&mut self, ty: &Type, at: &str) {
        let case = self.case;
        match case.resolve(ty) {
            Type::Array(element, _) if matches!(case.resolve(element), Type::Scalar(scalar) if scalar.kind == ScalarKind::Char) =>
            {
                self.step(&format!(
                    "leaves.extend({at}.raw().iter().map(|byte| i128::from(byte.cast_signed())));"
                ));
            }
            Type::Array(element, _) => {
                let item = self.variable();
                self.step(&format!("for {item} in {at}.iter() {{"));
                self.value(element, &format!("(*{item})"));
                self.step("}");
            }
            Type::Declared(index) if matches!(case.declared[*index], Declared::Enum(_)) => {
                self.step(&format!("leaves.push({at}.0.leaf());"));
            }
            Type::Declared(index) => {
                let record = self.variable();
                self.step(&format!("let {record} = {at};"));
                self.record(*index, &record);
            }
            _ => self.step(&format!("leaves.push({at}.leaf());")),
        }
    }
}
