//! Declaration tags of `eunomia.bpf.h`: `eunomia:KEY=VALUE` on variables, maps, functions and
//! members.

use super::{
    btf::{Kind, Type, TypeId},
    fields::Field,
    layout::Layouts,
};
use crate::sample::Format;

/// Returns the key and the value of a tag, unless it is a tag of something else.
pub fn parse(tag: &str) -> Option<(&str, &str)> {
    tag.strip_prefix("eunomia:")?.split_once('=')
}

/// Returns the value of a key among the tags of an item.
pub(crate) fn value<'a>(tags: &'a [String], key: &str) -> Option<&'a str> {
    tags.iter()
        .filter_map(|tag| parse(tag))
        .find(|(known, _)| *known == key)
        .map(|(_, value)| value)
}

impl Layouts {
    /// Returns the annotations of variables, maps and functions: the item, its type in BTF, the key
    /// and the value, in the order of BTF.
    pub(crate) fn annotations(&self) -> impl Iterator<Item = (TypeId, &Type, &str, &str)> {
        self.own_types().filter_map(|(_, tag)| {
            let Kind::DeclTag { on, component: None } = tag.kind else { return None };
            let (key, value) = parse(&tag.name)?;
            Some((on, self.btf.get(on), key, value))
        })
    }

    /// Returns the format in which the one-line form shows a member, if it has one and is of a size
    /// that it can show.
    pub fn format(&self, field: &Field<'_>) -> Option<Format> {
        let (declared, index) = field.declared;
        let name = value(self.tags(declared, Some(index)), "format")?;
        Format::named(name, field.size).ok().filter(|_| field.bits.is_none())
    }

    /// Returns the members whose formats cannot show them, as `TYPE.MEMBER`, and why.
    pub(crate) fn faulty_formats(&self) -> impl Iterator<Item = (String, String)> {
        self.own_types().filter_map(|(_, tag)| {
            let Kind::DeclTag { on, component: Some(index) } = tag.kind else { return None };
            let ("format", name) = parse(&tag.name)? else { return None };
            let (Kind::Struct { members, .. } | Kind::Union { members, .. }) =
                &self.btf.get(on).kind
            else {
                return None;
            };
            let member = members.get(index as usize)?;
            let why = match Format::named(name, self.layout(member.ty).size) {
                _ if member.bits.is_some() => "a bit field has no format".to_owned(),
                Ok(_) => return None,
                Err(why) => why,
            };
            Some((format!("{}.{}", self.c_name(on), member.name), why))
        })
    }
}
