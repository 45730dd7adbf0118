//! Maps that no kernel makes as they are defined: the `map_alloc_check` and `map_alloc` functions of the kernel's map types.
//!
//! What a rule refuses is refused since the type came and still is in Linux 7.2. Flags that came later are not looked at.

use super::with_inner;
use crate::{
    fault::{Fault, Found, Place},
    object::{MapDef, MapKind},
};

const NO_PREALLOC: u32 = 1;
const NO_COMMON_LRU: u32 = 1 << 1;
const BUILD_ID: u32 = 1 << 5;
const MMAPABLE: u32 = 1 << 10;

pub(super) fn check(def: &MapDef, place: &Place, faults: &mut Found) {
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
        if let Some((what, todo)) = flags(def) {
            refuse(what.to_owned(), todo);
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

fn flags(def: &MapDef) -> Option<(&'static str, &'static str)> {
    let has = |flag| def.flags & flag != 0;
    match def.kind {
        // `trie_alloc`, `bpf_local_storage_map_alloc_check`
        MapKind::LPM_TRIE | MapKind::SK_STORAGE | MapKind::INODE_STORAGE | MapKind::TASK_STORAGE | MapKind::CGRP_STORAGE
            if !has(NO_PREALLOC) =>
        {
            Some(("which needs the flag BPF_F_NO_PREALLOC", "add __uint(map_flags, BPF_F_NO_PREALLOC)"))
        }
        // `arena_map_alloc`
        MapKind::ARENA if !has(MMAPABLE) => Some(("which needs the flag BPF_F_MMAPABLE", "add __uint(map_flags, BPF_F_MMAPABLE)")),
        // `htab_map_alloc_check`
        MapKind::LRU_HASH | MapKind::LRU_PERCPU_HASH if has(NO_PREALLOC) => {
            Some(("which does not take the flag BPF_F_NO_PREALLOC", "remove the flag"))
        }
        MapKind::HASH | MapKind::PERCPU_HASH if has(NO_COMMON_LRU) => {
            Some(("which does not take the flag BPF_F_NO_COMMON_LRU", "remove the flag, or make it a BPF_MAP_TYPE_LRU_HASH"))
        }
        // `array_map_alloc_check`
        MapKind::ARRAY | MapKind::PERCPU_ARRAY if has(NO_PREALLOC) => {
            Some(("which does not take the flag BPF_F_NO_PREALLOC", "remove the flag"))
        }
        // `HTAB_CREATE_FLAG_MASK`, `array_map_alloc_check`
        MapKind::HASH | MapKind::PERCPU_HASH | MapKind::LRU_HASH | MapKind::LRU_PERCPU_HASH | MapKind::PERCPU_ARRAY if has(MMAPABLE) => {
            Some(("which does not take the flag BPF_F_MMAPABLE", "remove the flag, or make it a BPF_MAP_TYPE_ARRAY"))
        }
        _ => None,
    }
}

/// `bpf_local_storage_map_alloc_check`, `cgroup_storage_map_alloc`: an entry belongs to what it is of.
fn no_entries(kind: MapKind) -> bool {
    matches!(
        kind,
        MapKind::SK_STORAGE
            | MapKind::INODE_STORAGE
            | MapKind::TASK_STORAGE
            | MapKind::CGRP_STORAGE
            | MapKind::CGROUP_STORAGE
            | MapKind::PERCPU_CGROUP_STORAGE
    )
}
