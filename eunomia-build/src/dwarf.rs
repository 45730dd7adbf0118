//! The local variables of a compiled source, from its DWARF: what the compiler knows of them and BTF
//! does not have.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use eunomia_runtime::object::Elf;
use gimli::{
    AttributeValue, DebuggingInformationEntry, Dwarf, EndianSlice, EntriesTreeNode, Expression,
    LittleEndian, Operation, Register, Unit, UnitOffset,
    constants::{self, DwTag},
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
    /// The registers that hold a pointer, each with the offsets in the section at which it does.
    pub(crate) registers: Vec<(Range<u64>, u8)>,
    /// The offsets in the stack, as DWARF counts them, at which it is, or to which it points.
    pub(crate) frames: BTreeSet<i64>,
    /// The struct or union that it is or points to.
    pub(crate) record: Record,
}

/// A struct or union, as C spells it, and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) c_type: String,
    pub(crate) size: u64,
    /// The bytes before its last member, if records may end in it.
    least: Option<u64>,
    /// True if a member that is a struct or union takes all of it: a record may be that member.
    is_wrapper: bool,
}

impl Record {
    /// Reports whether a record of a size, or of one that only the running program knows, can be of
    /// this type: records may end in the last array.
    pub(crate) fn fits(&self, size: Option<u64>) -> bool {
        let in_array = |size| self.least.is_some_and(|least| (least..self.size).contains(&size));
        !self.is_wrapper
            && size.map_or(self.least.is_some(), |size| size == self.size || in_array(size))
    }
}

/// The frame pointer.
const FRAME: Register = Register(10);
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
        let mut local = Local {
            name: self.name(entry)?.unwrap_or_default(),
            function: function.clone(),
            section: *section,
            registers: Vec::new(),
            frames: BTreeSet::new(),
            record,
        };
        self.places(entry, is_pointer, &mut local)?;
        found.push(local);
        Ok(())
    }

    /// Adds the places of a variable.
    fn places(
        &self,
        entry: &Entry<'a>,
        is_pointer: bool,
        local: &mut Local,
    ) -> Result<(), gimli::Error> {
        let mut add = |range: Range<u64>, place: Expression<Bytes<'a>>| {
            let mut operations = place.operations(self.unit.encoding());
            let first = operations.next()?;
            // What follows the address of a variable in memory are the pieces that it consists of.
            let is_value = matches!(operations.next()?, Some(Operation::StackValue));
            match first {
                Some(Operation::Register { register }) if is_pointer && !is_value => {
                    let register = u8::try_from(register.0).ok();
                    local.registers.extend(register.map(|register| (range, register)));
                }
                Some(
                    Operation::FrameOffset { offset }
                    | Operation::RegisterOffset { register: FRAME, offset, .. },
                ) if is_pointer == is_value => {
                    local.frames.insert(offset);
                }
                _ => {}
            }
            Ok::<_, gimli::Error>(())
        };
        let Some(location) = entry.attr_value(constants::DW_AT_location) else { return Ok(()) };
        if let Some(place) = location.exprloc_value() {
            return add(0..u64::MAX, place);
        }
        if let Some(mut list) = self.dwarf.attr_locations(self.unit, location)? {
            while let Some(entry) = list.next()? {
                add(entry.range.begin..entry.range.end, entry.data)?;
            }
        }
        Ok(())
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
        match self.bare(start)? {
            Some((of, constants::DW_TAG_pointer_type)) => {
                Ok(self.ty(&self.unit.entry(of)?)?.map(|to| (to, true)))
            }
            bare => Ok(bare.map(|_| (start, false))),
        }
    }

    /// Returns a type without typedefs and qualifiers, and its kind.
    fn bare(&self, mut ty: UnitOffset) -> Result<Option<(UnitOffset, DwTag)>, gimli::Error> {
        for _ in 0..DEPTH {
            let entry = self.unit.entry(ty)?;
            match entry.tag() {
                constants::DW_TAG_const_type
                | constants::DW_TAG_volatile_type
                | constants::DW_TAG_typedef => match self.ty(&entry)? {
                    Some(next) => ty = next,
                    None => return Ok(None),
                },
                tag => return Ok(Some((ty, tag))),
            }
        }
        Ok(None)
    }

    /// Returns the struct or union that a type is; a nameless one by its typedef.
    fn record(&self, ty: UnitOffset) -> Result<Option<Record>, gimli::Error> {
        let Some((c_type, size, of)) = self.shape(ty)? else { return Ok(None) };
        let (least, is_wrapper) = self.ends(of, size)?;
        Ok(Some(Record { c_type, size, least, is_wrapper }))
    }

    /// Returns the name and the size of the struct or union that a type is, and its entry.
    fn shape(
        &self,
        mut offset: UnitOffset,
    ) -> Result<Option<(String, u64, UnitOffset)>, gimli::Error> {
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
            return Ok(named.or(alias).zip(size).map(|(c_type, size)| (c_type, size, offset)));
        }
        Ok(None)
    }

    /// Returns the bytes before the last member of a struct or union, if records may end in it, and
    /// whether a member is a struct or union that takes all of its `size`.
    fn ends(&self, of: UnitOffset, size: u64) -> Result<(Option<u64>, bool), gimli::Error> {
        let members = self.members(of)?;
        let mut is_wrapper = false;
        for (ty, _) in &members {
            is_wrapper |= self.shape(*ty)?.is_some_and(|(_, inner, _)| inner == size);
        }
        let mut least = self.last_array(&members)?;
        // Bytes behind another struct that ends so may only be there for the verifier.
        if let [(first, _), _] = members.as_slice()
            && let Some((_, _, inner)) = self.shape(*first)?
            && self.last_array(&self.members(inner)?)?.is_some()
        {
            least = None;
        }
        Ok((least, is_wrapper))
    }

    /// Returns the offset of the last member, if that is an array and not the only member.
    fn last_array(&self, members: &[(UnitOffset, u64)]) -> Result<Option<u64>, gimli::Error> {
        let Some((ty, start)) = members.last() else { return Ok(None) };
        let is_array = matches!(self.bare(*ty)?, Some((_, constants::DW_TAG_array_type)));
        Ok((is_array && *start > 0).then_some(*start))
    }

    /// Returns the type and the offset of each member of a struct or union.
    fn members(&self, of: UnitOffset) -> Result<Vec<(UnitOffset, u64)>, gimli::Error> {
        let mut tree = self.unit.entries_tree(Some(of))?;
        let mut children = tree.root()?.children();
        let mut members = Vec::new();
        while let Some(member) = children.next()? {
            let member = member.entry();
            if member.tag() == constants::DW_TAG_member
                && let Some(ty) = self.ty(member)?
            {
                // Members of unions have none.
                let start = member.attr_value(constants::DW_AT_data_member_location);
                members.push((ty, start.and_then(|start| start.udata_value()).unwrap_or(0)));
            }
        }
        Ok(members)
    }
}
