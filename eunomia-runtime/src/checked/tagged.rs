//! Records of several types in one map, distinguished by a member at the same offset in all of
//! them.

use super::named::named;
use crate::{
    error::{Diagnostic, Found, JsonPath},
    object::{
        Field, Kind, Layouts, TypeId,
        encode::{constants, parse},
    },
    plain::quoted,
    suggestion::near,
};

/// The maximum number of types in one map. Every value is compared with those before it.
const MOST: usize = 1024;

/// The types of a map's records, and the member that distinguishes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The path of the member in C, for example `kind` or `header.kind`.
    pub member: String,
    /// Bytes from the start of each type to the member.
    pub offset: u64,
    /// The size of the member: 1, 2, 4 or 8 bytes.
    pub size: u64,
    /// The types by value of the member, in the order of the application.
    pub tags: Vec<Tag>,
}

/// A value of the member, and the type of records with this value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The value as the application wrote it: a number or the name of an enum constant.
    pub text: String,
    /// The bytes of the member as an unsigned number, even if the member is signed.
    pub value: u64,
    /// The type.
    pub ty: TypeId,
}

impl Tagged {
    /// Returns the type of a record, or `None` if the record ends before the member or has an
    /// unlisted value.
    pub fn type_of(&self, record: &[u8]) -> Option<TypeId> {
        let start = usize::try_from(self.offset).ok()?;
        let value = unsigned(record.get(start..)?.get(..usize::try_from(self.size).ok()?)?);
        self.tags.iter().find(|tag| tag.value == value).map(|tag| tag.ty)
    }
}

/// Checks the pairs of a value of `member` and a C type, which the application gives, against BTF.
pub(crate) fn resolve(
    member: &str,
    types: &[(String, String)],
    place: &JsonPath,
    layouts: &Layouts,
    diagnostics: &mut Found,
) -> Option<Tagged> {
    if types.is_empty() {
        diagnostics.push(Diagnostic::new(
            place.clone(),
            "the list of types is empty",
            "name a value and its type",
        ));
        return None;
    }
    let before = diagnostics.len();
    let types: Vec<(String, Option<TypeId>)> = types
        .iter()
        .map(|(text, c_type)| (text.clone(), named(c_type, &place.key(text), layouts, diagnostics)))
        .collect();
    let tagged = distinguish(member, &types, place, layouts, diagnostics);
    tagged.filter(|_| diagnostics.len() == before)
}

/// Checks the types of a map's records by value of `member`. `None` is a type that has a fault.
pub(crate) fn distinguish(
    member: &str,
    types: &[(String, Option<TypeId>)],
    place: &JsonPath,
    layouts: &Layouts,
    diagnostics: &mut Found,
) -> Option<Tagged> {
    let before = diagnostics.len();
    if types.len() > MOST {
        let what = format!("{} types for one map; the limit is {MOST}", types.len());
        diagnostics.push(Diagnostic::new(place.clone(), what, "use several maps"));
        return None;
    }
    let mut found = Vec::new();
    for (text, ty) in types {
        let place = place.key(text);
        found.push(
            ty.and_then(|ty| Some((ty, discriminant(member, ty, &place, layouts, diagnostics)?))),
        );
    }
    let first = found.iter().flatten().next()?;
    let (first_type, expected) = first;
    let mut tags: Vec<Tag> = Vec::new();
    for ((text, _), found) in types.iter().zip(&found) {
        let place = place.key(text);
        // The value of a faulty type is still checked.
        let (ty, field) = found.as_ref().unwrap_or(first);
        if (field.offset(), field.size) != (expected.offset(), expected.size) {
            let at =
                |field: &Field<'_>| format!("at byte {} with size {}", field.offset(), field.size);
            let what = format!(
                "`{member}` of `{}` is {}, but in `{}` {}",
                layouts.c_name(*ty),
                at(field),
                layouts.c_name(*first_type),
                at(expected)
            );
            diagnostics.push(Diagnostic::new(
                place.clone(),
                what,
                "use the same offset and size in all types",
            ));
        }
        let Some(value) = value(text, field.ty?, &place, layouts, diagnostics) else { continue };
        match tags.iter().find(|tag| tag.value == value) {
            Some(tag) => {
                let what = format!(
                    "`{text}` is the value {value} of `{member}`, already used by `{}`",
                    tag.text
                );
                diagnostics.push(Diagnostic::new(place, what, "give each value one type"));
            }
            None => tags.push(Tag { text: text.clone(), value, ty: *ty }),
        }
    }
    let tagged =
        Tagged { member: member.to_owned(), offset: expected.offset(), size: expected.size, tags };
    (diagnostics.len() == before).then_some(tagged)
}

/// Returns the member of `ty` at `path`, relative to the outermost struct.
pub(super) fn discriminant<'a>(
    path: &str,
    ty: TypeId,
    place: &JsonPath,
    layouts: &'a Layouts,
    diagnostics: &mut Found,
) -> Option<Field<'a>> {
    let (mut inside, mut start) = (ty, 0);
    let mut found = None;
    for name in path.split('.') {
        let fields = layouts.fields(inside);
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            let names = || fields.iter().map(|field| field.name).filter(|name| !name.is_empty());
            let what = format!(
                "`{}` has no member `{name}`, it has {}",
                layouts.c_name(inside),
                quoted(names())
            );
            diagnostics.push(Diagnostic::new(
                place.clone(),
                what,
                similar(name, names()).unwrap_or_default(),
            ));
            return None;
        };
        let field = Field { bit_offset: start + field.bit_offset, ..*field };
        (inside, start) = (field.ty.unwrap_or_default(), field.bit_offset);
        found = Some(field);
    }
    let field = found?;
    let integer =
        matches!(layouts.btf.resolve(inside).1.kind, Kind::Int { .. } | Kind::Enum { .. });
    let is = match field.bits {
        // A bit field is not read as whole bytes, which would include its neighbours.
        Some(_) => "is a bit field".to_owned(),
        None if integer && matches!(field.size, 1 | 2 | 4 | 8) => return Some(field),
        None => format!("has type `{}`", layouts.c_name(inside)),
    };
    let what = format!("`{path}` of `{}` {is}", layouts.c_name(ty));
    diagnostics.push(Diagnostic::new(
        place.clone(),
        what,
        "use an integer or enum of 1, 2, 4 or 8 bytes",
    ));
    None
}

/// Returns the value of `text` for a member of type `ty`: a number or a constant of its enum.
/// Constants of other enums are accepted as well, since C code often declares a member that holds
/// enum constants as an integer.
fn value(
    text: &str,
    ty: TypeId,
    place: &JsonPath,
    layouts: &Layouts,
    diagnostics: &mut Found,
) -> Option<u64> {
    let all = || {
        constants(layouts, ty).chain(layouts.btf.iter().flat_map(|(id, _)| constants(layouts, id)))
    };
    // There may be a hundred thousand constants.
    let is_name = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let constant = || all().find(|(name, _)| *name == text);
    let number = is_name.then(constant).flatten().map(|(_, number)| number.to_string());
    match parse(layouts, ty, number.as_deref().unwrap_or(text)) {
        Ok(bytes) => Some(unsigned(&bytes)),
        Err(what) => {
            // A number out of range is not a misspelled name.
            let todo = (is_name && number.is_none()).then(|| {
                let elsewhere = "if no type in BTF uses the enum, give the constant as a number";
                similar(text, all().map(|(name, _)| name)).unwrap_or_else(|| elsewhere.to_owned())
            });
            diagnostics.push(Diagnostic::new(place.clone(), what, todo.unwrap_or_default()));
            None
        }
    }
}

/// Little-endian, as objects are. The length was checked to be at most 8 bytes.
fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn similar<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    near(name, known).map(|similar| format!("did you mean `{similar}`?"))
}
