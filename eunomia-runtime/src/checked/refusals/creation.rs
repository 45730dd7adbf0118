//! Map definitions that no kernel accepts, according to the `map_alloc_check` and `map_alloc`
//! functions of the kernel's map types.
//!
//! Each rule has applied since its map type was introduced, and still does in Linux 7.2. Newer
//! flags and map types are not checked.

use super::{PAGE, with_inner};
use crate::{
    error::{Diagnostic, Found, JsonPath},
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

pub(crate) fn check(def: &MapDef, layouts: &Layouts, place: &JsonPath, diagnostics: &mut Found) {
    if let Some(inner) = def.inner.as_deref().filter(|inner| !can_be_inner(inner.kind)) {
        let what = format!(
            "map `{}` holds maps of type {}, which no kernel accepts as inner maps",
            def.name, inner.kind
        );
        diagnostics.push(Diagnostic::new(
            place.clone(),
            what,
            "use an array or a hash table as the inner map",
        ));
    }
    if !is_accepted_name(&def.name) {
        diagnostics.push(Diagnostic::new(
            place.clone(),
            format!("the kernel does not accept the name of map `{}`", def.name),
            RENAME,
        ));
    }
    for def in with_inner(def) {
        let mut refuse = |what: String, todo: &str| {
            let what = format!("no kernel creates map `{}` ({}): {what}", def.name, def.kind);
            diagnostics.push(Diagnostic::new(place.clone(), what, todo));
        };
        if let Some((sizes, todo)) =
            key_sizes(def.kind).filter(|(sizes, _)| !sizes.accept(def.key_size))
        {
            refuse(format!("key size is {}, expected {sizes}", def.key_size), todo);
        }
        if let Some((sizes, todo)) =
            value_sizes(def).filter(|(sizes, _)| !sizes.accept(def.value_size))
        {
            refuse(format!("value size is {}, expected {sizes}", def.value_size), todo);
        }
        for (_, name) in required_flags(def.kind).filter(|(flag, _)| def.flags & flag == 0) {
            refuse(format!("flag {name} is missing"), &format!("add __uint(map_flags, {name})"));
        }
        for (_, name) in
            FLAGS.iter().filter(|(flag, _)| def.flags & flag & !supported_flags(def.kind) != 0)
        {
            let todo = match def.kind {
                MapKind::HASH | MapKind::PERCPU_HASH if *name == "BPF_F_NO_COMMON_LRU" => {
                    "remove the flag, or use BPF_MAP_TYPE_LRU_HASH"
                }
                kind if *name == "BPF_F_MMAPABLE" && is_table(kind) => {
                    "remove the flag, or use BPF_MAP_TYPE_ARRAY"
                }
                _ => "remove the flag",
            };
            refuse(format!("flag {name} is not supported"), todo);
        }
        for (both, names) in [
            (RDONLY | WRONLY, ["BPF_F_RDONLY", "BPF_F_WRONLY"]),
            (RDONLY_PROG | WRONLY_PROG, PROGRAMS),
        ] {
            if def.flags & both == both {
                let [one, other] = names;
                refuse(format!("flags {one} and {other} exclude each other"), "remove one of them");
            }
        }
        if let Some((what, todo)) = check_extra(def) {
            refuse(what, todo);
        }
        if let Some((what, todo)) = check_storage(def, layouts) {
            refuse(what.to_owned(), todo);
        }
        if let Some(most) = max_value_size(def).filter(|most| def.value_size > *most) {
            refuse(
                format!("value size is {}, expected at most {most}", def.value_size),
                "reduce the size of the value",
            );
        }
        if let Some(most) = max_entries(def.kind).filter(|most| def.max_entries > *most) {
            refuse(
                format!("max_entries is {}, expected at most {most}", def.max_entries),
                "reduce `max_entries`",
            );
        }
        if let Some(what) = check_arena_range(def) {
            refuse(what, "reduce `max_entries`, or set another start address");
        }
        if no_entries(def.kind) && def.max_entries != 0 {
            refuse(
                format!("max_entries is {}, expected 0", def.max_entries),
                "remove `max_entries`",
            );
        }
    }
}

pub(crate) const RENAME: &str =
    "use only the letters a to z and A to Z, digits and `_` in the first 15 bytes";

/// Reports whether the kernel accepts the name of a map or program: `bpf_obj_name_cpy`. libbpf
/// cuts off what follows the first 15 bytes, and replaces other characters only in the names of
/// sections.
pub(crate) fn is_accepted_name(name: &str) -> bool {
    let is_accepted = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    name.bytes().take(15).all(is_accepted)
}

/// The sizes that a kernel accepts. A size of 0 is left to the loader, unless the map must have
/// none.
#[derive(Clone, Copy)]
enum Sizes {
    None,
    Of(&'static [u32]),
    Between(u32, u32),
    MultipleOf(u32),
}

impl Sizes {
    fn accept(&self, size: u32) -> bool {
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
            Self::None => f.write_str("0"),
            Self::Of(sizes) => {
                f.write_str(&sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(" or "))
            }
            Self::Between(least, most) => write!(f, "{least} to {most}"),
            Self::MultipleOf(of) => write!(f, "a multiple of {of}"),
        }
    }
}

const INDEX: &str = "write __type(key, __u32)";
const NO_KEY: &str = "remove `key` and `key_size`";
const NO_VALUE: &str = "remove `value` and `value_size`; `EUNOMIA_RECORDS` of eunomia.bpf.h declares the type of the records";
const REFERENCE: &str = "write __type(value, __u32): it holds a reference";

fn key_sizes(kind: MapKind) -> Option<(Sizes, &'static str)> {
    Some(match kind {
        // `array_map_alloc_check`, `fd_array_map_alloc_check`, `stack_map_alloc`, `dev_map_alloc`,
        // `cpu_map_alloc`, `xsk_map_alloc`, `sock_map_alloc`, `reuseport_array_alloc_check`,
        // `bpf_local_storage_map_alloc_check`
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
        MapKind::LPM_TRIE => {
            (Sizes::Between(5, 260), "make it a struct of a `__u32` and up to 256 bytes of data")
        }
        // `sock_hash_alloc`: `MAX_BPF_STACK`.
        MapKind::SOCKHASH => (Sizes::Between(1, 512), "reduce the size of the key"),
        // `cgroup_storage_map_alloc`
        MapKind::CGROUP_STORAGE | MapKind::PERCPU_CGROUP_STORAGE => (
            Sizes::Of(&[8, 16]),
            "write __type(key, struct bpf_cgroup_storage_key) or __type(key, __u64)",
        ),
        // `ringbuf_map_alloc`, `queue_stack_map_alloc_check`, `bloom_map_alloc`, `arena_map_alloc`
        MapKind::RINGBUF
        | MapKind::USER_RINGBUF
        | MapKind::QUEUE
        | MapKind::STACK
        | MapKind::BLOOM_FILTER
        | MapKind::ARENA => (Sizes::None, NO_KEY),
        _ => return None,
    })
}

fn value_sizes(def: &MapDef) -> Option<(Sizes, &'static str)> {
    Some(match def.kind {
        // `fd_array_map_alloc_check`, `fd_htab_map_alloc_check`, `xsk_map_alloc`
        MapKind::PERF_EVENT_ARRAY => (Sizes::Of(&[4]), NO_PERF_VALUE),
        MapKind::PROG_ARRAY
        | MapKind::CGROUP_ARRAY
        | MapKind::ARRAY_OF_MAPS
        | MapKind::HASH_OF_MAPS
        | MapKind::XSKMAP => (Sizes::Of(&[4]), REFERENCE),
        // `dev_map_alloc`, `cpu_map_alloc`, `sock_map_alloc`, `sock_hash_alloc`,
        // `reuseport_array_alloc_check`
        MapKind::DEVMAP | MapKind::DEVMAP_HASH => (
            Sizes::Of(&[4, 8]),
            "write __type(value, __u32) or __type(value, struct bpf_devmap_val)",
        ),
        MapKind::CPUMAP => (
            Sizes::Of(&[4, 8]),
            "write __type(value, __u32) or __type(value, struct bpf_cpumap_val)",
        ),
        MapKind::SOCKMAP | MapKind::SOCKHASH | MapKind::REUSEPORT_SOCKARRAY => {
            (Sizes::Of(&[4, 8]), "write __type(value, __u32) or __type(value, __u64)")
        }
        // `stack_map_alloc`: addresses, or `struct bpf_stack_build_id`.
        MapKind::STACK_TRACE if def.flags & BUILD_ID != 0 => {
            (Sizes::MultipleOf(32), "write __uint(value_size, DEPTH * 32)")
        }
        MapKind::STACK_TRACE => (Sizes::MultipleOf(8), "write __uint(value_size, DEPTH * 8)"),
        // `ringbuf_map_alloc`, `arena_map_alloc`
        MapKind::RINGBUF | MapKind::USER_RINGBUF => (Sizes::None, NO_VALUE),
        MapKind::ARENA => (Sizes::None, "remove `value` and `value_size`"),
        _ => return None,
    })
}

const NO_PERF_VALUE: &str = "write __uint(value_size, sizeof(int)): it holds a file descriptor for each CPU; a pointer `struct event *unused \
                             __attribute__((unused))` names the record type";

const PROGRAMS: [&str; 2] = ["BPF_F_RDONLY_PROG", "BPF_F_WRONLY_PROG"];

/// Returns the flags that a map type requires: `trie_alloc`, `bpf_local_storage_map_alloc_check`,
/// `arena_map_alloc`.
fn required_flags(kind: MapKind) -> impl Iterator<Item = (u32, &'static str)> {
    let needed = match kind {
        MapKind::LPM_TRIE => NO_PREALLOC,
        kind if is_storage(kind) => NO_PREALLOC,
        MapKind::ARENA => MMAPABLE,
        _ => 0,
    };
    FLAGS.into_iter().filter(move |(flag, _)| needed & flag != 0)
}

/// Returns the flags that a map type supports, or all flags if the type is not known.
fn supported_flags(kind: MapKind) -> u32 {
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
        MapKind::PROG_ARRAY | MapKind::CGROUP_ARRAY | MapKind::ARRAY_OF_MAPS => {
            NUMA_NODE | RDONLY | WRONLY
        }
        // `STACK_CREATE_FLAG_MASK`
        MapKind::STACK_TRACE => NUMA_NODE | RDONLY | WRONLY | BUILD_ID,
        // `LPM_CREATE_FLAG_MASK`
        MapKind::LPM_TRIE => NO_PREALLOC | NUMA_NODE | ACCESS,
        // `DEV_CREATE_FLAG_MASK`, `SOCK_CREATE_FLAG_MASK`, `xsk_map_alloc`
        MapKind::DEVMAP
        | MapKind::DEVMAP_HASH
        | MapKind::SOCKMAP
        | MapKind::SOCKHASH
        | MapKind::XSKMAP => NUMA_NODE | RDONLY | WRONLY,
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

/// Checks `map_extra`: `map_create`, `bloom_map_alloc` and `arena_map_alloc`.
fn check_extra(def: &MapDef) -> Option<(String, &'static str)> {
    match def.kind {
        MapKind::BLOOM_FILTER if def.extra > 15 => Some((
            format!("map_extra (hash functions) is {}, expected at most 15", def.extra),
            "write __uint(map_extra, 5)",
        )),
        MapKind::ARENA if !def.extra.is_multiple_of(4096) => Some((
            format!("map_extra (start address) is {:#x}, expected a multiple of 4096", def.extra),
            "write a multiple of the page size",
        )),
        MapKind::BLOOM_FILTER | MapKind::ARENA => None,
        MapKind(kind) if kind <= MapKind::ARENA.0 && def.extra != 0 => {
            Some((format!("map_extra is {}, expected 0", def.extra), "remove `map_extra`"))
        }
        _ => None,
    }
}

/// Checks local storage: `bpf_local_storage_map_alloc_check` and `bpf_local_storage_map_check_btf`.
/// Both types are required, and the key must be an integer.
fn check_storage(def: &MapDef, layouts: &Layouts) -> Option<(&'static str, &'static str)> {
    if !is_storage(def.kind) {
        return None;
    }
    let (Some(key), Some(_)) = (def.key, def.value) else {
        return Some((
            "the type of the key or value is missing",
            "write __type(key, int) and __type(value, T)",
        ));
    };
    let is_int = matches!(layouts.btf.resolve(key).1.kind, Kind::Int { .. });
    (!is_int).then_some(("the key is not an integer", "write __type(key, int)"))
}

/// Returns the maximum size of a value.
fn max_value_size(def: &MapDef) -> Option<u32> {
    /// `KMALLOC_MAX_SIZE`: a block of the largest order of pages, which only some architectures can
    /// configure.
    const KMALLOC: u32 = if cfg!(any(target_arch = "x86_64", target_arch = "riscv64")) {
        4 << 20
    } else {
        512 << 20
    };
    // `BPF_LOCAL_STORAGE_MAX_VALUE_SIZE`: with its head, an element's size must fit into 16 bits.
    // The head has 128 bytes or more.
    const STORAGE: u32 = u16::MAX as u32 - 128;

    match def.kind {
        // Per-CPU memory is allocated in units of at most this size (`PCPU_MIN_UNIT_SIZE`). Hash
        // tables without preallocated entries are created nevertheless.
        MapKind::PERCPU_ARRAY | MapKind::LRU_PERCPU_HASH => Some(PAGE.max(32 << 10)),
        MapKind::PERCPU_HASH if def.flags & NO_PREALLOC == 0 => Some(PAGE.max(32 << 10)),
        // `array_map_alloc_check`
        MapKind::ARRAY => i32::MAX.try_into().ok(),
        // `htab_map_alloc_check`, `trie_alloc`, `queue_stack_map_alloc_check`
        MapKind::HASH
        | MapKind::LRU_HASH
        | MapKind::PERCPU_HASH
        | MapKind::LPM_TRIE
        | MapKind::QUEUE
        | MapKind::STACK => Some(KMALLOC),
        // `bpf_local_storage_map_alloc_check`
        kind if is_storage(kind) => Some(STORAGE),
        // `cgroup_storage_map_alloc`: first a page, then the limit of the other storages.
        MapKind::CGROUP_STORAGE => Some(STORAGE.max(PAGE)),
        MapKind::PERCPU_CGROUP_STORAGE => Some(PAGE.max(32 << 10)),
        _ => None,
    }
}

/// Returns the maximum number of entries, or of bytes or pages.
fn max_entries(kind: MapKind) -> Option<u32> {
    match kind {
        // `htab_map_alloc`, `sock_hash_alloc`: the buckets of 16 bytes each must be countable in
        // 32 bits.
        MapKind::SOCKHASH => Some(1 << 27),
        kind if is_hash(kind) => Some(1 << 27),
        // `dev_map_init_map`, `stack_map_alloc`: the number of buckets is the next power of two,
        // and must fit into 32 bits.
        MapKind::DEVMAP_HASH | MapKind::STACK_TRACE => Some(1 << 31),
        // `ringbuf_map_alloc`: a power of two. libbpf rounds up if the result fits into 32 bits
        // (`adjust_ringbuf_sz`).
        MapKind::RINGBUF | MapKind::USER_RINGBUF => Some(1 << 31),
        // `cpu_map_alloc`: `NR_CPUS`, which no architecture can configure to be larger.
        MapKind::CPUMAP => Some(8192),
        // `arena_map_alloc`: 4 GiB of pages.
        MapKind::ARENA => Some(1 << 20),
        _ => None,
    }
}

/// Checks the addresses of an arena: `arena_map_alloc` accepts none that cross a multiple of 4 GiB.
/// With pages of more than 4 KiB, an arena is even larger.
fn check_arena_range(def: &MapDef) -> Option<String> {
    let last = u64::from(def.max_entries.max(1)).checked_mul(4096)? - 1;
    let crosses = def.kind == MapKind::ARENA
        && def.max_entries <= 1 << 20
        && def.extra != 0
        && def.extra >> 32 != def.extra.wrapping_add(last) >> 32;
    crosses.then(|| {
        format!(
            "{} pages from {:#x} (map_extra) cross a multiple of 4 GiB",
            def.max_entries, def.extra
        )
    })
}

/// Reports whether a map of this type can be an inner map. `bpf_map_meta_alloc` rejects types
/// without `map_meta_equal`, and maps of maps.
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
    matches!(
        kind,
        MapKind::HASH
            | MapKind::PERCPU_HASH
            | MapKind::LRU_HASH
            | MapKind::LRU_PERCPU_HASH
            | MapKind::HASH_OF_MAPS
    )
}

/// Reports whether the type is easily mistaken for an array that can be mapped.
fn is_table(kind: MapKind) -> bool {
    is_hash(kind) || kind == MapKind::PERCPU_ARRAY
}

fn is_storage(kind: MapKind) -> bool {
    matches!(
        kind,
        MapKind::SK_STORAGE
            | MapKind::INODE_STORAGE
            | MapKind::TASK_STORAGE
            | MapKind::CGRP_STORAGE
    )
}

/// Reports whether the type has no `max_entries`, since each entry belongs to another kernel
/// object: `bpf_local_storage_map_alloc_check`, `cgroup_storage_map_alloc`.
fn no_entries(kind: MapKind) -> bool {
    is_storage(kind) || matches!(kind, MapKind::CGROUP_STORAGE | MapKind::PERCPU_CGROUP_STORAGE)
}
