//! The structs and unions of an object as DWARF describes them, independent of the BTF that the
//! generator reads.

use elf::{ElfBytes, endian::LittleEndian};
use gimli::{
    AttributeValue, DebuggingInformationEntry, Dwarf, EndianSlice, Unit, UnitOffset,
    constants as dw,
};

type Reader<'a> = EndianSlice<'a, gimli::LittleEndian>;

/// A struct or union with a name.
#[derive(Debug)]
pub(crate) struct Record {
    /// The name in C: `struct event`, or a typedef if there is no tag.
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) members: Vec<Member>,
}

/// A named member, also one of an anonymous struct or union inside.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// The offset in bytes; `None` for a bit field.
    pub(crate) offset: Option<u64>,
}

/// Reads all structs and unions of an object.
pub(crate) fn records(object: &[u8]) -> Vec<Record> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(object).unwrap();
    // No relocations are applied: BPF objects keep the offset of a reference to another section in
    // place.
    let section = |id: gimli::SectionId| -> Result<Reader<'_>, gimli::Error> {
        let header = file.section_header_by_name(id.name()).unwrap();
        let data = header.map_or(&[][..], |header| file.section_data(&header).unwrap().0);
        Ok(EndianSlice::new(data, gimli::LittleEndian))
    };
    let dwarf = Dwarf::load(section).unwrap();
    let mut records = Vec::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next().unwrap() {
        let unit = dwarf.unit(header).unwrap();
        let unit = Names { dwarf: &dwarf, unit: &unit };
        let mut entries = unit.unit.entries();
        while let Some(entry) = entries.next_dfs().unwrap() {
            records.extend(unit.record(entry));
        }
    }
    records
}

struct Names<'a> {
    dwarf: &'a Dwarf<Reader<'a>>,
    unit: &'a Unit<Reader<'a>>,
}

type Entry<'a> = DebuggingInformationEntry<Reader<'a>>;

impl<'a> Names<'a> {
    fn record(&self, entry: &Entry<'a>) -> Option<Record> {
        let own = self.name(entry);
        let (name, entry) = match (entry.tag(), own) {
            (dw::DW_TAG_structure_type, Some(name)) => (format!("struct {name}"), entry.clone()),
            (dw::DW_TAG_union_type, Some(name)) => (format!("union {name}"), entry.clone()),
            (dw::DW_TAG_typedef, Some(name)) => {
                let ty = self.ty(entry)?;
                let nameless =
                    matches!(ty.tag(), dw::DW_TAG_structure_type | dw::DW_TAG_union_type)
                        && self.name(&ty).is_none();
                (nameless.then_some(name)?, ty)
            }
            _ => return None,
        };
        // A type without a size is only declared.
        let size = number(&entry, dw::DW_AT_byte_size)?;
        let mut members = Vec::new();
        self.members(&entry, 0, &mut members);
        Some(Record { name, size, members })
    }

    fn members(&self, record: &Entry<'a>, start: u64, members: &mut Vec<Member>) {
        let mut tree = self.unit.entries_tree(Some(record.offset())).unwrap();
        let mut children = tree.root().unwrap().children();
        while let Some(child) = children.next().unwrap() {
            let entry = child.entry();
            if entry.tag() != dw::DW_TAG_member {
                continue;
            }
            let offset = start + number(entry, dw::DW_AT_data_member_location).unwrap_or(0);
            match self.name(entry) {
                Some(name) => {
                    let bits = number(entry, dw::DW_AT_bit_size).is_some();
                    members.push(Member { name, offset: (!bits).then_some(offset) });
                }
                None => {
                    self.ty(entry).iter().for_each(|inner| self.members(inner, offset, members))
                }
            }
        }
    }

    /// Returns the type of an entry without `const` and `volatile`.
    fn ty(&self, entry: &Entry<'a>) -> Option<Entry<'a>> {
        let AttributeValue::UnitRef(offset) = entry.attr_value(dw::DW_AT_type)? else {
            return None;
        };
        let ty: Entry<'a> = self.unit.entry(UnitOffset(offset.0)).unwrap();
        match ty.tag() {
            dw::DW_TAG_const_type | dw::DW_TAG_volatile_type => self.ty(&ty),
            _ => Some(ty),
        }
    }

    fn name(&self, entry: &Entry<'a>) -> Option<String> {
        let value = entry.attr_value(dw::DW_AT_name)?;
        let text = self.dwarf.attr_string(self.unit, value).unwrap();
        Some(text.to_string().unwrap().to_owned())
    }
}

fn number(entry: &Entry<'_>, name: gimli::DwAt) -> Option<u64> {
    entry.attr_value(name)?.udata_value()
}
