//! Sizes, alignments and offsets: BTF and the symbol table are the only source of layout.

use super::{
    btf::{Btf, BtfError, Kind, Type, TypeId},
    elf::{Elf, Refused},
};

/// Size and alignment of a type, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layout {
    /// Size; 0 for `void`, functions and forward declarations.
    pub size: u64,
    /// Alignment that C gives the type, at least 1.
    pub align: u64,
    /// Whether a struct's fields stand closer than their alignment asks for.
    pub packed: bool,
    /// Whether a struct's members follow each other and fill bytes, as those of C do. Only then is a walk through them bounded by the
    /// size of the struct.
    pub regular: bool,
}

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
        Ok(Self { elf, btf, own, layouts })
    }

    /// Types alone, without an object around them.
    pub(crate) fn of_btf(bytes: &[u8]) -> Result<Self, BtfError> {
        let btf = Btf::parse(bytes)?;
        let layouts = compute(&btf)?;
        Ok(Self { elf: Elf::default(), own: layouts.len(), btf, layouts })
    }

    /// The object's own types: the only ones that say something of its sections and maps.
    pub(super) fn own_types(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        self.btf.iter().take(self.own)
    }

    /// The id here of a type of the export BTF.
    pub(super) fn export_type(&self, id: u32) -> TypeId {
        // `void` is one and the same.
        let shift = if id == 0 { 0 } else { u32::try_from(self.own).unwrap_or(u32::MAX).saturating_sub(1) };
        TypeId(shift.saturating_add(id))
    }

    /// Layout of a type.
    pub fn layout(&self, id: TypeId) -> Layout {
        self.layouts.get(id.0 as usize).copied().unwrap_or(Layout { size: 0, align: 1, packed: false, regular: true })
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

    /// Name of the type of an enum's value, if it has one of this value.
    pub fn enum_name(ty: &Type, value: i128) -> Option<&str> {
        match &ty.kind {
            Kind::Enum { values, .. } => values.iter().find(|(_, known)| *known == value).map(|(name, _)| name.as_str()),
            _ => None,
        }
    }
}

fn compute(btf: &Btf) -> Result<Vec<Layout>, BtfError> {
    let mut layouts = vec![None; btf.iter().count()];
    for (id, _) in btf.iter() {
        visit(btf, id, &mut layouts)?;
    }
    Ok(layouts.into_iter().map(Option::unwrap_or_default).collect())
}

/// Recursion ends: [`Btf::parse`] has bounded the depth of by-value containment.
fn visit(btf: &Btf, id: TypeId, known: &mut [Option<Layout>]) -> Result<Layout, BtfError> {
    if let Some(layout) = known.get(id.0 as usize).copied().flatten() {
        return Ok(layout);
    }
    let scalar =
        |size: u32| Layout { size: size.into(), align: u64::from(size).next_power_of_two().clamp(1, 16), packed: false, regular: true };
    let ty = btf.get(id);
    let layout = match &ty.kind {
        Kind::Int { size, .. } | Kind::Float { size } | Kind::Enum { size, .. } => scalar(*size),
        Kind::Pointer { .. } => scalar(8),
        Kind::Array { element, len } => {
            let element = visit(btf, *element, known)?;
            let size = element.size.saturating_mul((*len).into());
            Layout { size, align: element.align, packed: false, regular: true }
        }
        Kind::Struct { size, members } | Kind::Union { size, members } => {
            let size = u64::from(*size);
            let mut align = 1;
            let mut packed = false;
            let mut regular = size > 0 || members.is_empty();
            let mut last_end = 0;
            for member in members {
                let of = visit(btf, member.ty, known)?;
                align = align.max(of.align);
                let start = u64::from(member.bit_offset);
                let end = match member.bits {
                    Some(bits) => start + u64::from(bits),
                    None => start.saturating_add(of.size.saturating_mul(8)),
                };
                if end > size * 8 {
                    return Err(BtfError(format!(
                        "`{}` of type {} (`{}`) ends at bit {end}, the type has {size} bytes",
                        member.name, id.0, ty.name
                    )));
                }
                regular &= start >= last_end;
                last_end = end;
                packed |= member.bits.is_none() && start % (of.align * 8) != 0;
            }
            // The rule of libbpf's btf__align_of().
            packed |= size % align != 0;
            Layout { size, align: if packed { 1 } else { align }, packed, regular }
        }
        Kind::Typedef { to } | Kind::Modifier { to, .. } => visit(btf, *to, known)?,
        Kind::Variable { ty, .. } => visit(btf, *ty, known)?,
        Kind::Void | Kind::Forward | Kind::Function | Kind::Prototype | Kind::Section { .. } | Kind::DeclTag => {
            Layout { size: 0, align: 1, packed: false, regular: true }
        }
    };
    if layout.size > u64::from(u32::MAX) {
        return Err(BtfError(format!("type {} (`{}`) is larger than 4 GiB", id.0, ty.name)));
    }
    if let Some(slot) = known.get_mut(id.0 as usize) {
        *slot = Some(layout);
    }
    Ok(layout)
}
