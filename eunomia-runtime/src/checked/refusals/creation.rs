//! Maps that no kernel makes as they are defined: the `map_alloc_check` and `map_alloc` functions of the kernel's map types.
//!
//! What a rule refuses is refused since the type came and still is in Linux 7.2. Flags and types that came later are not looked at.

use super::{PAGE, with_inner};
use crate::{
    fault::{Fault, Found, Place},
    object::{Kind, Layouts, MapDef, MapKind},
};

const NO_PREALLOC: u32 = 1;
const NO_COMMON_LRU: u32 = 1 << 1;
const NUMA_NODE: u32 = 1 << 2;
const RDONLY: u32 = 1 << 3;
const WRONLY: u32 = 1 << 4;
const BUILD_ID: u32 = 1 << 5;
const ZERO_SEED: u32 = 1 << 6;
const RDONLY_PROG: u32 = 1 << 7;
const WRONLY_PROG: u32 = 1 << 8;
const CLONE: u32 = 1 << 9;
const MMAPABLE: u32 = 1 << 10;
const PRESERVE_ELEMS: u32 = 1 << 11;
pub(crate) const INNER_MAP: u32 = 1 << 12;

const FLAGS: [(u32, &str); 13] = [
    (NO_PREALLOC, "BPF_F_NO_PREALLOC"),
    (NO_COMMON_LRU, "BPF_F_NO_COMMON_LRU"),
    (NUMA_NODE, "BPF_F_NUMA_NODE"),
    (RDONLY, "BPF_F_RDONLY"),
    (WRONLY, "BPF_F_WRONLY"),
    (BUILD_ID, "BPF_F_STACK_BUILD_ID"),
    (ZERO_SEED, "BPF_F_ZERO_SEED"),
    (RDONLY_PROG, "BPF_F_RDONLY_PROG"),
    (WRONLY_PROG, "BPF_F_WRONLY_PROG"),
    (CLONE, "BPF_F_CLONE"),
    (MMAPABLE, "BPF_F_MMAPABLE"),
    (PRESERVE_ELEMS, "BPF_F_PRESERVE_ELEMS"),
    (INNER_MAP, "BPF_F_INNER_MAP"),
];

pub(crate) fn check(def: &MapDef, layouts: &Layouts, place: &Place, faults: &mut Found) {
    if let Some(inner) = def.inner.as_deref().filter(|inner| !can_be_inner(inner.kind)) {
        let what = format!("the map `{}` holds maps of the type {}, which no kernel takes inside of another", def.name, inner.kind);
        faults.push(Fault::new(place.clone(), what, "make the inner one an array or a hash table"));
    }
    for def in with_inner(def) {
        let mut refuse = |what: String, todo: &str| {
            let what = format!("the map `{}` is a {}, {what}; no kernel makes it", def.name, def.kind);
            faults.push(Fault::new(place.clone(), what, todo));
        };
        if let Some((sizes, todo)) = keys(def.kind).filter(|(sizes, _)| !sizes.take(def.key_size)) {
            refuse(format!("whose keys have {sizes}, and these have {}", def.key_size), todo);
        }
        if let Some((sizes, todo)) = values(def).filter(|(sizes, _)| !sizes.take(def.value_size)) {
            refuse(format!("whose values have {sizes}, and these have {}", def.value_size), todo);
        }
        for (_, name) in needed(def.kind).filter(|(flag, _)| def.flags & flag == 0) {
            refuse(format!("which needs the flag {name}"), &format!("add __uint(map_flags, {name})"));
        }
        for (_, name) in FLAGS.iter().filter(|(flag, _)| def.flags & flag & !taken(def.kind) != 0) {
            let todo = match def.kind {
                MapKind::HASH | MapKind::PERCPU_HASH if *name == "BPF_F_NO_COMMON_LRU" => {
                    "remove the flag, or make it a BPF_MAP_TYPE_LRU_HASH"
                }
                kind if *name == "BPF_F_MMAPABLE" && is_table(kind) => "remove the flag, or make it a BPF_MAP_TYPE_ARRAY",
                _ => "remove the flag",
            };
            refuse(format!("which does not take the flag {name}"), todo);
        }
        for (both, names) in [(RDONLY | WRONLY, ["BPF_F_RDONLY", "BPF_F_WRONLY"]), (RDONLY_PROG | WRONLY_PROG, PROGRAMS)] {
            if def.flags & both == both {
                let [one, other] = names;
                refuse(format!("and has both flags {one} and {other}"), "remove one of them");
            }
        }
        if let Some((what, todo)) = extra(def) {
            refuse(what, todo);
        }
        if let Some((what, todo)) = storage(def, layouts) {
            refuse(what.to_owned(), todo);
        }
        if let Some(most) = most_bytes(def).filter(|most| def.value_size > *most) {
            refuse(format!("whose values have at most {most} bytes, and these have {}", def.value_size), "make the value smaller");
        }
        // `htab_map_alloc`: as many buckets, 16 bytes each, as 32 bits can count.
        if is_hash(def.kind) && def.max_entries > 1 << 27 {
            refuse(format!("which has at most {} entries, and this one {}", 1 << 27, def.max_entries), "make `max_entries` smaller");
        }
        if no_entries(def.kind) && def.max_entries != 0 {
            refuse("which has no number of entries".to_owned(), "remove `max_entries`");
        }
    }
}

/// Sizes that a kernel takes. One of 0 is a size that the loader is to set, unless there must be none.
#[derive(Clone, Copy)]
enum Sizes {
    None,
    Of(&'static [u32]),
    Between(u32, u32),
    MultipleOf(u32),
}

impl Sizes {
    fn take(&self, size: u32) -> bool {
        match self {
            Self::None => size == 0,
            _ if size == 0 => true,
            Self::Of(sizes) => sizes.contains(&size),
            Self::Between(least, most) => (*least..=*most).contains(&size),
            Self::MultipleOf(of) => size.is_multiple_of(*of),
        }
    }
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("no bytes"),
            Self::Of([one]) => write!(f, "{one} bytes"),
            Self::Of(sizes) => write!(f, "{} bytes", sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(" or ")),
            Self::Between(least, most) => write!(f, "{least} to {most} bytes"),
            Self::MultipleOf(of) => write!(f, "a multiple of {of} bytes"),
        }
    }
}

const INDEX: &str = "write __type(key, __u32)";
const NO_KEY: &str = "remove `key` and `key_size`";
const NO_VALUE: &str =
    "remove `value` and `value_size`; a pointer `struct event *unused __attribute__((unused))` names the type of records";
const REFERENCE: &str = "write __type(value, __u32): it holds a reference";

fn keys(kind: MapKind) -> Option<(Sizes, &'static str)> {
    Some(match kind {
        // `array_map_alloc_check`, `fd_array_map_alloc_check`, `stack_map_alloc`, `dev_map_alloc`, `cpu_map_alloc`, `xsk_map_alloc`,
        // `sock_map_alloc`, `reuseport_array_alloc_check`, `bpf_local_storage_map_alloc_check`
        MapKind::ARRAY
        | MapKind::PERCPU_ARRAY
        | MapKind::PROG_ARRAY
        | MapKind::PERF_EVENT_ARRAY
        | MapKind::CGROUP_ARRAY
        | MapKind::ARRAY_OF_MAPS
        | MapKind::STACK_TRACE
        | MapKind::DEVMAP
        | MapKind::DEVMAP_HASH
        | MapKind::CPUMAP
        | MapKind::XSKMAP
        | MapKind::SOCKMAP
        | MapKind::REUSEPORT_SOCKARRAY
        | MapKind::SK_STORAGE
        | MapKind::INODE_STORAGE
        | MapKind::TASK_STORAGE
        | MapKind::CGRP_STORAGE => (Sizes::Of(&[4]), INDEX),
        // `trie_alloc`: a prefix length and 1 to 256 bytes.
        MapKind::LPM_TRIE => (Sizes::Between(5, 260), "make it a struct of a `__u32` and up to 256 bytes of data"),
        // `cgroup_storage_map_alloc`
        MapKind::CGROUP_STORAGE | MapKind::PERCPU_CGROUP_STORAGE => {
            (Sizes::Of(&[8, 16]), "write __type(key, struct bpf_cgroup_storage_key) or __type(key, __u64)")
        }
        // `ringbuf_map_alloc`, `queue_stack_map_alloc_check`, `bloom_map_alloc`, `arena_map_alloc`
        MapKind::RINGBUF | MapKind::USER_RINGBUF | MapKind::QUEUE | MapKind::STACK | MapKind::BLOOM_FILTER | MapKind::ARENA => {
            (Sizes::None, NO_KEY)
        }
        _ => return None,
    })
}

fn values(def: &MapDef) -> Option<(Sizes, &'static str)> {
    Some(match def.kind {
        // `fd_array_map_alloc_check`, `fd_htab_map_alloc_check`, `xsk_map_alloc`
        MapKind::PERF_EVENT_ARRAY => (Sizes::Of(&[4]), NO_PERF_VALUE),
        MapKind::PROG_ARRAY | MapKind::CGROUP_ARRAY | MapKind::ARRAY_OF_MAPS | MapKind::HASH_OF_MAPS | MapKind::XSKMAP => {
            (Sizes::Of(&[4]), REFERENCE)
        }
        // `dev_map_alloc`, `cpu_map_alloc`, `sock_map_alloc`, `sock_hash_alloc`, `reuseport_array_alloc_check`
        MapKind::DEVMAP | MapKind::DEVMAP_HASH => {
            (Sizes::Of(&[4, 8]), "write __type(value, __u32) or __type(value, struct bpf_devmap_val)")
        }
        MapKind::CPUMAP => (Sizes::Of(&[4, 8]), "write __type(value, __u32) or __type(value, struct bpf_cpumap_val)"),
        MapKind::SOCKMAP | MapKind::SOCKHASH | MapKind::REUSEPORT_SOCKARRAY => {
            (Sizes::Of(&[4, 8]), "write __type(value, __u32) or __type(value, __u64)")
        }
        // `stack_map_alloc`: addresses, or `struct bpf_stack_build_id`.
        MapKind::STACK_TRACE if def.flags & BUILD_ID != 0 => (Sizes::MultipleOf(32), "write __uint(value_size, DEPTH * 32)"),
        MapKind::STACK_TRACE => (Sizes::MultipleOf(8), "write __uint(value_size, DEPTH * 8)"),
        // `ringbuf_map_alloc`, `arena_map_alloc`
        MapKind::RINGBUF | MapKind::USER_RINGBUF => (Sizes::None, NO_VALUE),
        MapKind::ARENA => (Sizes::None, "remove `value` and `value_size`"),
        _ => return None,
    })
}

const NO_PERF_VALUE: &str = "write __uint(value_size, sizeof(int)): it holds a descriptor for each CPU; a pointer `struct event *unused \
                             __attribute__((unused))` names the type of records";

const PROGRAMS: [&str; 2] = ["BPF_F_RDONLY_PROG", "BPF_F_WRONLY_PROG"];

/// The flags that a kind must have: `trie_alloc`, `bpf_local_storage_map_alloc_check`, `arena_map_alloc`.
fn needed(kind: MapKind) -> impl Iterator<Item = (u32, &'static str)> {
    let needed = match kind {
        MapKind::LPM_TRIE => NO_PREALLOC,
        kind if is_storage(kind) => NO_PREALLOC,
        MapKind::ARENA => MMAPABLE,
        _ => 0,
    };
    FLAGS.into_iter().filter(move |(flag, _)| needed & flag != 0)
}

/// The flags that a kind may have; all if the kind is not known.
fn taken(kind: MapKind) -> u32 {
    // `BPF_F_ACCESS_MASK`.
    const ACCESS: u32 = RDONLY | WRONLY | RDONLY_PROG | WRONLY_PROG;

    match kind {
        // `htab_map_alloc_check`
        MapKind::HASH | MapKind::HASH_OF_MAPS => NO_PREALLOC | NUMA_NODE | ACCESS | ZERO_SEED,
        MapKind::PERCPU_HASH => NO_PREALLOC | ACCESS | ZERO_SEED,
        MapKind::LRU_HASH => NO_COMMON_LRU | NUMA_NODE | ACCESS | ZERO_SEED,
        MapKind::LRU_PERCPU_HASH => NO_COMMON_LRU | ACCESS | ZERO_SEED,
        // `array_map_alloc_check`
        MapKind::ARRAY => NUMA_NODE | MMAPABLE | ACCESS | INNER_MAP,
        MapKind::PERCPU_ARRAY => ACCESS,
        // `fd_array_map_alloc_check`
        MapKind::PERF_EVENT_ARRAY => NUMA_NODE | RDONLY | WRONLY | PRESERVE_ELEMS,
        MapKind::PROG_ARRAY | MapKind::CGROUP_ARRAY | MapKind::ARRAY_OF_MAPS => NUMA_NODE | RDONLY | WRONLY,
        // `STACK_CREATE_FLAG_MASK`
        MapKind::STACK_TRACE => NUMA_NODE | RDONLY | WRONLY | BUILD_ID,
        // `LPM_CREATE_FLAG_MASK`
        MapKind::LPM_TRIE => NO_PREALLOC | NUMA_NODE | ACCESS,
        // `DEV_CREATE_FLAG_MASK`, `SOCK_CREATE_FLAG_MASK`, `xsk_map_alloc`
        MapKind::DEVMAP | MapKind::DEVMAP_HASH | MapKind::SOCKMAP | MapKind::SOCKHASH | MapKind::XSKMAP => NUMA_NODE | RDONLY | WRONLY,
        // `cpu_map_alloc`, `RINGBUF_CREATE_FLAG_MASK`
        MapKind::CPUMAP | MapKind::RINGBUF | MapKind::USER_RINGBUF => NUMA_NODE,
        // `QUEUE_STACK_CREATE_FLAG_MASK`
        MapKind::QUEUE | MapKind::STACK => NUMA_NODE | ACCESS,
        // `BLOOM_CREATE_FLAG_MASK`
        MapKind::BLOOM_FILTER => NUMA_NODE | ZERO_SEED | ACCESS,
        // `BPF_LOCAL_STORAGE_CREATE_FLAG_MASK`
        kind if is_storage(kind) => NO_PREALLOC | CLONE,
        // `arena_map_alloc`
        MapKind::ARENA => MMAPABLE,
        _ => u32::MAX,
    }
}

/// `map_create`, `bloom_map_alloc` and `arena_map_alloc`.
fn extra(def: &MapDef) -> Option<(String, &'static str)> {
    match def.kind {
        MapKind::BLOOM_FILTER if def.extra > 15 => {
            Some((format!("which has at most 15 hash functions, and `map_extra` is {}", def.extra), "write __uint(map_extra, 5)"))
        }
        MapKind::ARENA if !def.extra.is_multiple_of(4096) => {
            Some((format!("which begins with a page, and `map_extra` is {:#x}", def.extra), "write a multiple of the size of pages"))
        }
        MapKind::BLOOM_FILTER | MapKind::ARENA => None,
        MapKind(kind) if kind <= MapKind::ARENA.0 && def.extra != 0 => {
            Some((format!("which has no `map_extra`, and this one is {}", def.extra), "remove `map_extra`"))
        }
        _ => None,
    }
}

/// `bpf_local_storage_map_alloc_check` and `bpf_local_storage_map_check_btf`: both types are known, and the key is an integer.
fn storage(def: &MapDef, layouts: &Layouts) -> Option<(&'static str, &'static str)> {
    if !is_storage(def.kind) {
        return None;
    }
    let (Some(key), Some(_)) = (def.key, def.value) else {
        return Some(("whose key and value the kernel takes by type", "write __type(key, int) and __type(value, T)"));
    };
    let is_int = matches!(layouts.btf.resolve(key).1.kind, Kind::Int { .. });
    (!is_int).then_some(("whose key is an integer", "write __type(key, int)"))
}

/// The most bytes that a value has.
fn most_bytes(def: &MapDef) -> Option<u32> {
    match def.kind {
        // Memory of each CPU is given out in parts of this size at most (`PCPU_MIN_UNIT_SIZE`). Tables without entries of their own are made
        // all the same.
        MapKind::PERCPU_ARRAY | MapKind::LRU_PERCPU_HASH => Some(PAGE.max(32 << 10)),
        MapKind::PERCPU_HASH if def.flags & NO_PREALLOC == 0 => Some(PAGE.max(32 << 10)),
        // `array_map_alloc_check`
        MapKind::ARRAY => i32::MAX.try_into().ok(),
        _ => None,
    }
}

/// `bpf_map_meta_alloc`: those without `map_meta_equal`, and maps of maps.
fn can_be_inner(kind: MapKind) -> bool {
    !matches!(
        kind,
        MapKind::PROG_ARRAY
            | MapKind::STRUCT_OPS
            | MapKind::CGROUP_STORAGE
            | MapKind::PERCPU_CGROUP_STORAGE
            | MapKind::ARRAY_OF_MAPS
            | MapKind::HASH_OF_MAPS
    )
}

fn is_hash(kind: MapKind) -> bool {
    matches!(kind, MapKind::HASH | MapKind::PERCPU_HASH | MapKind::LRU_HASH | MapKind::LRU_PERCPU_HASH | MapKind::HASH_OF_MAPS)
}

/// Those that are mistaken for arrays that can be mapped.
fn is_table(kind: MapKind) -> bool {
    is_hash(kind) || kind == MapKind::PERCPU_ARRAY
}

fn is_storage(kind: MapKind) -> bool {
    matches!(kind, MapKind::SK_STORAGE | MapKind::INODE_STORAGE | MapKind::TASK_STORAGE | MapKind::CGRP_STORAGE)
}

/// `bpf_local_storage_map_alloc_check`, `cgroup_storage_map_alloc`: an entry belongs to what it is of.
fn no_entries(kind: MapKind) -> bool {
    is_storage(kind) || matches!(kind, MapKind::CGROUP_STORAGE | MapKind::PERCPU_CGROUP_STORAGE)
}
