//! The layout of a C struct or union as a Rust struct: which members are fields, and what fills the
//! bytes between and below them.
//!
//! A member that shares no byte with others is a field, in [`eunomia_runtime::sample::Packed`] if
//! it is not aligned. Bit fields and members that share bytes are accessed through methods; their
//! bytes are one hidden field. Packed structs, unions and anonymous members thus need no rules of
//! their own.

use std::collections::BTreeMap;

use eunomia_runtime::object::{Field, Kind, TypeId};
use proc_macro2::Ident;

use super::{
    names::{Scope, plain, verbatim},
    types::Types,
};

/// A struct that can be emitted.
#[derive(Debug)]
pub(crate) struct Structure<'a> {
    pub(crate) size: u64,
    pub(crate) align: u64,
    /// The least number of bytes that a record has.
    pub(crate) least: u64,
    /// True if the struct needs an explicit alignment, larger than that of its fields.
    pub(crate) aligned: bool,
    /// The parts of the struct in order; together they cover every byte once.
    pub(crate) slots: Vec<Slot>,
    /// The members in the order of their declaration.
    pub(crate) members: Vec<Member<'a>>,
}

/// A field of the Rust struct.
#[derive(Debug)]
pub(crate) enum Slot {
    /// A member, by its index.
    Member(usize),
    /// Bytes that several members share.
    Shared { ident: Ident, offset: u64, len: u64 },
    /// Bytes that belong to no member.
    Padding { ident: Ident, offset: u64, len: u64 },
}

/// A member of the C struct.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) ident: Ident,
    pub(crate) field: Field<'a>,
    pub(crate) access: Access,
}

/// An array without a length that a struct ends with.
#[derive(Debug)]
pub(crate) struct Tail<'a> {
    pub(crate) name: &'a str,
    pub(crate) element: TypeId,
    /// True if the items are of type `char`.
    pub(crate) is_text: bool,
    pub(crate) offset: u64,
}

/// The way in which Rust code accesses a member.
#[derive(Debug)]
pub(crate) enum Access {
    /// A field.
    Field,
    /// A field of type `Packed`.
    Packed,
    /// Methods that copy.
    Copy { set: Ident },
    /// Methods that borrow.
    View { edit: Ident },
    /// Methods that copy bits.
    Bits { set: Ident },
}

impl<'a> Structure<'a> {
    /// Decides how a struct or union is laid out; any other type has no members.
    pub(crate) fn of(types: &Types<'a>, id: TypeId) -> Self {
        let id = types.layouts.btf.resolve(id).0;
        let layout = types.layouts.layout(id);
        Self {
            least: layout.least(),
            ..Self::decide(types, types.layouts.fields(id), layout.size, layout.align)
        }
    }

    /// Decides the layout of `fields` within `size` bytes.
    pub(crate) fn decide(types: &Types<'_>, fields: Vec<Field<'a>>, size: u64, align: u64) -> Self {
        let shared = shared(&fields);
        let mut scope = Scope::default();
        let mut natural = 1;
        let idents: Vec<Ident> =
            fields.iter().map(|field| scope.claim(verbatim(field.name))).collect();
        let members: Vec<_> = fields
            .into_iter()
            .zip(idents)
            .map(|(field, ident)| {
                let own = field.ty.map_or(1, |ty| types.align(ty));
                let fits = align.is_multiple_of(own) && field.offset().is_multiple_of(own);
                let mut method = |name: String| scope.claim(verbatim(&name));
                let bare = plain(&ident);
                let access = match is_shared(&shared, &field) {
                    true if field.bits.is_some() => {
                        Access::Bits { set: method(format!("set_{bare}")) }
                    }
                    true if fits && !field.ty.is_some_and(|ty| is_scalar(types, ty)) => {
                        Access::View { edit: method(format!("{bare}_mut")) }
                    }
                    true => Access::Copy { set: method(format!("set_{bare}")) },
                    false if fits => {
                        natural = natural.max(own);
                        Access::Field
                    }
                    false => Access::Packed,
                };
                Member { ident, field, access }
            })
            .collect();
        let slots = slots(&members, &shared, size, &mut scope);
        Self { size, align, least: size, aligned: natural != align, slots, members }
    }

    /// Returns the array without a length at the end of the struct, if there is one.
    pub(crate) fn tail(&self, types: &Types<'_>) -> Option<Tail<'a>> {
        let member = self
            .members
            .last()
            .filter(|member| matches!(member.access, Access::Field | Access::Packed))?;
        let behind_all =
            self.members.iter().all(|other| other.field.end() <= member.field.offset());
        let ty = member.field.ty?;
        match types.layouts.btf.resolve(ty).1.kind {
            Kind::Array { element, len: 0 }
                if behind_all && types.layouts.layout(element).size > 0 =>
            {
                let is_text = types.layouts.char_array(ty).is_some();
                Some(Tail {
                    name: member.field.name,
                    element,
                    is_text,
                    offset: member.field.offset(),
                })
            }
            _ => None,
        }
    }
}

/// Returns the ranges of bytes, from start to end, that belong to bit fields or to several members.
fn shared(fields: &[Field<'_>]) -> BTreeMap<u64, u64> {
    let mut spans: Vec<_> =
        fields.iter().map(|field| (field.offset(), field.end(), field.bits.is_some())).collect();
    spans.sort_unstable();
    let mut regions = BTreeMap::new();
    let close = |open: Option<(u64, u64, bool)>, regions: &mut BTreeMap<u64, u64>| {
        regions.extend(open.filter(|(_, _, shares)| *shares).map(|(start, end, _)| (start, end)));
    };
    // Spans that overlap become one, and so do bit fields that touch.
    let mut open: Option<(u64, u64, bool)> = None;
    for (start, end, bits) in spans {
        match &mut open {
            Some((_, last, shares)) if start < *last || (start == *last && bits && *shares) => {
                *last = end.max(*last);
                *shares = true;
            }
            _ => close(open.replace((start, end, bits)), &mut regions),
        }
    }
    close(open, &mut regions);
    regions
}

/// Reports whether a member lies in shared bytes.
fn is_shared(shared: &BTreeMap<u64, u64>, field: &Field<'_>) -> bool {
    let region = shared.range(..=field.offset()).next_back();
    // A member of size 0 may touch the border of a shared range.
    region.is_some_and(|(&start, &end)| {
        field.offset() < end && (field.size > 0 || start < field.offset())
    })
}

fn slots(
    members: &[Member<'_>],
    shared: &BTreeMap<u64, u64>,
    size: u64,
    scope: &mut Scope,
) -> Vec<Slot> {
    let fields = members
        .iter()
        .enumerate()
        .filter(|(_, member)| matches!(member.access, Access::Field | Access::Packed));
    let mut parts: Vec<_> = fields
        .map(|(index, member)| (member.field.offset(), member.field.end(), Some(index)))
        .collect();
    parts.extend(shared.iter().map(|(start, end)| (*start, *end, None)));
    parts.sort_by_key(|(start, end, _)| (*start, *end));
    let mut slots = Vec::new();
    let mut at = 0;
    let pad = |slots: &mut Vec<Slot>, scope: &mut Scope, from: u64, to: u64| {
        if from < to {
            slots.push(Slot::Padding {
                ident: scope.claim(verbatim(&format!("__pad_{from}"))),
                offset: from,
                len: to - from,
            });
        }
    };
    for (start, end, member) in parts {
        pad(&mut slots, scope, at, start);
        slots.push(match member {
            Some(index) => Slot::Member(index),
            None => Slot::Shared {
                ident: scope.claim(verbatim(&format!("__shared_{start}"))),
                offset: start,
                len: end - start,
            },
        });
        at = end;
    }
    pad(&mut slots, scope, at, size);
    slots
}

/// Reports whether accessors pass values of the type by copy.
fn is_scalar(types: &Types<'_>, ty: TypeId) -> bool {
    matches!(
        types.layouts.btf.resolve(ty).1.kind,
        Kind::Int { .. } | Kind::Float { .. } | Kind::Pointer { .. } | Kind::Enum { .. }
    )
}
