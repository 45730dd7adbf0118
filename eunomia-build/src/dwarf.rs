//! The local variables of a compiled source, from its DWARF: what the compiler knows of them and BTF
//! does not have.

use std::collections::HashMap;

use eunomia_runtime::object::Elf;
use gimli::{
    AttributeValue, DebuggingInformationEntry, Dwarf, EndianSlice, EntriesTreeNode, LittleEndian,
    Operation, Unit, UnitOffset, constants,
};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;
type Entry<'a> = DebuggingInformationEntry<Bytes<'a>>;

/// A local variable that is a struct or union, or a pointer to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Local {
    /// The name of the variable.
    pub(crate) name: String,
    /// The function whose code it is in.
    pub(crate) function: String,
    /// The section of the function.
    pub(crate) section: usize,
    /// The registers that hold a pointer, each with the offset in the section from which on it does.
    pub(crate) registers: Vec<(u64, u8)>,
    /// The struct or union that it is or points to.
    pub(crate) record: Record,
}

/// A struct or union, as C spells it, and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) c_type: String,
    pub(crate) size: u64,
}

/// The most nested types and scopes that are followed.
const DEPTH: usize = 64;

/// Returns the local variables of an object that are structs or unions, or pointers to them.
pub(crate) fn locals(object: &[u8], elf: &Elf) -> Result<Vec<Local>, gimli::Error> {
    let section = |id: gimli::SectionId| -> Result<Bytes<'_>, gimli::Error> {
        Ok(EndianSlice::new(elf.bytes(object, id.name()).unwrap_or_default(), LittleEndian))
    };
    let dwarf = Dwarf::load(section)?;
    // Addresses in the DWARF of an unlinked object are offsets in sections, and the function tells
    // the section.
    let functions = elf.symbols.iter().filter(|symbol| symbol.function);
    let sections = functions.map(|symbol| (symbol.name.as_str(), symbol.section)).collect();
    let mut found = Vec::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        let unit = dwarf.unit(header)?;
        let reader = Reader { dwarf: &dwarf, unit: &unit, sections: &sections };
        let mut tree = unit.entries_tree(None)?;
        reader.walk(tree.root()?, None, &mut found, DEPTH)?;
    }
    Ok(found)
}

/// Reads one unit.
struct Reader<'a, 'd> {
    dwarf: &'d Dwarf<Bytes<'a>>,
    unit: &'d Unit<Bytes<'a>>,
    /// The sections of functions by name.
    sections: &'d HashMap<&'d str, usize>,
}

impl<'a> Reader<'a, '_> {
    /// Collects the variables below an entry. `function` is the one that its code is in.
    fn walk(
        &self,
        node: EntriesTreeNode<'_, '_, Bytes<'a>>,
        function: Option<&(String, usize)>,
        found: &mut Vec<Local>,
        depth: usize,
    ) -> Result<(), gimli::Error> {
        let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
        let entry = node.entry();
        let own = match entry.tag() {
            constants::DW_TAG_subprogram => {
                let name = self.name(entry)?.unwrap_or_default();
                self.sections.get(name.as_str()).map(|section| (name, *section))
            }
            _ => None,
        };
        let is_variable =
            matches!(entry.tag(), constants::DW_TAG_variable | constants::DW_TAG_formal_parameter);
        if let (Some(function), true) = (function, is_variable) {
            self.variable(entry, function, found)?;
        }
        let function = own.as_ref().or(function);
        let mut children = node.children();
        while let Some(child) = children.next()? {
            self.walk(child, function, found, depth)?;
        }
        Ok(())
    }

    /// Adds a variable that is a struct or union, or a pointer to one.
    fn variable(
        &self,
        entry: &Entry<'a>,
        (function, section): &(String, usize),
        found: &mut Vec<Local>,
    ) -> Result<(), gimli::Error> {
        let Some((ty, is_pointer)) = self.pointee(entry)? else { return Ok(()) };
        let Some(record) = self.record(ty)? else { return Ok(()) };
        let registers = if is_pointer { self.registers(entry)? } else { Vec::new() };
        found.push(Local {
            name: self.name(entry)?.unwrap_or_default(),
            function: function.clone(),
            section: *section,
            registers,
            record,
        });
        Ok(())
    }

    /// Returns the registers that hold a variable, each with the offset from which on it does.
    fn registers(&self, entry: &Entry<'a>) -> Result<Vec<(u64, u8)>, gimli::Error> {
        let mut registers = Vec::new();
        let Some(location) = entry.attr_value(constants::DW_AT_location) else {
            return Ok(registers);
        };
        // A variable with one place for the whole function receives nothing in it.
        if let Some(mut list) = self.dwarf.attr_locations(self.unit, location)? {
            while let Some(entry) = list.next()? {
                let mut operations = entry.data.operations(self.unit.encoding());
                if let Some(Operation::Register { register }) = operations.next()?
                    && operations.next()?.is_none()
                    && let Ok(register) = u8::try_from(register.0)
                {
                    registers.push((entry.range.begin, register));
                }
            }
        }
        Ok(registers)
    }

    /// Returns the value of an attribute of an entry, or of the one that it is a copy of, such as the
    /// variable of an inlined function.
    fn attribute(
        &self,
        entry: &Entry<'a>,
        name: constants::DwAt,
    ) -> Result<Option<AttributeValue<Bytes<'a>>>, gimli::Error> {
        if let Some(value) = entry.attr_value(name) {
            return Ok(Some(value));
        }
        let origin = entry
            .attr_value(constants::DW_AT_abstract_origin)
            .or_else(|| entry.attr_value(constants::DW_AT_specification));
        match origin {
            Some(AttributeValue::UnitRef(offset)) => Ok(self.unit.entry(offset)?.attr_value(name)),
            _ => Ok(None),
        }
    }

    fn name(&self, entry: &Entry<'a>) -> Result<Option<String>, gimli::Error> {
        let Some(value) = self.attribute(entry, constants::DW_AT_name)? else { return Ok(None) };
        let text = self.dwarf.attr_string(self.unit, value)?;
        Ok(Some(text.to_string_lossy().into_owned()))
    }

    fn ty(&self, entry: &Entry<'a>) -> Result<Option<UnitOffset>, gimli::Error> {
        Ok(match self.attribute(entry, constants::DW_AT_type)? {
            Some(AttributeValue::UnitRef(offset)) => Some(offset),
            _ => None,
        })
    }

    /// Returns the type of a variable, or the one that it points to, and whether it points to it.
    fn pointee(&self, entry: &Entry<'a>) -> Result<Option<(UnitOffset, bool)>, gimli::Error> {
        let Some(start) = self.ty(entry)? else { return Ok(None) };
        let mut offset = start;
        for _ in 0..DEPTH {
            let entry = self.unit.entry(offset)?;
            let next = match entry.tag() {
                constants::DW_TAG_const_type
                | constants::DW_TAG_volatile_type
                | constants::DW_TAG_typedef => self.ty(&entry)?,
                constants::DW_TAG_pointer_type => {
                    return Ok(self.ty(&entry)?.map(|to| (to, true)));
                }
                _ => return Ok(Some((start, false))),
            };
            match next {
                Some(next) => offset = next,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Returns the struct or union that a type is; a nameless one by its typedef.
    fn record(&self, mut offset: UnitOffset) -> Result<Option<Record>, gimli::Error> {
        let mut alias = None;
        for _ in 0..DEPTH {
            let entry = self.unit.entry(offset)?;
            let keyword = match entry.tag() {
                constants::DW_TAG_typedef => {
                    alias = self.name(&entry)?;
                    ""
                }
                constants::DW_TAG_const_type | constants::DW_TAG_volatile_type => "",
                constants::DW_TAG_structure_type => "struct",
                constants::DW_TAG_union_type => "union",
                _ => return Ok(None),
            };
            if keyword.is_empty() {
                match self.ty(&entry)? {
                    Some(next) => offset = next,
                    None => return Ok(None),
                }
                continue;
            }
            let named = self.name(&entry)?.map(|name| format!("{keyword} {name}"));
            let size = entry.attr_value(constants::DW_AT_byte_size);
            let size = size.and_then(|size| size.udata_value());
            return Ok(named.or(alias).zip(size).map(|(c_type, size)| Record { c_type, size }));
        }
        Ok(None)
    }
}
