//! Sizes, alignments and offsets: BTF and the symbol table are the only source of layout.

use std::collections::HashMap;

use crate::value::Plans;

use super::{
    btf::{Btf, BtfError, Kind, Member, Type, TypeId},
    elf::{Elf, Refused},
};

/// Size and alignment of a type, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Size; 0 for `void`, functions and forward declarations.
    pub size: u64,
    /// Alignment, at least 1: what C gives the type as far as BTF shows it. Types that are packed have 1. Where a struct is longer than
    /// its members and their alignment explain, it was declared `aligned`.
    pub align: u64,
    /// Members at any depth, the items of arrays counted.
    parts: u64,
    /// Members as C sees them, those of anonymous structs and unions counted.
    fields: u64,
    /// Bytes at the end that a record may lack.
    slack: u64,
    /// Whether the last member is an array without a length.
    pub(crate) flexible: bool,
    /// Whether the type has no more members than the bytes of a C type can hold. Only then is a walk through them bounded.
    pub regular: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self { size: 0, align: 1, parts: 1, fields: 0, slack: 0, flexible: false, regular: true }
    }
}

impl Layout {
    /// Bytes that a record of the type has at least. Programs send what is filled of an array that is the last member, so a record may end
    /// where that array begins, or anywhere inside of it; what it lacks is zero.
    pub fn least(&self) -> u64 {
        self.size - self.slack
    }
}

/// Bounds of [`Layout::regular`]: unions let members share bytes, and the kernel's own stay a factor of a hundred below both.
const MAX_FIELDS: u64 = 1 << 16;
const MAX_PARTS_PER_BYTE: u64 = 1024;

/// The object's ELF and BTF with every layout computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layouts {
    /// Sections and symbols.
    pub elf: Elf,
    /// Types. Those of [`crate::skeleton::Skeleton::export_btf`] stand behind the object's own.
    pub btf: Btf,
    /// How many types are the object's own.
    own: usize,
    layouts: Vec<Layout>,
    /// Texts of declaration tags, by what they stand on.
    tags: HashMap<(TypeId, Option<u32>), Vec<String>>,
    /// How values are written as JSON; kept with the types, since events hold on to nothing else.
    pub(crate) json: Plans,
    /// As a line of text.
    pub(crate) line: Plans,
}

impl Layouts {
    /// Reads an object, and the BTF of its export types where the document has that apart.
    pub(crate) fn new(object: &[u8], export_btf: Option<&[u8]>) -> Result<Self, Refused> {
        const REBUILD: &str = "compile the object anew with `-g`";
        let refuse = |error: BtfError| (error.to_string(), REBUILD);
        let (elf, btf) = Elf::parse(object)?;
        let mut btf = Btf::parse(btf).map_err(refuse)?;
        let own = btf.iter().count();
        if let Some(bytes) = export_btf {
            btf.append(Btf::parse(bytes).map_err(refuse)?);
        }
        let layouts = compute(&btf).map_err(refuse)?;
        Ok(Self { elf, tags: tags(&btf), btf, own, json: Plans::of(layouts.len()), line: Plans::of(layouts.len()), layouts })
    }

    /// Types alone, without an object around them, such as the kernel's own.
    ///
    /// # Errors
    /// Those of [`Btf::parse`], and where a member does not lie in its struct.
    pub fn of_btf(bytes: &[u8]) -> Result<Self, BtfError> {
        let btf = Btf::parse(bytes)?;
        let layouts = compute(&btf)?;
        Ok(Self {
            elf: Elf::default(),
            own: layouts.len(),
            tags: tags(&btf),
            btf,
            json: Plans::of(layouts.len()),
            line: Plans::of(layouts.len()),
            layouts,
        })
    }

    /// The object's own types: the only ones that say something of its sections and maps.
    pub(crate) fn own_types(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        self.btf.iter().take(self.own)
    }

    /// The id here of a type of the export BTF.
    pub(crate) fn export_type(&self, id: u32) -> TypeId {
        // `void` is one and the same.
        let shift = if id == 0 { 0 } else { u32::try_from(self.own).unwrap_or(u32::MAX).saturating_sub(1) };
        TypeId(shift.saturating_add(id))
    }

    /// Layout of a type.
    pub fn layout(&self, id: TypeId) -> Layout {
        self.layouts.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// The texts of the declaration tags (`btf_decl_tag`) of a type or variable, or of one of its members.
    pub fn tags(&self, on: TypeId, member: Option<u32>) -> &[String] {
        self.tags.get(&(on, member)).map_or(&[], Vec::as_slice)
    }

    /// Length of the text that `id` holds, where it is a C `char` array.
    pub fn char_array(&self, id: TypeId) -> Option<u32> {
        match self.btf.resolve(id).1.kind {
            Kind::Array { element, len } => {
                let (_, element) = self.btf.resolve(element);
                let char = element.name == "char" && matches!(element.kind, Kind::Int { size: 1, .. });
                char.then_some(len)
            }
            _ => None,
        }
    }

    /// Whether `id` is an array of unsigned integers, as the slots of a histogram and the addresses of a stack are.
    pub(crate) fn counts(&self, id: TypeId) -> bool {
        let Kind::Array { element, .. } = self.btf.resolve(id).1.kind else { return false };
        matches!(self.btf.resolve(element).1.kind, Kind::Int { signed: false, bool: false, size: 1 | 2 | 4 | 8, .. })
    }

    /// Name of the type of an enum's value, if it has one of this value.
    pub fn enum_name(ty: &Type, value: i128) -> Option<&str> {
        match &ty.kind {
            Kind::Enum { values, .. } => values.iter().find(|(_, known)| *known == value).map(|(name, _)| name.as_str()),
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

/// The largest alignment that each type can have where it is a member: what its offsets are multiples of.
fn limits(btf: &Btf) -> Vec<u64> {
    let mut limits = vec![u64::MAX; btf.iter().count()];
    for (_, ty) in btf.iter() {
        let (Kind::Struct { members, .. } | Kind::Union { members, .. }) = &ty.kind else { continue };
        for member in members.iter().filter(|member| member.bits.is_none() && member.bit_offset > 0) {
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

/// Larger than any type that something is of.
const MAX_SIZE: u64 = 1 << 32;

/// Recursion ends: [`Btf::parse`] has bounded the depth of by-value containment.
fn visit(btf: &Btf, id: TypeId, limits: &[u64], known: &mut [Option<Layout>]) -> Result<Layout, BtfError> {
    if let Some(layout) = known.get(id.0 as usize).copied().flatten() {
        return Ok(layout);
    }
    let scalar = |size: u32| Layout { size: size.into(), align: u64::from(size).next_power_of_two().clamp(1, 16), ..Layout::default() };
    let ty = btf.get(id);
    let layout = match &ty.kind {
        Kind::Int { size, .. } | Kind::Float { size } | Kind::Enum { size, .. } => scalar(*size),
        Kind::Pointer { .. } => scalar(8),
        Kind::Array { element, len } => {
            let element = visit(btf, *element, limits, known)?;
            let len = u64::from(*len);
            let parts = element.parts.saturating_mul(len).max(1);
            Layout { size: element.size.saturating_mul(len), parts, fields: 0, slack: 0, flexible: false, ..element }
        }
        Kind::Struct { size, members } | Kind::Union { size, members } => {
            let limit = limits.get(id.0 as usize).copied().unwrap_or(1);
            let size = u64::from(*size);
            let mut layout = Layout { size, parts: 0, ..Layout::default() };
            let (mut end, mut packed) = (0, false);
            // Beside bit fields, clang writes the lowest 24 bits of an offset.
            let in_order = matches!(ty.kind, Kind::Struct { .. }) && members.iter().any(|member| member.bits.is_some());
            let mut last = 0;
            for member in members {
                let of = visit(btf, member.ty, limits, known)?;
                let start = u64::from(member.bit_offset);
                let bits = member.bits.map_or(of.size.saturating_mul(8), u64::from);
                if start.saturating_add(bits) > size * 8 {
                    let end = start.saturating_add(bits);
                    let what = format!("`{}` of type {} (`{}`) ends at bit {end}, the type has {size} bytes", member.name, id.0, ty.name);
                    return Err(BtfError(what));
                }
                layout.regular &= !in_order || start >= last;
                last = start + bits;
                end = last.div_ceil(8).max(end);
                layout.align = layout.align.max(of.align);
                packed |= member.bits.is_none() && start % (of.align * 8) != 0;
                layout.parts = layout.parts.saturating_add(of.parts);
                layout.fields = layout.fields.saturating_add(if member.name.is_empty() { of.fields.max(1) } else { 1 });
                layout.regular &= of.regular;
            }
            // The rule of libbpf's btf__align_of().
            packed |= size % layout.align != 0;
            layout.align = if packed { 1 } else { declared_align(size, end, layout.align, limit) };
            layout.regular &= layout.fields <= MAX_FIELDS && layout.parts <= MAX_PARTS_PER_BYTE * (size + 1);
            let (slack, flexible) = open_end(btf, &ty.kind, size, known);
            Layout { slack, flexible, ..layout }
        }
        Kind::Typedef { to } | Kind::Modifier { to, .. } => visit(btf, *to, limits, known)?,
        Kind::Variable { ty, .. } => visit(btf, *ty, limits, known)?,
        Kind::Void | Kind::Forward | Kind::Function | Kind::Prototype | Kind::Section { .. } | Kind::DeclTag { .. } => Layout::default(),
    };
    // Nothing has so much; but what a map is declared with stands in arrays that only pointers lead to.
    let size = layout.size.min(MAX_SIZE);
    let layout = Layout { size, slack: layout.slack.min(size), ..layout };
    if let Some(slot) = known.get_mut(id.0 as usize) {
        *slot = Some(layout);
    }
    Ok(layout)
}

/// Bytes at the end of a struct or union that a record may lack, and whether its last member is an array without a length. A union of
/// arrays alone is as one of them.
fn open_end(btf: &Btf, of: &Kind, size: u64, known: &[Option<Layout>]) -> (u64, bool) {
    let layout = |id: TypeId| known.get(id.0 as usize).copied().flatten().unwrap_or_default();
    let is_array = |member: &Member| matches!(btf.resolve(member.ty).1.kind, Kind::Array { .. });
    match of {
        Kind::Union { members, .. } if !members.is_empty() && members.iter().all(is_array) => (size, false),
        Kind::Struct { members, .. } => {
            let Some((last, others)) = members.split_last().filter(|(last, _)| last.bits.is_none()) else { return (0, false) };
            let bits = |member: &Member| member.bits.map_or_else(|| layout(member.ty).size.saturating_mul(8), u64::from);
            let is_last = |other: &Member| u64::from(other.bit_offset).saturating_add(bits(other)) <= u64::from(last.bit_offset);
            if !others.iter().all(is_last) {
                return (0, false);
            }
            let (inner, start) = (layout(last.ty), u64::from(last.bit_offset / 8));
            match btf.resolve(last.ty).1.kind {
                Kind::Array { element, len } => (size.saturating_sub(start), len == 0 && layout(element).size > 0),
                // Its end is not filled by padding of this struct alone.
                Kind::Struct { .. } | Kind::Union { .. } if inner.slack > 0 || inner.flexible => {
                    (size.saturating_sub(start.saturating_add(inner.least())), inner.flexible && last.name.is_empty())
                }
                _ => (0, false),
            }
        }
        _ => (0, false),
    }
}

/// The alignment of a struct whose members end at `end` and ask for `natural`: where `size` goes beyond what that fills up, the least one
/// that explains it. BTF has no word for `__attribute__((aligned))`.
fn declared_align(size: u64, end: u64, natural: u64, limit: u64) -> u64 {
    if size == 0 || end.next_multiple_of(natural) == size {
        return natural;
    }
    let powers = std::iter::successors(natural.checked_mul(2), |align| align.checked_mul(2));
    let most = limit.min(1 << size.trailing_zeros());
    powers.take_while(|align| *align <= most).find(|align| end.next_multiple_of(*align) == size).unwrap_or(natural)
}

#[cfg(test)]
mod tests {
    use super::declared_align;

    #[test]
    fn alignment_is_read_from_the_size() {
        assert_eq!(declared_align(4, 4, 4, u64::MAX), 4);
        assert_eq!(declared_align(64, 4, 4, u64::MAX), 64);
        assert_eq!(declared_align(64, 36, 4, u64::MAX), 32, "the least that explains it");
        assert_eq!(declared_align(64, 4, 4, 8), 4, "a member stands at a multiple of 8 only");
        assert_eq!(declared_align(12, 4, 4, u64::MAX), 4, "unnamed bit fields fill it");
        assert_eq!(declared_align(0, 0, 1, u64::MAX), 1);
    }
}
