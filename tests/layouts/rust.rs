//! The Rust code of a case: the generated module, and code that reads and builds a value as an
//! application would.

use super::{
    c::{Probe, c_name, probes},
    case::Case,
    model::{Member, Name},
    read, write,
};

/// The module of the programs that is the same for all cases.
pub(crate) const REPORT: &str = include_str!("report.rs");

/// The access to a member in the generated code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Access {
    /// A field.
    Field,
    /// A field that is not aligned for its type.
    Packed,
    /// The methods `m()` and `set_m()`.
    Copy,
    /// The methods `m()` and `m_mut()`.
    View,
}

/// The text of a generated module. The access to a member depends on the members that share its
/// bytes. The generator decides that, so the access is looked up in the text; all names of a case
/// are different.
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

    /// Returns a module `<name>_case` around the generated one, which is in the file `<name>.rs`.
    pub(crate) fn module(self, case: &Case, name: &str) -> String {
        let layout: Vec<String> =
            probes(case).iter().map(|probe| self.layout(case, probe)).collect();
        let (read, write) = (read::steps(case, self), write::steps(case, self));
        // Items of a flexible array are not copied; they may start in the padding at the end of the
        // struct.
        let (end, with, ty) = match case.members(case.top).last() {
            Some(Member { flexible: true, name: Some(name), .. }) => (
                format!("::std::mem::offset_of!(types::Top, {name})"),
                "with_tail",
                "eunomia_runtime::sample::Tailed<'_, types::Top>",
            ),
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
    fn read(value: {ty}) -> Vec<i128> {{
        let mut leaves = Vec::new();
{read}        leaves
    }}

    #[allow(unused, reason = \"a struct may have nothing to read or set\")]
    fn write(value: &types::Top) -> types::Top {{
        let mut copy = types::Top::default();
{write}        copy
    }}

    pub fn report() -> Report {{
        eunomia_runtime::sample::{with}(VALUE, |value: {ty}| Report {{
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
            let records =
                case.declared.iter().enumerate().filter_map(|(index, _)| case.record(index));
            let name =
                records.filter(|record| c_name(record).as_deref() == Some(c)).find_map(|record| {
                    match &record.name {
                        Name::Tag(name) | Name::Typedef(name) => Some(name),
                        Name::Nameless => None,
                    }
                });
            let name = name.expect("probes are of types with a name");
            format!("types::{}{}", name[..1].to_uppercase(), &name[1..])
        };
        match probe {
            Probe::Size { record } => format!("Some(size_of::<{}>())", ty(record)),
            Probe::Align { record } => format!("Some(align_of::<{}>())", ty(record)),
            Probe::Offset { record, member } => match self.access(member) {
                Access::Field | Access::Packed => {
                    format!("Some(::std::mem::offset_of!({}, {member}))", ty(record))
                }
                // There is no field.
                _ => "None".to_owned(),
            },
        }
    }
}
