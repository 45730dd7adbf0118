//! The Rust that holds a case: the generated module, and what an app would write to read and to make a value of it.

use super::{
    c::{Probe, c_name, probes},
    case::Case,
    model::{Member, Name},
    read, write,
};

/// What the programs consist of beside the cases.
pub(crate) const REPORT: &str = include_str!("report.rs");

/// How the generated code gives a member to its user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Access {
    Field,
    /// A field, not aligned for its type.
    Packed,
    /// `m()` and `set_m()`.
    Copy,
    /// `m()` and `m_mut()`.
    View,
}

/// The text of a generated module. How a member is given depends on what it shares its bytes with, which is the generator's business,
/// so it is looked up here; all names of a case are different.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Generated<'a>(pub(crate) &'a str);

impl Generated<'_> {
    pub(crate) fn access(self, member: &str) -> Access {
        let has = |text: String| self.0.contains(&text);
        if has(format!(" pub {member}: ::eunomia_runtime::sample::Packed<")) {
            Access::Packed
        } else if has(format!(" pub {member}: ")) {
            Access::Field
        } else if has(format!(" pub fn set_{member}(")) {
            Access::Copy
        } else if has(format!(" pub fn {member}_mut(")) {
            Access::View
        } else {
            panic!("the generated code has no `{member}`")
        }
    }

    /// A module `<name>_case` around the generated one, which stands in the file `<name>.rs`.
    pub(crate) fn module(self, case: &Case, name: &str) -> String {
        let layout: Vec<String> = probes(case).iter().map(|probe| self.layout(case, probe)).collect();
        let (read, write) = (read::steps(case, self), write::steps(case, self));
        // Items of a flexible array, which are not copied, start in the padding at the end of the struct.
        let (end, with, of) = match case.members(case.top).last() {
            Some(Member { flexible: true, name: Some(name), .. }) => {
                (format!("::std::mem::offset_of!(types::Top, {name})"), "with_tail", "eunomia_runtime::sample::Tailed<'_, types::Top>")
            }
            _ => ("size_of::<types::Top>()".to_owned(), "with_event", "&types::Top"),
        };
        format!(
            "mod {name}_case {{
    #[allow(unused, reason = \"a struct may have nothing to read or set\")]
    use super::report::{{Plain as _, Leaf as _, Report}};
    include!(\"{name}.rs\");
    use {name}::types;

    static VALUE: &[u8] = include_bytes!(\"{name}.value\");

    #[allow(unused, reason = \"a struct may have nothing to read or set\")]
    fn read(value: {of}) -> Vec<i128> {{
        let mut leaves = Vec::new();
{read}        leaves
    }}

    #[allow(unused, reason = \"a struct may have nothing to read or set\")]
    fn write(value: &types::Top) -> types::Top {{
        let mut copy = types::Top::default();
{write}        copy
    }}

    pub fn report() -> Report {{
        eunomia_runtime::sample::{with}(VALUE, |value: {of}| Report {{
            layout: vec![{}],
            leaves: read(value),
            written: write(&value).bytes()[..{end}] == value.bytes()[..{end}],
            line: value.to_string(),
        }})
        .unwrap()
    }}
}}
",
            layout.join(", ")
        )
    }

    fn layout(self, case: &Case, probe: &Probe) -> String {
        let ty = |c: &str| {
            let records = case.declared.iter().enumerate().filter_map(|(index, _)| case.record(index));
            let name = records.filter(|record| c_name(record).as_deref() == Some(c)).find_map(|record| match &record.name {
                Name::Tag(name) | Name::Typedef(name) => Some(name),
                Name::Nameless => None,
            });
            let name = name.expect("probes are of types with a name");
            format!("types::{}{}", name[..1].to_uppercase(), &name[1..])
        };
        match probe {
            Probe::Size { record } => format!("Some(size_of::<{}>())", ty(record)),
            Probe::Align { record } => format!("Some(align_of::<{}>())", ty(record)),
            Probe::Offset { record, member } => match self.access(member) {
                Access::Field | Access::Packed => format!("Some(::std::mem::offset_of!({}, {member}))", ty(record)),
                // No field stands there.
                _ => "None".to_owned(),
            },
        }
    }
}
