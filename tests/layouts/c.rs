//! A case as C source: its types, the variable, and probes of their layout.

use std::fmt::Write as _;

use super::{
    case::Case,
    model::{Declared, Enum, Member, Name, Record, ScalarKind, Type, Value},
};

/// The section with the results of the probes, 8 bytes each.
pub(crate) const PROBES: &str = ".probes";

/// An expression that the C compiler evaluates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Probe {
    Size { record: String },
    Align { record: String },
    Offset { record: String, member: String },
}

/// Returns the whole file.
pub(crate) fn source(case: &Case) -> String {
    let probes: Vec<String> = probes(case).iter().map(probe).collect();
    let probes = probes.join(",\n    ");
    format!(
        "{}const unsigned long long probes[] __attribute__((section(\"{PROBES}\"))) = {{\n    {probes}\n}};\n",
        declarations(case)
    )
}

/// Returns the declarations of the types and the variable.
pub(crate) fn declarations(case: &Case) -> String {
    let mut text = format!("// Seed {}, with {:?}.\n", case.seed, case.features);
    for declared in &case.declared {
        match declared {
            Declared::Enum(ty) if ty.tag.is_some() => writeln!(text, "{};", enumeration(ty)),
            Declared::Record(record) if record.name != Name::Nameless => {
                let (before, after) = match record.pack {
                    Some(pack) => (format!("#pragma pack(push, {pack})\n"), "\n#pragma pack(pop)"),
                    None => (String::new(), ""),
                };
                match &record.name {
                    Name::Typedef(name) => {
                        writeln!(text, "{before}typedef {} {name};{after}", body(case, record))
                    }
                    _ => writeln!(text, "{before}{};{after}", body(case, record)),
                }
            }
            Declared::Typedef { name, ty } => {
                writeln!(text, "typedef {};", declaration(case, ty, name))
            }
            _ => Ok(()),
        }
        .expect("text grows");
    }
    let value = initialiser(case, &Type::Declared(case.top), &case.value);
    writeln!(text, "struct top value __attribute__((section(\".data\"))) = {value};")
        .expect("text grows");
    text
}

/// Returns the probes, in the order of their results.
pub(crate) fn probes(case: &Case) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (index, _) in case.declared.iter().enumerate() {
        let Some(named) = case.record(index) else { continue };
        let Some(record) = c_name(named) else { continue };
        probes.push(Probe::Size { record: record.clone() });
        probes.push(Probe::Align { record: record.clone() });
        let mut names = Vec::new();
        members(case, named, &mut names);
        probes.extend(
            names.into_iter().map(|member| Probe::Offset { record: record.clone(), member }),
        );
    }
    probes
}

/// Collects the members that have an offset, including those of anonymous records.
fn members(case: &Case, record: &Record, names: &mut Vec<String>) {
    for member in record.members.iter().filter(|member| member.bits.is_none()) {
        match (&member.name, &member.ty) {
            (Some(name), _) => names.push(name.clone()),
            (None, Type::Declared(index)) => {
                case.record(*index).into_iter().for_each(|inner| members(case, inner, names))
            }
            _ => {}
        }
    }
}

fn probe(probe: &Probe) -> String {
    match probe {
        Probe::Size { record } => format!("sizeof({record})"),
        Probe::Align { record } => format!("_Alignof({record})"),
        Probe::Offset { record, member } => format!("__builtin_offsetof({record}, {member})"),
    }
}

/// Returns the C name of a record, if it has one.
pub(crate) fn c_name(record: &Record) -> Option<String> {
    match &record.name {
        Name::Tag(tag) => Some(format!("{} {tag}", keyword(record))),
        Name::Typedef(name) => Some(name.clone()),
        Name::Nameless => None,
    }
}

fn keyword(record: &Record) -> &'static str {
    if record.union { "union" } else { "struct" }
}

fn enumeration(ty: &Enum) -> String {
    let constants = ty.constants.iter().map(|(name, value)| format!("{name} = {}", number(*value)));
    let packed = if ty.packed { " __attribute__((packed))" } else { "" };
    format!(
        "enum {} {{ {} }}{packed}",
        ty.tag.as_deref().unwrap_or(""),
        constants.collect::<Vec<_>>().join(", ")
    )
}

fn body(case: &Case, record: &Record) -> String {
    let tag = match &record.name {
        Name::Tag(tag) => tag,
        _ => "",
    };
    let mut text = format!("{} {tag} {{\n", keyword(record));
    for member in &record.members {
        let line = member_declaration(case, member).replace('\n', "\n    ");
        writeln!(text, "    {line};").expect("text grows");
    }
    text.push('}');
    if record.packed {
        text.push_str(" __attribute__((packed))");
    }
    if let Some(align) = record.aligned {
        write!(text, " __attribute__((aligned({align})))").expect("text grows");
    }
    text
}

fn member_declaration(case: &Case, member: &Member) -> String {
    let mut name = member.name.clone().unwrap_or_default();
    if member.flexible {
        name.push_str("[]");
    }
    let mut text = format!("{}{}", member.qualifier, declaration(case, &member.ty, &name));
    if let Some(bits) = member.bits {
        write!(text, " : {bits}").expect("text grows");
    }
    if member.packed {
        text.push_str(" __attribute__((packed))");
    }
    if let Some(align) = member.aligned {
        write!(text, " __attribute__((aligned({align})))").expect("text grows");
    }
    text
}

fn declaration(case: &Case, ty: &Type, name: &str) -> String {
    match ty {
        Type::Scalar(scalar) => format!("{} {name}", scalar.name),
        Type::Pointer(pattern) => pattern.replace('@', name),
        Type::Array(element, len) => declaration(case, element, &format!("{name}[{len}]")),
        Type::Declared(index) => match &case.declared[*index] {
            Declared::Enum(Enum { tag: Some(tag), .. }) => format!("enum {tag} {name}"),
            Declared::Enum(ty) => format!("{} {name}", enumeration(ty)),
            Declared::Record(record) => {
                format!("{} {name}", c_name(record).unwrap_or_else(|| body(case, record)))
            }
            Declared::Typedef { name: ty, .. } => format!("{ty} {name}"),
        },
    }
}

fn initialiser(case: &Case, ty: &Type, value: &Value) -> String {
    let list = |items: Vec<String>| format!("{{{}}}", items.join(", "));
    match (case.resolve(ty), value) {
        (Type::Pointer(_), Value::Number(address)) => format!("(void *){}", number(*address)),
        (Type::Scalar(scalar), Value::Number(text)) if scalar.kind == ScalarKind::Char => {
            format!("(char){text}")
        }
        (_, Value::Number(value)) => number(*value),
        (_, Value::Eighths(eighths)) => format!("{eighths} / 8.0"),
        (Type::Array(element, _), Value::Items(items)) => {
            list(items.iter().map(|item| initialiser(case, element, item)).collect())
        }
        // A flexible array; `ty` is the type of its items.
        (_, Value::Items(items)) => {
            list(items.iter().map(|item| initialiser(case, ty, item)).collect())
        }
        (Type::Declared(index), Value::Members(values)) => list(
            case.members(*index)
                .zip(values)
                .map(|(member, value)| initialiser(case, &member.ty, value))
                .collect(),
        ),
        (Type::Declared(index), Value::Arm(arm, value)) => {
            let member = case
                .record(*index)
                .map(|record| &record.members[*arm])
                .expect("an arm is of a union");
            let name = member.name.as_deref().expect("only members with a name are set");
            list(vec![format!(".{name} = {}", initialiser(case, &member.ty, value))])
        }
        (ty, value) => unreachable!("{value:?} is not of type {ty:?}"),
    }
}

/// Returns an integer as a C constant expression.
fn number(value: i128) -> String {
    match i64::try_from(value) {
        // C has no negative literals, and the positive number does not fit.
        Ok(i64::MIN) => "(-0x7fffffffffffffffLL - 1)".to_owned(),
        Ok(value) if value < 0 => format!("({value}LL)"),
        Ok(value) => format!("{value}"),
        Err(_) => match u64::try_from(value) {
            Ok(value) => format!("{value}ULL"),
            Err(_) => format!(
                "((__int128)((unsigned __int128){}ULL << 64 | {}ULL))",
                (value >> 64) as u64,
                value as u64
            ),
        },
    }
}
