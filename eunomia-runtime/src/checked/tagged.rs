//! Records of several types in one map, told apart by a member that all of them have at one place.

use super::{check::list, exports::named};
use crate::{
    fault::{Fault, Found, Place},
    object::{Field, Kind, Layouts, TypeId},
    suggestion::near,
    value::{constants, parse},
};

/// The types of a map's records, and the member that tells which one a record has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The member as C writes it behind the record, for example `kind` or `header.kind`.
    pub member: String,
    /// Bytes from the start of each type to the member.
    pub offset: u64,
    /// Bytes of the member: 1, 2, 4 or 8.
    pub size: u64,
    /// The types by the member's value, in the application's order.
    pub tags: Vec<Tag>,
}

/// A value of the member, and the type that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// As the application wrote it: a number or the name of an enum's constant.
    pub text: String,
    /// The bytes of the member as an unsigned number, whether it has a sign or not.
    pub value: u64,
    /// The type.
    pub ty: TypeId,
}

impl Tagged {
    /// The type of a record; `None` where it ends before the member, or has a value there that was not named.
    pub fn type_of(&self, record: &[u8]) -> Option<TypeId> {
        let start = usize::try_from(self.offset).ok()?;
        let value = unsigned(record.get(start..)?.get(..usize::try_from(self.size).ok()?)?);
        self.tags.iter().find(|tag| tag.value == value).map(|tag| tag.ty)
    }
}

/// Holds what the application says against BTF: pairs of a value of `member` and a C type.
pub(crate) fn resolve(member: &str, types: &[(String, String)], place: &Place, layouts: &Layouts, faults: &mut Found) -> Option<Tagged> {
    let before = faults.len();
    if types.is_empty() {
        faults.push(Fault::new(place.clone(), "the list of types is empty", "name a value and its type"));
    }
    let mut found = Vec::new();
    for (text, c_type) in types {
        let place = place.key(text);
        let ty = named(c_type, &place, layouts, faults);
        found.push(ty.and_then(|ty| Some((ty, c_type, discriminant(member, ty, &place, layouts, faults)?))));
    }
    let first = found.iter().flatten().next()?;
    let (_, first_type, expected) = first;
    let mut tags: Vec<Tag> = Vec::new();
    for ((text, _), found) in types.iter().zip(&found) {
        let place = place.key(text);
        // A faulty type does not keep its value from being checked.
        let (ty, c_type, field) = found.as_ref().unwrap_or(first);
        if (field.offset(), field.size) != (expected.offset(), expected.size) {
            let at = |field: &Field<'_>| format!("at byte {} with a size of {}", field.offset(), field.size);
            let what = format!("`{member}` of `{c_type}` is {}, that of `{first_type}` {}", at(field), at(expected));
            faults.push(Fault::new(place.clone(), what, "put it at one place in all of them"));
        }
        let Some(value) = value(text, field.ty?, &place, layouts, faults) else { continue };
        match tags.iter().find(|tag| tag.value == value) {
            Some(tag) => {
                let what = format!("`{text}` is the value {value} of `{member}`, as is `{}` before it", tag.text);
                faults.push(Fault::new(place, what, "give each value one type"));
            }
            None => tags.push(Tag { text: text.clone(), value, ty: *ty }),
        }
    }
    let tagged = Tagged { member: member.to_owned(), offset: expected.offset(), size: expected.size, tags };
    (faults.len() == before).then_some(tagged)
}

/// The member of `ty`, as the outermost struct has it.
fn discriminant<'a>(path: &str, ty: TypeId, place: &Place, layouts: &'a Layouts, faults: &mut Found) -> Option<Field<'a>> {
    let (mut inside, mut start) = (ty, 0);
    let mut found = None;
    for name in path.split('.') {
        let fields = layouts.fields(inside);
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            let names = || fields.iter().map(|field| field.name).filter(|name| !name.is_empty());
            let what = format!("`{}` has no member `{name}`, it has {}", layouts.c_name(inside), list(names()));
            faults.push(Fault::new(place.clone(), what, meant(name, names()).unwrap_or_default()));
            return None;
        };
        let field = Field { bit_offset: start + field.bit_offset, ..*field };
        (inside, start) = (field.ty.unwrap_or_default(), field.bit_offset);
        found = Some(field);
    }
    let field = found?;
    let integer = matches!(layouts.btf.resolve(inside).1.kind, Kind::Int { .. } | Kind::Enum { .. });
    let is = match field.bits {
        // It is not read as whole bytes, and its neighbours would be taken for a part of it.
        Some(_) => "a bit field".to_owned(),
        None if integer && matches!(field.size, 1 | 2 | 4 | 8) => return Some(field),
        None => format!("of the type `{}`", layouts.c_name(inside)),
    };
    let what = format!("`{path}` of `{}` is {is}", layouts.c_name(ty));
    faults.push(Fault::new(place.clone(), what, "records are told apart by an integer or enum of 1, 2, 4 or 8 bytes"));
    None
}

/// The value that `text` means to a member of type `ty`: a number, or a constant of its enum, or else of any other one, since C declares
/// many a member that holds an enum's constants as a number.
fn value(text: &str, ty: TypeId, place: &Place, layouts: &Layouts, faults: &mut Found) -> Option<u64> {
    let all = || constants(layouts, ty).chain(layouts.btf.iter().flat_map(|(id, _)| constants(layouts, id)));
    let number = all().find(|(name, _)| *name == text).map(|(_, number)| number.to_string());
    match parse(layouts, ty, number.as_deref().unwrap_or(text)) {
        Ok(bytes) => Some(unsigned(&bytes)),
        Err(what) => {
            // A number out of range has no name that was meant.
            let is_unknown = number.is_none() && text.starts_with(|c: char| c.is_alphabetic() || c == '_');
            let todo = is_unknown.then(|| {
                let elsewhere = "a constant of an enum that no type in BTF uses is given as its number";
                meant(text, all().map(|(name, _)| name)).unwrap_or_else(|| elsewhere.to_owned())
            });
            faults.push(Fault::new(place.clone(), what, todo.unwrap_or_default()));
            None
        }
    }
}

/// Little-endian, as objects are; at most 8 bytes, as was checked.
fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    near(name, known).map(|meant| format!("did you mean `{meant}`?"))
}
