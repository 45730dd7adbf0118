//! Map definitions in the section `.maps`: structs whose member types encode the values.

use std::fmt;

use super::{
    btf::{Kind, TypeId},
    layout::Layouts,
};

/// A map that the object declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapDef {
    /// The C identifier, which is the name of the map.
    pub name: String,
    /// The map type.
    pub kind: MapKind,
    /// The key type, if the definition has one.
    pub key: Option<TypeId>,
    /// The value type, if the definition has one.
    pub value: Option<TypeId>,
    /// The size of a key in bytes.
    pub key_size: u32,
    /// The size of a value in bytes.
    pub value_size: u32,
    /// The number of entries, or of bytes for a ring buffer.
    pub max_entries: u32,
    /// The flags (`BPF_F_*`).
    pub flags: u32,
    /// The `map_extra` of some map types: the number of hash functions of a bloom filter, the
    /// address of an arena.
    pub extra: u64,
    /// The definition of the inner maps of a map of maps, if declared.
    pub inner: Option<Box<MapDef>>,
    /// The type of its records, if the definition declares it. `eunomia.bpf.h` writes
    /// `struct event (*type)[BPF_MAP_TYPE_RINGBUF]` for `__uint(type, BPF_MAP_TYPE_RINGBUF)`, which
    /// is `int (*type)[BPF_MAP_TYPE_RINGBUF]`. libbpf reads only the length of the array.
    pub records: Option<TypeId>,
}

/// A map type, `enum bpf_map_type` of `uapi/linux/bpf.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapKind(pub u32);

macro_rules! kinds {
    ($($number:literal $name:ident)*) => {
        #[allow(missing_docs, reason = "the kernel's own names")]
        impl MapKind {
            $(pub const $name: Self = Self($number);)*

            const NAMES: [&str; [$($number),*].len()] = [$(stringify!($name)),*];
        }
    };
}

kinds! {
    0 UNSPEC
    1 HASH
    2 ARRAY
    3 PROG_ARRAY
    4 PERF_EVENT_ARRAY
    5 PERCPU_HASH
    6 PERCPU_ARRAY
    7 STACK_TRACE
    8 CGROUP_ARRAY
    9 LRU_HASH
    10 LRU_PERCPU_HASH
    11 LPM_TRIE
    12 ARRAY_OF_MAPS
    13 HASH_OF_MAPS
    14 DEVMAP
    15 SOCKMAP
    16 CPUMAP
    17 XSKMAP
    18 SOCKHASH
    19 CGROUP_STORAGE
    20 REUSEPORT_SOCKARRAY
    21 PERCPU_CGROUP_STORAGE
    22 QUEUE
    23 STACK
    24 SK_STORAGE
    25 DEVMAP_HASH
    26 STRUCT_OPS
    27 RINGBUF
    28 INODE_STORAGE
    29 TASK_STORAGE
    30 BLOOM_FILTER
    31 USER_RINGBUF
    32 CGRP_STORAGE
    33 ARENA
    34 INSN_ARRAY
}

impl fmt::Display for MapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.get(self.0 as usize) {
            Some(name) => write!(f, "BPF_MAP_TYPE_{name}"),
            None => write!(f, "map type {}", self.0),
        }
    }
}

/// Returns every map that the object declares: those in the section `.maps`, then the struct_ops
/// tables, each in BTF order.
pub(crate) fn read(layouts: &Layouts) -> Vec<MapDef> {
    let maps = variables(layouts, |section| section == ".maps").map(|(name, ty)| {
        let mut map = definition(layouts, name, ty);
        // Maps of maps cannot nest deeper.
        if matches!(map.kind, MapKind::ARRAY_OF_MAPS | MapKind::HASH_OF_MAPS) {
            map.inner = inner(layouts, ty)
                .map(|ty| Box::new(definition(layouts, &format!("{name}.inner"), ty)));
        }
        map
    });
    // libbpf creates a map for each variable of these sections (`init_struct_ops_maps`).
    let tables = variables(layouts, is_tables).map(|(name, ty)| {
        let value_size = u32::try_from(layouts.layout(ty).size).unwrap_or(u32::MAX);
        MapDef {
            kind: MapKind::STRUCT_OPS,
            value: Some(ty),
            value_size,
            max_entries: 1,
            ..empty(name)
        }
    });
    maps.chain(tables).collect()
}

/// Reports whether a section holds struct_ops tables. A `?` prevents loading by default.
pub(crate) fn is_tables(section: &str) -> bool {
    matches!(section.trim_start_matches('?'), ".struct_ops" | ".struct_ops.link")
}

/// Returns the names and types of the variables of some sections.
fn variables(
    layouts: &Layouts,
    wanted: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (&str, TypeId)> {
    layouts.slots(wanted).filter_map(|slot| {
        let variable = layouts.btf.get(slot.variable);
        match variable.kind {
            Kind::Variable { ty, .. } => Some((variable.name.as_str(), ty)),
            _ => None,
        }
    })
}

/// Returns the type of the inner maps: `__array(values, T)` declares `T *values[]`.
fn inner(layouts: &Layouts, ty: TypeId) -> Option<TypeId> {
    let Kind::Struct { members, .. } = &layouts.btf.resolve(ty).1.kind else { return None };
    let values = members.iter().find(|member| member.name == "values")?;
    let Kind::Array { element, .. } = layouts.btf.resolve(values.ty).1.kind else { return None };
    let Kind::Pointer { to } = layouts.btf.resolve(element).1.kind else { return None };
    matches!(layouts.btf.resolve(to).1.kind, Kind::Struct { .. }).then_some(to)
}

/// Returns a map definition with only a name.
fn empty(name: &str) -> MapDef {
    let (key, value) = (None, None);
    MapDef {
        name: name.to_owned(),
        kind: MapKind(0),
        key,
        value,
        key_size: 0,
        value_size: 0,
        max_entries: 0,
        flags: 0,
        extra: 0,
        inner: None,
        records: None,
    }
}

fn definition(layouts: &Layouts, name: &str, ty: TypeId) -> MapDef {
    let mut map = empty(name);
    let Kind::Struct { members, .. } = &layouts.btf.resolve(ty).1.kind else { return map };
    for member in members {
        let to = match &layouts.btf.resolve(member.ty).1.kind {
            Kind::Pointer { to } => *to,
            // `__ulong(map_extra, N)` declares an enum with the single constant N.
            Kind::Enum { values, .. } if member.name == "map_extra" => {
                map.extra = values.first().map_or(0, |(_, value)| *value as u64);
                continue;
            }
            _ => continue,
        };
        // `__uint(name, N)` declares `int (*name)[N]`.
        let (element, number) = match layouts.btf.resolve(to).1.kind {
            Kind::Array { element, len } => (element, len),
            _ => (TypeId::default(), 0),
        };
        let size = u32::try_from(layouts.layout(to).size).unwrap_or(u32::MAX);
        match member.name.as_str() {
            "type" => {
                map.kind = MapKind(number);
                let is_int = layouts.btf.unmodified(element).1.name == "int";
                map.records = Some(element).filter(|id| !is_int && layouts.layout(*id).size > 0);
            }
            "max_entries" => map.max_entries = number,
            "map_flags" => map.flags = number,
            "map_extra" => map.extra = number.into(),
            "key_size" => map.key_size = number,
            "value_size" => map.value_size = number,
            "key" => (map.key, map.key_size) = (Some(to), size),
            "value" => (map.value, map.value_size) = (Some(to), size),
            _ => {}
        }
    }
    map
}
