//! What an object says about the records that a call sends.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{
    code::relocations_of,
    dummies::record,
    globals::Globals,
    wording::{BUILT_IN, Named, named},
};
use crate::{
    object::{
        Kind, Layouts, MapDef, Member, RelocationKind, TypeId,
        lines::Lines,
        relocations,
        sends::{self, Code, Origin, Send},
    },
    plain::name as cut,
};

/// What an object says about its records.
pub(super) struct Evidence<'a> {
    layouts: &'a Layouts,
    maps: &'a [MapDef],
    globals: Globals,
    lines: Lines<'a>,
    /// The kernel's types. Their sizes here are not those of the kernel.
    kernel: HashSet<TypeId>,
    /// The structs, unions and typedefs by their names.
    names: HashMap<&'a str, Vec<TypeId>>,
    /// The structs of the object's own by their sizes.
    structs: BTreeMap<u64, Vec<TypeId>>,
    /// The types of variables that no program uses, and these variables, by size.
    unused: BTreeMap<u64, Vec<(String, TypeId)>>,
    /// The calls that send records, by the map. Those through any map are under `None`.
    sends: BTreeMap<Option<usize>, Vec<Send>>,
}

/// Limits that no compiled program comes near: without them a small object could take hours.
const MAX_SENDS: usize = 4096;
const MAX_SENDS_THROUGH_ANY: usize = 64;
const MAX_MEMBERS: usize = 1024;
/// The number of types of one name or one size that are told apart.
const MAX_ALIKE: usize = 8;

/// What the object says about the type of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing.
    Nothing,
    /// It is this type, for this reason.
    Type(TypeId, String),
    /// It is something that is not a struct in BTF, or is one of several.
    Other(String),
}

impl<'a> Evidence<'a> {
    /// Reads the object. Returns `None` if it is broken or takes too long.
    pub(super) fn read(object: &'a [u8], layouts: &'a Layouts, maps: &'a [MapDef]) -> Option<Self> {
        let elf = &layouts.elf;
        let sends::Sends { sends: calls, used } = sends::read(object, elf, maps, Code::Programs)?;
        let mut sends: BTreeMap<Option<usize>, Vec<Send>> = BTreeMap::new();
        for send in calls.into_iter().take(MAX_SENDS + 1) {
            sends.entry(send.map).or_default().push(send);
        }
        let count = |calls: &Vec<Send>| calls.len();
        if sends.values().map(count).sum::<usize>() > MAX_SENDS
            || sends.get(&None).map_or(0, count) > MAX_SENDS_THROUGH_ANY
        {
            return None;
        }
        let ext = elf.bytes(object, ".BTF.ext").unwrap_or_default();
        let strings = relocations::strings(elf.bytes(object, ".BTF")?)?;
        let mut evidence = Self {
            layouts,
            maps,
            globals: Globals::read(layouts),
            lines: Lines::read(ext, strings, &elf.indices()),
            kernel: kernel_types(object, layouts)?,
            names: HashMap::new(),
            structs: BTreeMap::new(),
            unused: BTreeMap::new(),
            sends,
        };
        evidence.index(&used);
        Some(evidence)
    }

    /// Collects the types by their names and sizes. `used` are the places that programs use.
    fn index(&mut self, used: &BTreeSet<(usize, u64)>) {
        let layouts = self.layouts;
        for (id, ty) in layouts.own_types().filter(|(_, ty)| !ty.name.is_empty()) {
            if matches!(ty.kind, Kind::Struct { .. } | Kind::Union { .. } | Kind::Typedef { .. }) {
                push(self.names.entry(&ty.name).or_default(), id);
            }
            if matches!(ty.kind, Kind::Struct { .. }) && self.is_own(id) {
                push(self.structs.entry(layouts.layout(id).size).or_default(), id);
            }
        }
        for (name, id) in self.globals.unused(used, layouts) {
            let alike = self.unused.entry(layouts.layout(id).size).or_default();
            if !self.kernel.contains(&layouts.btf.resolve(id).0)
                && !alike.iter().any(|(_, other)| same(layouts, *other, id))
            {
                push(alike, (name.to_owned(), id));
            }
        }
    }

    /// Returns the calls that send records through the map, or may do so.
    pub(super) fn sends(&self, map: usize) -> impl Iterator<Item = &Send> {
        [Some(map), None].into_iter().filter_map(|map| self.sends.get(&map)).flatten()
    }

    /// Returns the calls that surely send records through the map.
    pub(super) fn sends_to(&self, map: usize) -> impl Iterator<Item = &Send> {
        self.sends.get(&Some(map)).into_iter().flatten()
    }

    /// Returns the number and the text of the line of the source that sends a record.
    pub(super) fn source(&self, send: &Send) -> Option<(u32, &'a str)> {
        self.lines.numbered(send.place, send.block)
    }

    /// Returns the types of this size that the object brings into BTF with variables that no
    /// program uses, and these variables.
    pub(super) fn unused(&self, size: u64) -> &[(String, TypeId)] {
        self.unused.get(&size).map_or(&[], Vec::as_slice)
    }

    /// Returns the named structs of the object's own that have this size.
    pub(super) fn structs(&self, size: u64) -> &[TypeId] {
        self.structs.get(&size).map_or(&[], Vec::as_slice)
    }

    /// Returns what the object says about the type of a record.
    pub(super) fn claim(&self, send: &Send) -> Claim {
        match (self.origin(send), self.line(send)) {
            (Claim::Type(one, _), Claim::Type(other, _)) if !same(self.layouts, one, other) => {
                let [one, other] = [one, other].map(|id| self.layouts.c_name(id));
                Claim::Other(format!("copied from `{one}`, but their source line names `{other}`"))
            }
            (known @ Claim::Type(..), _) | (Claim::Nothing | Claim::Other(_), known) => known,
        }
    }

    /// Returns what the memory says that the record is copied from.
    fn origin(&self, send: &Send) -> Claim {
        let (whole, offset, what) = match send.from {
            Origin::Unknown | Origin::Frame(_) => return Claim::Nothing,
            Origin::Element { map, offset } => {
                let Some(def) = self.maps.get(map) else { return Claim::Nothing };
                let Some(value) = def.value else { return Claim::Nothing };
                (value, offset, format!("values of the map `{}`", cut(&def.name)))
            }
            Origin::Global { section, offset } => {
                let Some((global, offset)) = self.globals.at(section, offset) else {
                    return Claim::Nothing;
                };
                (global.ty, offset, format!("the variable `{}`", cut(&global.name)))
            }
        };
        match self.part(whole, offset, send.size) {
            Some(ty) => Claim::Type(ty, format!("copied from {what}")),
            None => Claim::Nothing,
        }
    }

    /// Returns the struct of the object's own that begins at an offset of a type and has this size,
    /// or of which so much may be sent.
    fn part(&self, whole: TypeId, offset: u64, size: Option<u64>) -> Option<TypeId> {
        let exact = |id| Some(self.layouts.layout(id).size) == size;
        let open = |id| match size {
            Some(size) => (self.least(id)..self.layouts.layout(id).size).contains(&size),
            None => self.has_open_end(id),
        };
        self.at(whole, offset, exact)
            .or_else(|| self.at(whole, offset, |_| true).filter(|id| open(*id)))
            .filter(|id| self.is_own(*id))
    }

    /// Returns the outermost struct at an offset of a type that passes the test.
    fn at(&self, whole: TypeId, offset: u64, test: impl Fn(TypeId) -> bool) -> Option<TypeId> {
        let (mut whole, mut offset) = (whole, offset);
        // Terminates: the depth of types by value is limited.
        loop {
            let id = record(self.layouts, whole)?;
            if offset == 0 && test(id) {
                return Some(id);
            }
            let start = |member: &Member| u64::from(member.bit_offset / 8);
            let is_in = |member: &&Member| {
                let end = start(member).saturating_add(self.layouts.layout(member.ty).size);
                member.bits.is_none() && (start(member)..end).contains(&offset)
            };
            let member = self.members(id).iter().take(MAX_MEMBERS).find(is_in)?;
            (whole, offset) = (member.ty, offset - start(member));
        }
    }

    /// Returns the bytes that a record of a struct has at least.
    fn least(&self, id: TypeId) -> u64 {
        self.layouts.layout(id).least().max(1)
    }

    /// Reports whether the last member is an array of which records have a part. Bytes behind
    /// another struct that ends so may only be there for the verifier.
    fn has_open_end(&self, id: TypeId) -> bool {
        let layout = self.layouts.layout(id);
        let is_open = layout.least() > 0 && (layout.least() < layout.size || layout.flexible);
        let is_wrapper = match self.members(id) {
            [first, _] => {
                self.layouts.layout(first.ty).least() < self.layouts.layout(first.ty).size
            }
            _ => false,
        };
        is_open && !is_wrapper
    }

    /// Returns the members of a struct.
    fn members(&self, id: TypeId) -> &[Member] {
        match &self.layouts.btf.resolve(id).1.kind {
            Kind::Struct { members, .. } => members,
            _ => &[],
        }
    }

    /// Returns what the line of the source says.
    fn line(&self, send: &Send) -> Claim {
        let (Some(size), Some(line)) = (send.size, self.lines.text(send.place, send.block)) else {
            return Claim::Nothing;
        };
        let named = named(line);
        let mut types: Vec<(TypeId, &Named)> = Vec::new();
        for of in &named {
            for id in self.of_size(of, size) {
                if !types.iter().any(|(other, _)| same(self.layouts, *other, id)) {
                    types.push((id, of));
                }
            }
        }
        match (types.as_slice(), named.as_slice()) {
            ([(id, named)], _) => {
                Claim::Type(*id, format!("and their source line names `{}`", spelled(named)))
            }
            ([], [of]) if self.is_other(of, size) => Claim::Other(format!(
                "and their source line names `{}`, which is no struct of that size in BTF",
                spelled(of)
            )),
            ([], _) => Claim::Nothing,
            (several, _) => {
                let names: Vec<_> =
                    several.iter().map(|(_, named)| format!("`{}`", spelled(named))).collect();
                Claim::Other(format!("and their source line names {}", names.join(" and ")))
            }
        }
    }

    /// Returns the structs of the object's own with this name and size.
    fn of_size(&self, named: &Named, size: u64) -> impl Iterator<Item = TypeId> {
        self.called(named).filter_map(move |id| {
            let id = record(self.layouts, id)?;
            (self.layouts.layout(id).size == size && self.is_own(id)).then_some(id)
        })
    }

    /// Returns the types with this name.
    fn called(&self, named: &Named) -> impl Iterator<Item = TypeId> {
        let ids = self.names.get(named.name.as_str()).into_iter().flatten().copied();
        ids.filter(|id| match named.keyword.as_str() {
            "struct" => matches!(self.layouts.btf.get(*id).kind, Kind::Struct { .. }),
            "union" => matches!(self.layouts.btf.get(*id).kind, Kind::Union { .. }),
            _ => matches!(self.layouts.btf.get(*id).kind, Kind::Typedef { .. }),
        })
    }

    /// Reports whether the name is surely that of another type than the object's own structs, and
    /// not that of a variable or of a part of the record.
    fn is_other(&self, named: &Named, size: u64) -> bool {
        let fits = |id| self.layouts.layout(id).size == size;
        if named.keyword.is_empty() {
            return BUILT_IN.contains(&named.name.as_str()) || self.called(named).any(fits);
        }
        let mut called = self.called(named).peekable();
        called.peek().is_none() || called.any(fits)
    }

    fn is_own(&self, id: TypeId) -> bool {
        !self.kernel.contains(&self.layouts.btf.resolve(id).0)
    }
}

/// Reports whether two ids are one type.
pub(super) fn same(layouts: &Layouts, one: TypeId, other: TypeId) -> bool {
    layouts.btf.resolve(one).0 == layouts.btf.resolve(other).0
}

/// Adds to what is alike, as far as it is told apart.
fn push<T>(alike: &mut Vec<T>, new: T) {
    if alike.len() < MAX_ALIKE {
        alike.push(new);
    }
}

/// Returns a type as C spells it.
fn spelled(named: &Named) -> String {
    match named.keyword.as_str() {
        "" => named.name.clone(),
        keyword => format!("{keyword} {}", named.name),
    }
}

/// Returns the types that libbpf adapts to the kernel, and all types that they refer to. Returns
/// `None` if the relocations are broken.
fn kernel_types(object: &[u8], layouts: &Layouts) -> Option<HashSet<TypeId>> {
    let relocations = relocations_of(object, layouts).ok()?;
    let of_kernel = |kind| kind != RelocationKind::TypeIdLocal;
    let mut next: Vec<TypeId> = relocations
        .iter()
        .filter(|relocation| of_kernel(relocation.kind))
        .map(|relocation| relocation.ty)
        .collect();
    let mut kernel = HashSet::new();
    while let Some(id) = next.pop() {
        if !kernel.insert(id) {
            continue;
        }
        match &layouts.btf.get(id).kind {
            Kind::Struct { members, .. } | Kind::Union { members, .. } => {
                next.extend(members.iter().map(|member| member.ty));
            }
            Kind::Pointer { to } | Kind::Typedef { to } | Kind::Modifier { to, .. } => {
                next.push(*to);
            }
            Kind::Array { element, .. } => next.push(*element),
            _ => {}
        }
    }
    Some(kernel)
}
