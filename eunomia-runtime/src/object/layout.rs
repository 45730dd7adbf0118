//! Sizes, alignments and offsets. BTF and the symbol table are the only source of layout.

use std::collections::HashMap;

use super::{
    btf::{Btf, BtfError, Kind, Member, Slot, Type, TypeId},
    derived::Derived,
    elf::{Elf, ObjectError},
};

/// The size and alignment of a type, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The size; 0 for `void`, functions and forward declarations.
    pub size: u64,
    /// The alignment, at least 1. It is the C alignment as far as BTF shows it: 1 for packed types,
    /// and larger than natural for a struct whose size implies that it was declared `aligned`.
    pub align: u64,
    /// The number of members at any depth, including array elements.
    pub(crate) parts: u64,
    /// The number of members as C code sees them, including those of anonymous structs and unions.
    fields: u64,
    /// An upper bound for the letters of a value that is written with the names of its members.
    letters: u64,
    /// The number of bytes at the end that a record may lack.
    slack: u64,
    /// True if the last member is an array without a length.
    pub(crate) flexible: bool,
    /// True if the type has no more members, and they have no longer names, than a C type of its
    /// size. Only then is a walk over its members bounded, and so is the text of its values.
    pub regular: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            size: 0,
            align: 1,
            parts: 1,
            fields: 0,
            letters: LETTERS,
            slack: 0,
            flexible: false,
            regular: true,
        }
    }
}

impl Layout {
    /// Returns the minimum size of a record of this type. Programs send only the used part of an
    /// array that is the last member, so a record may end at any point from the start of that array
    /// on. Missing bytes are zero.
    pub fn least(&self) -> u64 {
        self.size - self.slack
    }
}

/// Limits for [`Layout::regular`]. Union members can share bytes; kernel types stay below both
/// limits by a factor of a hundred.
const MAX_FIELDS: u64 = 1 << 16;
const MAX_PARTS_PER_BYTE: u64 = 1024;
/// The letters of a value without bytes and names: quotes and separators.
const LETTERS: u64 = 8;
/// The letters that one byte of a number takes at most.
const LETTERS_PER_BYTE: u64 = 3;
/// Limits of the letters of a value. Every byte of an array can be written with names of hundreds
/// of letters, and an event is written as a whole. A byte of eight flags takes some three hundred.
const MAX_LETTERS_PER_BYTE: u64 = 512;
const MAX_LETTERS: u64 = 1 << 30;

/// Returns the letters of a name as it is written.
fn letters(name: &str) -> u64 {
    name.bytes().map(|byte| if byte.is_ascii_graphic() { 1 } else { 8 }).sum()
}

/// The object's ELF and BTF, with the layout of every type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layouts {
    /// Sections and symbols.
    pub elf: Elf,
    /// Types. Those of [`crate::skeleton::Skeleton::export_btf`] follow the object's own types.
    pub btf: Btf,
    /// The number of the object's own types.
    own: usize,
    layouts: Vec<Layout>,
    /// The texts of declaration tags, by tagged type and member.
    tags: HashMap<(TypeId, Option<u32>), Vec<String>>,
    /// The plans that format values as JSON. Stored with the types, since events refer to nothing
    /// else.
    pub(crate) json: Derived,
    /// The plans that format values as a line of text.
    pub(crate) line: Derived,
}

impl Layouts {
    /// Reads an object, and the BTF of the export types if the document has its own.
    pub(crate) fn new(object: &[u8], export_btf: Option<&[u8]>) -> Result<Self, ObjectError> {
        const REBUILD: &str = "compile the object again with `-g`";
        let refuse = |error: BtfError| (error.to_string(), REBUILD);
        let (elf, btf) = Elf::parse(object)?;
        let mut btf = Btf::parse(btf).map_err(refuse)?;
        let own = btf.iter().count();
        if let Some(bytes) = export_btf {
            btf.append(Btf::parse(bytes).map_err(refuse)?);
        }
        let layouts = compute(&btf).map_err(refuse)?;
        Ok(Self {
            elf,
            tags: tags(&btf),
            btf,
            own,
            json: Derived::new(layouts.len()),
            line: Derived::new(layouts.len()),
            layouts,
        })
    }

    /// Reads BTF without an object, for example the kernel's.
    ///
    /// # Errors
    /// The same as [`Btf::parse`], or [`BtfError`] if a member ends after its struct.
    pub fn from_btf(bytes: &[u8]) -> Result<Self, BtfError> {
        let btf = Btf::parse(bytes)?;
        let layouts = compute(&btf)?;
        Ok(Self {
            elf: Elf::default(),
            own: layouts.len(),
            tags: tags(&btf),
            btf,
            json: Derived::new(layouts.len()),
            line: Derived::new(layouts.len()),
            layouts,
        })
    }

    /// Returns the object's own types, which are the only types that describe its sections and
    /// maps.
    pub(crate) fn own_types(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        self.btf.iter().take(self.own)
    }

    /// Returns the variables of the sections with a wanted name.
    pub(crate) fn slots(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = &Slot> {
        let sections = self.own_types().filter_map(move |(_, ty)| match &ty.kind {
            Kind::Section { variables } if wanted(&ty.name) => Some(variables),
            _ => None,
        });
        sections.flatten()
    }

    /// Returns the id in this arena for a type id of the export BTF.
    pub(crate) fn export_type(&self, id: u32) -> TypeId {
        // `void` is shared.
        let shift =
            if id == 0 { 0 } else { u32::try_from(self.own).unwrap_or(u32::MAX).saturating_sub(1) };
        TypeId(shift.saturating_add(id))
    }

    /// Returns the layout of a type.
    pub fn layout(&self, id: TypeId) -> Layout {
        self.layouts.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// Returns the texts of the declaration tags (`btf_decl_tag`) on a type or variable, or on one
    /// of its members.
    pub fn tags(&self, on: TypeId, member: Option<u32>) -> &[String] {
        self.tags.get(&(on, member)).map_or(&[], Vec::as_slice)
    }

    /// Returns the length of a C `char` array, or `None` if `id` is not one.
    pub fn char_array(&self, id: TypeId) -> Option<u32> {
        match self.btf.resolve(id).1.kind {
            Kind::Array { element, len } => {
                let (_, element) = self.btf.resolve(element);
                let char =
                    element.name == "char" && matches!(element.kind, Kind::Int { size: 1, .. });
                char.then_some(len)
            }
            _ => None,
        }
    }

    /// Reports whether `id` is an array of unsigned integers, as are histogram slots and stack
    /// addresses.
    pub(crate) fn counts(&self, id: TypeId) -> bool {
        let Kind::Array { element, .. } = self.btf.resolve(id).1.kind else { return false };
        matches!(
            self.btf.resolve(element).1.kind,
            Kind::Int { signed: false, bool: false, size: 1 | 2 | 4 | 8, .. }
        )
    }

    /// Returns the name of the enum constant with this value, if the enum has one.
    pub fn enum_name(ty: &Type, value: i128) -> Option<&str> {
        match &ty.kind {
            Kind::Enum { values, .. } => {
                values.iter().find(|(_, known)| *known == value).map(|(name, _)| name.as_str())
            }
            _ => None,
        }
    }
}

fn tags(btf: &Btf) -> HashMap<(TypeId, Option<u32>), Vec<String>> {
    let mut tags = HashMap::<_, Vec<String>>::new();
    for (_, ty) in btf.iter() {
        if let Kind::DeclTag { on, component } = ty.kind {
            tags.entry((on, component)).or_default().push(ty.name.clone());
        }
    }
    tags
}

fn compute(btf: &Btf) -> Result<Vec<Layout>, BtfError> {
    let mut layouts = vec![None; btf.iter().count()];
    let limits = limits(btf);
    for (id, _) in btf.iter() {
        visit(btf, id, &limits, &mut layouts)?;
    }
    Ok(layouts.into_iter().map(Option::unwrap_or_default).collect())
}

/// Returns the largest alignment that each type can have, given the offsets of its uses as a
/// member.
fn limits(btf: &Btf) -> Vec<u64> {
    let mut limits = vec![u64::MAX; btf.iter().count()];
    for (_, ty) in btf.iter() {
        let (Kind::Struct { members, .. } | Kind::Union { members, .. }) = &ty.kind else {
            continue;
        };
        for member in members.iter().filter(|member| member.bits.is_none() && member.bit_offset > 0)
        {
            let mut id = btf.resolve(member.ty).0;
            while let Kind::Array { element, .. } = btf.get(id).kind {
                id = btf.resolve(element).0;
            }
            if let Some(limit) = limits.get_mut(id.0 as usize) {
                *limit = (*limit).min(1 << (member.bit_offset / 8).trailing_zeros().min(31));
            }
        }
    }
    limits
}

/// The limit for recorded sizes, which no value reaches.
const MAX_SIZE: u64 = 1 << 32;

/// Recursion terminates: [`Btf::parse`] has limited the depth of types nested by value.
fn visit(
    btf: &Btf,
    id: TypeId,
    limits: &[u64],
    known: &mut [Option<Layout>],
) -> Result<Layout, BtfError> {
    if let Some(layout) = known.get(id.0 as usize).copied().flatten() {
        return Ok(layout);
    }
    let scalar = |size: u32| Layout {
        size: size.into(),
        align: u64::from(size).next_power_of_two().clamp(1, 16),
        letters: LETTERS + LETTERS_PER_BYTE * u64::from(size),
        ..Layout::default()
    };
    let ty = btf.get(id);
    let layout = match &ty.kind {
        Kind::Int { size, .. } | Kind::Float { size } => scalar(*size),
        Kind::Enum { size, values, .. } => {
            let longest = values.iter().map(|(name, _)| letters(name)).max().unwrap_or(0);
            let layout = scalar(*size);
            Layout { letters: layout.letters + longest, ..layout }
        }
        Kind::Pointer { .. } => scalar(8),
        Kind::Array { element, len } => {
            let element = visit(btf, *element, limits, known)?;
            let len = u64::from(*len);
            let parts = element.parts.saturating_mul(len).max(1);
            Layout {
                size: element.size.saturating_mul(len),
                parts,
                fields: 0,
                letters: element.letters.saturating_mul(len).saturating_add(LETTERS),
                slack: 0,
                flexible: false,
                ..element
            }
        }
        Kind::Struct { size, members } | Kind::Union { size, members } => {
            let limit = limits.get(id.0 as usize).copied().unwrap_or(1);
            let size = u64::from(*size);
            let mut layout = Layout { size, parts: 0, ..Layout::default() };
            let (mut end, mut packed) = (0, false);
            // In a struct with bit fields, clang writes only the lowest 24 bits of an offset.
            let in_order = matches!(ty.kind, Kind::Struct { .. })
                && members.iter().any(|member| member.bits.is_some());
            let mut last = 0;
            for member in members {
                let of = visit(btf, member.ty, limits, known)?;
                let start = u64::from(member.bit_offset);
                let bits = member.bits.map_or(of.size.saturating_mul(8), u64::from);
                if start.saturating_add(bits) > size * 8 {
                    let end = start.saturating_add(bits);
                    let what = format!(
                        "member `{}` of type {} (`{}`) ends at bit {end}, but the type has {size} bytes",
                        member.name, id.0, ty.name
                    );
                    return Err(BtfError(what));
                }
                layout.regular &= !in_order || start >= last;
                last = start + bits;
                end = last.div_ceil(8).max(end);
                layout.align = layout.align.max(of.align);
                packed |= member.bits.is_none() && start % (of.align * 8) != 0;
                layout.parts = layout.parts.saturating_add(of.parts);
                layout.letters =
                    layout.letters.saturating_add(of.letters).saturating_add(letters(&member.name));
                layout.fields = layout.fields.saturating_add(if member.name.is_empty() {
                    of.fields.max(1)
                } else {
                    1
                });
                layout.regular &= of.regular;
            }
            // The rule of libbpf's `btf__align_of()`.
            packed |= size % layout.align != 0;
            layout.align = if packed { 1 } else { declared_align(size, end, layout.align, limit) };
            layout.regular &=
                layout.fields <= MAX_FIELDS && layout.parts <= MAX_PARTS_PER_BYTE * (size + 1);
            // Small types may have long names.
            layout.regular &= layout.letters <= MAX_LETTERS.min(MAX_LETTERS_PER_BYTE * (size + 64));
            let (slack, flexible) = open_end(btf, &ty.kind, size, known);
            Layout { slack, flexible, ..layout }
        }
        Kind::Typedef { to } | Kind::Modifier { to, .. } => visit(btf, *to, limits, known)?,
        Kind::Variable { ty, .. } => visit(btf, *ty, limits, known)?,
        Kind::Void
        | Kind::Forward
        | Kind::Function
        | Kind::Prototype
        | Kind::Section { .. }
        | Kind::DeclTag { .. } => Layout::default(),
    };
    // No value has this size. A larger type can occur in a map definition, as the array
    // that a pointer refers to.
    let size = layout.size.min(MAX_SIZE);
    let layout = Layout { size, slack: layout.slack.min(size), ..layout };
    if let Some(slot) = known.get_mut(id.0 as usize) {
        *slot = Some(layout);
    }
    Ok(layout)
}

/// Returns the number of bytes at the end of a struct or union that a record may lack, and whether
/// its last member is an array without a length. A union of arrays counts as one of them.
fn open_end(btf: &Btf, of: &Kind, size: u64, known: &[Option<Layout>]) -> (u64, bool) {
    let layout = |id: TypeId| known.get(id.0 as usize).copied().flatten().unwrap_or_default();
    let is_array = |member: &Member| matches!(btf.resolve(member.ty).1.kind, Kind::Array { .. });
    match of {
        Kind::Union { members, .. } if !members.is_empty() && members.iter().all(is_array) => {
            (size, false)
        }
        Kind::Struct { members, .. } => {
            let Some((last, others)) = members.split_last().filter(|(last, _)| last.bits.is_none())
            else {
                return (0, false);
            };
            let bits = |member: &Member| {
                member.bits.map_or_else(|| layout(member.ty).size.saturating_mul(8), u64::from)
            };
            let is_last = |other: &Member| {
                u64::from(other.bit_offset).saturating_add(bits(other))
                    <= u64::from(last.bit_offset)
            };
            if !others.iter().all(is_last) {
                return (0, false);
            }
            let (inner, start) = (layout(last.ty), u64::from(last.bit_offset / 8));
            match btf.resolve(last.ty).1.kind {
                Kind::Array { element, len } => {
                    (size.saturating_sub(start), len == 0 && layout(element).size > 0)
                }
                // The slack includes the padding of this struct after the inner one.
                Kind::Struct { .. } | Kind::Union { .. } if inner.slack > 0 || inner.flexible => (
                    size.saturating_sub(start.saturating_add(inner.least())),
                    inner.flexible && last.name.is_empty(),
                ),
                _ => (0, false),
            }
        }
        _ => (0, false),
    }
}

/// Returns the alignment of a struct whose members end at `end` and need `natural`. If `size`
/// exceeds the naturally padded size, returns the smallest alignment that results in `size`, since
/// BTF does not record `__attribute__((aligned))`.
fn declared_align(size: u64, end: u64, natural: u64, limit: u64) -> u64 {
    if size == 0 || end.next_multiple_of(natural) == size {
        return natural;
    }
    let powers = std::iter::successors(natural.checked_mul(2), |align| align.checked_mul(2));
    let most = limit.min(1 << size.trailing_zeros());
    powers
        .take_while(|align| *align <= most)
        .find(|align| end.next_multiple_of(*align) == size)
        .unwrap_or(natural)
}

#[cfg(test)]
mod tests {
    use super::{Layouts, TypeId, declared_align};
    use crate::value::Value;

    /// Returns an array of a union of bytes, whose names have the length `name`, in a struct.
    fn union(members: u32, name: usize, len: u32) -> Layouts {
        let strings = [b"\0", &b"m".repeat(name)[..], b"\0"].concat();
        let byte = [0, 1 << 24, 1, 8];
        let union = [&[0, 5 << 24 | members, 1][..], &[1, 1, 0].repeat(members as usize)].concat();
        let array = [0, 3 << 24, 0, 2, 1, len];
        let whole = [0, 4 << 24 | 1, len, 0, 3, 0];
        let types = [&byte[..], &union, &array, &whole].concat();
        let size = size_of_val(&types[..]) as u32;
        let header = [0x0001_eb9f, 24, 0, size, size, strings.len() as u32];
        let words = header.iter().chain(&types).flat_map(|word| word.to_le_bytes());
        Layouts::from_btf(&words.chain(strings).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn values_of_types_that_are_not_regular_are_bytes() {
        let layouts = union(1000, 500, 3);
        let value = Value::new(&layouts, TypeId(4), &[1, 2, 255]).unwrap();
        assert_eq!(
            (value.to_json(), value.to_string()),
            ("[1,2,255]".into(), "[1, 2, 255]".into())
        );
        #[cfg(feature = "serde")]
        assert_eq!(serde_json::to_string(&value).unwrap(), "[1,2,255]");
    }

    #[test]
    fn types_with_too_many_letters_in_a_byte_have_no_members() {
        let regular = |members, name, len| {
            let layouts = union(members, name, len);
            [2, 4].map(|id| !layouts.fields(TypeId(id)).is_empty())
        };
        // A byte of eight flags with long names.
        assert_eq!(regular(8, 40, 1 << 20), [true, true]);
        // Long names in a small type, and so many that an event would take gigabytes as text.
        assert_eq!(regular(60, 400, 1), [true, true]);
        assert_eq!(regular(60, 400, 1 << 16), [true, false]);
        assert_eq!(regular(1000, 500, 1 << 16), [false, false]);
    }

    #[test]
    fn alignment_is_derived_from_size() {
        assert_eq!(declared_align(4, 4, 4, u64::MAX), 4);
        assert_eq!(declared_align(64, 4, 4, u64::MAX), 64);
        assert_eq!(
            declared_align(64, 36, 4, u64::MAX),
            32,
            "the smallest that results in the size"
        );
        assert_eq!(
            declared_align(64, 4, 4, 8),
            4,
            "a member has an offset that is only a multiple of 8"
        );
        assert_eq!(declared_align(12, 4, 4, u64::MAX), 4, "unnamed bit fields fill it");
        assert_eq!(declared_align(0, 0, 1, u64::MAX), 1);
    }
}
