//! Plans for writing the values of a type in a form.
//!
//! Each is made once: fixed texts, and between them the places of what varies. Writing a value
//! walks the plan and looks nothing up.

use super::{
    form::{Form, numbers},
    leaf::Leaf,
    view::Shape,
};
use crate::{
    object::{Field, Kind, Layouts, TypeId},
    sample::until_nul,
};

/// The steps that write the values of one type.
#[derive(Debug, Default)]
struct Plan(Vec<Step>);

/// A step of a plan.
#[derive(Debug)]
enum Step {
    /// Text that is the same for every value.
    Fixed(Box<[u8]>),
    /// A leaf at an offset.
    Leaf { offset: usize, leaf: Leaf },
    /// A struct or union at an offset.
    Nested { offset: usize, ty: TypeId },
    /// The items of an array at an offset.
    Each { offset: usize, stride: usize, len: usize, item: Plan },
    /// The items of a flexible array at the end of a record; elsewhere it is empty.
    Tail { offset: usize, stride: usize, text: bool, item: Plan },
}

/// Appends a value to `out`.
pub(super) fn write<F: Form>(layouts: &Layouts, shape: Shape<'_>, bytes: &[u8], out: &mut Vec<u8>) {
    match shape {
        Shape::Type(ty) if layouts.has_members(ty) => {
            braced(F::BARE, out, |out| of_type::<F>(layouts, ty, bytes, false, out))
        }
        Shape::Type(ty) => of_type::<F>(layouts, ty, bytes, false, out),
        Shape::Tailed(ty) if !layouts.has_members(ty) => numbers::<F>(bytes, out),
        Shape::Tailed(ty) => {
            braced(F::BARE, out, |out| of_type::<F>(layouts, ty, bytes, true, out))
        }
        Shape::Tail(ty) => Plan(Step::tail::<F>(layouts, ty, 0).into_iter().collect())
            .write::<F>(layouts, bytes, true, out),
        Shape::Bits { ty, shift, width } => {
            Leaf::of_bits::<F>(layouts, ty, bytes.len(), shift, width).write::<F>(bytes, out)
        }
        Shape::Custom(fields) => braced(F::BARE, out, |out| {
            for (i, field) in fields.iter().enumerate() {
                out.extend_from_slice(if i > 0 { F::FIELDS.as_bytes() } else { b"" });
                F::name(&field.name, out);
                let bytes = bytes.get(bounded(field.offset)..).unwrap_or_default();
                braced(!layouts.has_members(field.ty), out, |out| {
                    of_type::<F>(layouts, field.ty, bytes, false, out)
                });
            }
        }),
        Shape::Untyped => numbers::<F>(bytes, out),
        Shape::Bytes => F::unknown(bytes, out),
    }
}

/// Appends a value of a type, without braces around a struct. If `whole` is true, the value is a
/// whole record, which goes on after a struct with a flexible member.
fn of_type<F: Form>(layouts: &Layouts, ty: TypeId, bytes: &[u8], whole: bool, out: &mut Vec<u8>) {
    // Every type has a plan; see `Layouts`.
    if let Some(plan) =
        F::plans(layouts).get_or_init(layouts.btf.resolve(ty).0, || Plan::new::<F>(layouts, ty))
    {
        plan.write::<F>(layouts, bytes, whole, out);
    }
}

fn braced(bare: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if bare {
        return write(out);
    }
    out.push(b'{');
    write(out);
    out.push(b'}');
}

impl Plan {
    fn new<F: Form>(layouts: &Layouts, ty: TypeId) -> Self {
        let mut plan = Self::default();
        if layouts.has_members(ty) {
            let fields = layouts.fields(ty);
            for (i, field) in fields.iter().enumerate() {
                let mut name = if i > 0 { F::FIELDS.as_bytes().to_vec() } else { Vec::new() };
                F::name(field.name, &mut name);
                plan.fixed(&name);
                let is_last = layouts.layout(ty).flexible && i + 1 == fields.len();
                match field
                    .ty
                    .filter(|_| is_last)
                    .and_then(|ty| Step::tail::<F>(layouts, ty, bounded(field.offset())))
                {
                    Some(tail) => plan.0.push(tail),
                    None => plan.member::<F>(layouts, field),
                }
            }
        } else {
            plan.value::<F>(layouts, ty, 0);
        }
        plan
    }

    fn fixed(&mut self, text: &[u8]) {
        match self.0.pop() {
            Some(Step::Fixed(before)) => self.0.push(Step::Fixed([&before, text].concat().into())),
            before => {
                self.0.extend(before);
                self.0.push(Step::Fixed(text.into()));
            }
        }
    }

    /// Plans a value at an offset. The depth of nested arrays is limited by
    /// [`crate::object::Btf::parse`].
    fn value<F: Form>(&mut self, layouts: &Layouts, ty: TypeId, offset: usize) {
        let size = bounded(layouts.layout(ty).size);
        let leaf = match &layouts.btf.resolve(ty).1.kind {
            _ if layouts.char_array(ty).is_some() => Leaf::Text(size),
            Kind::Struct { .. } | Kind::Union { .. } if layouts.has_members(ty) => {
                return self.0.push(Step::Nested { offset, ty });
            }
            Kind::Array { element, len } => {
                let stride = bounded(layouts.layout(*element).size);
                // Items without a size are not written: no bytes could hold four billion of them.
                let len = if stride == 0 { 0 } else { *len as usize };
                let mut item = Self::default();
                item.value::<F>(layouts, *element, 0);
                return self.0.push(Step::Each { offset, stride, len, item });
            }
            Kind::Int { bool: true, size: 1, .. } => Leaf::Bool,
            Kind::Int { signed: true, size: size @ (1 | 2 | 4 | 8 | 16), .. } => {
                Leaf::Signed(size.to_le_bytes()[0])
            }
            Kind::Int { signed: false, size: size @ (1 | 2 | 4 | 8 | 16), .. } => {
                Leaf::Unsigned(size.to_le_bytes()[0])
            }
            // An enum has as many bits as its size gives.
            Kind::Enum { size: bytes @ (1 | 2 | 4 | 8 | 16), .. } => {
                Leaf::of_bits::<F>(layouts, ty, size, 0, 8 * bytes)
            }
            Kind::Float { size: 4 } => Leaf::Float,
            Kind::Float { size: 8 } => Leaf::Double,
            Kind::Pointer { .. } => Leaf::Address,
            _ => Leaf::Bytes(size),
        };
        self.0.push(Step::Leaf { offset, leaf });
    }

    fn member<F: Form>(&mut self, layouts: &Layouts, field: &Field<'_>) {
        let offset = bounded(field.offset());
        let leaf = match (field.ty, field.bits) {
            _ if F::FORMATS
                && let Some(format) = layouts.format(field) =>
            {
                Leaf::Formatted(format, bounded(field.size))
            }
            (Some(ty), None) => return self.value::<F>(layouts, ty, offset),
            (Some(ty), Some(width)) => {
                let shift = (field.bit_offset % 8).to_le_bytes()[0].into();
                Leaf::of_bits::<F>(layouts, ty, bounded(field.size), shift, width)
            }
            (None, _) => Leaf::Bytes(bounded(field.size)),
        };
        self.0.push(Step::Leaf { offset, leaf });
    }

    fn write<F: Form>(&self, layouts: &Layouts, bytes: &[u8], whole: bool, out: &mut Vec<u8>) {
        for step in &self.0 {
            match step {
                Step::Fixed(text) => out.extend_from_slice(text),
                Step::Leaf { offset, leaf } => {
                    leaf.write::<F>(bytes.get(*offset..).unwrap_or_default(), out)
                }
                Step::Nested { offset, ty } => {
                    braced(false, out, |out| {
                        of_type::<F>(
                            layouts,
                            *ty,
                            bytes.get(*offset..).unwrap_or_default(),
                            false,
                            out,
                        )
                    });
                }
                Step::Each { offset, stride, len, item } => {
                    let items = bytes
                        .get(*offset..)
                        .unwrap_or_default()
                        .chunks_exact((*stride).max(1))
                        .take(*len);
                    item.each::<F>(layouts, items, out);
                }
                Step::Tail { offset, stride, text, item } => {
                    let tail = if whole { bytes.get(*offset..).unwrap_or_default() } else { &[] };
                    if *text {
                        F::text(until_nul(tail), out);
                    } else {
                        item.each::<F>(layouts, tail.chunks_exact((*stride).max(1)), out);
                    }
                }
            }
        }
    }
}

impl Plan {
    /// Writes the items of an array, each by this plan.
    fn each<'b, F: Form>(
        &self,
        layouts: &Layouts,
        items: impl Iterator<Item = &'b [u8]>,
        out: &mut Vec<u8>,
    ) {
        out.push(b'[');
        for (i, bytes) in items.enumerate() {
            if i > 0 {
                out.extend_from_slice(F::ITEMS.as_bytes());
            }
            self.write::<F>(layouts, bytes, false, out);
        }
        out.push(b']');
    }
}

impl Step {
    /// Plans a flexible array.
    fn tail<F: Form>(layouts: &Layouts, ty: TypeId, offset: usize) -> Option<Self> {
        let Kind::Array { element, .. } = layouts.btf.resolve(ty).1.kind else { return None };
        let mut item = Plan::default();
        item.value::<F>(layouts, element, 0);
        let (stride, text) =
            (bounded(layouts.layout(element).size), layouts.char_array(ty).is_some());
        Some(Self::Tail { offset, stride, text, item })
    }
}

/// Converts a number of bytes to an index. One larger than the address space is out of bounds
/// anyway.
fn bounded(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
