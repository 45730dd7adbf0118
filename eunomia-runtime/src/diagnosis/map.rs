//! What the kernel requires of the definition of a map (`*_map_alloc_check` of each type, in its
//! kernel/bpf and net).

use std::fs;

use libbpf_rs::{
    AsRawLibbpf as _, MapType, libbpf_sys,
    libbpf_sys::{
        BPF_MAP_TYPE_ARENA, BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_ARRAY_OF_MAPS,
        BPF_MAP_TYPE_BLOOM_FILTER, BPF_MAP_TYPE_CGROUP_ARRAY, BPF_MAP_TYPE_CGROUP_STORAGE,
        BPF_MAP_TYPE_CGRP_STORAGE, BPF_MAP_TYPE_CPUMAP, BPF_MAP_TYPE_DEVMAP,
        BPF_MAP_TYPE_DEVMAP_HASH, BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_HASH_OF_MAPS,
        BPF_MAP_TYPE_INODE_STORAGE, BPF_MAP_TYPE_LPM_TRIE, BPF_MAP_TYPE_LRU_HASH,
        BPF_MAP_TYPE_LRU_PERCPU_HASH, BPF_MAP_TYPE_PERCPU_ARRAY,
        BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE, BPF_MAP_TYPE_PERCPU_HASH,
        BPF_MAP_TYPE_PERF_EVENT_ARRAY, BPF_MAP_TYPE_PROG_ARRAY, BPF_MAP_TYPE_QUEUE,
        BPF_MAP_TYPE_RINGBUF, BPF_MAP_TYPE_SK_STORAGE, BPF_MAP_TYPE_SOCKHASH, BPF_MAP_TYPE_SOCKMAP,
        BPF_MAP_TYPE_STACK, BPF_MAP_TYPE_STACK_TRACE, BPF_MAP_TYPE_STRUCT_OPS,
        BPF_MAP_TYPE_TASK_STORAGE, BPF_MAP_TYPE_UNSPEC, BPF_MAP_TYPE_USER_RINGBUF,
        BPF_MAP_TYPE_XSKMAP,
    },
};

use crate::{
    Hint,
    host::{Advice, running::version},
    map_spec::MapSpec,
};

/// Returns the maximum number of addresses in a stack (`kernel.perf_event_max_stack`), if it can be
/// read.
pub(crate) fn deepest() -> Option<u32> {
    fs::read_to_string("/proc/sys/kernel/perf_event_max_stack").ok()?.trim().parse().ok()
}

/// Types of maps.
type Types = &'static [MapType];

const OF_SOCKETS: Types = &[MapType::Sockmap, MapType::Sockhash];

/// The types of maps that an iterator accepts, by the name after `iter/` in its section
/// (`bpf_iter_attach_map`, `bpf_sk_storage_map_iter` and `sock_map_iter` of the kernel).
const WALKED: [(&str, Types); 3] = [
    (
        "bpf_map_elem",
        &[
            MapType::Hash,
            MapType::LruHash,
            MapType::Array,
            MapType::PercpuHash,
            MapType::LruPercpuHash,
            MapType::PercpuArray,
        ],
    ),
    ("bpf_sk_storage_map", &[MapType::SkStorage]),
    ("sockmap", OF_SOCKETS),
];

/// Returns the types of maps that an iterator accepts, if its section names one over maps.
pub(crate) fn walked(section: &str) -> Option<Types> {
    let (kind, name) = section.trim_start_matches('?').split_once('/')?;
    let (_, types) =
        WALKED.iter().find(|(walked, _)| matches!(kind, "iter" | "iter.s") && *walked == name)?;
    Some(types)
}

/// Returns why programs of a section cannot be attached to a map of a type, and what to do.
pub(crate) fn unattachable(section: &str, map: MapType) -> Option<(String, Hint)> {
    // All others attach to socket maps (`sock_map_progs`).
    let types = walked(section).unwrap_or(OF_SOCKETS);
    let names: Vec<String> = types.iter().map(|ty| format!("{ty:?}")).collect();
    let why = || {
        format!(
            "it is a map of type {map:?}, and the kernel attaches programs of the section `{section}` to {}",
            names.join(", ")
        )
    };
    (!types.contains(&map)).then(|| (why(), "name a map of such a type".into()))
}

/// The definition of a map of an object, as it will be created.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) name: String,
    spec: MapSpec,
    /// True if the inner map is defined. Only maps of maps have one.
    inner: bool,
}

const NO_PREALLOC: u32 = libbpf_sys::BPF_F_NO_PREALLOC;
const BUILD_IDS: u32 = libbpf_sys::BPF_F_STACK_BUILD_ID;

impl Definition {
    /// Reads the definition of a map of an open object; `inner` is true if the loader set the inner
    /// map.
    pub(crate) fn of(map: &libbpf_rs::OpenMap<'_>, inner: bool) -> Self {
        let raw = map.as_libbpf_object();
        Self {
            name: map.name().to_string_lossy().into_owned(),
            // SAFETY: the map belongs to a live object.
            spec: unsafe { MapSpec::declared(raw) },
            // SAFETY: the pointer is that of a map of a live object; the returned pointer is only
            // compared with null.
            inner: inner || !unsafe { libbpf_sys::bpf_map__inner_map(raw.as_ptr()) }.is_null(),
        }
    }

    /// Returns the map type, `BPF_MAP_TYPE_*`.
    fn kind(&self) -> u32 {
        self.spec.kind as u32
    }

    /// Returns why the kernel will refuse the map, if it will.
    pub(crate) fn defect(&self) -> Option<(String, Hint)> {
        let MapSpec { key_size: key, value_size: value, max_entries: entries, flags, .. } =
            self.spec;
        if self.spec.kind == MapType::Unknown {
            return None;
        }
        let kind = self.kind();
        let source =
            |why: String| Some((why, Hint::from("change the map's definition in the source")));
        if self.needs_entries() && entries == 0 {
            let why = "max_entries is 0, so the loader must set it".to_owned();
            return Some((why, Advice::Entries { map: &self.name }.into()));
        }
        if self.is_of_cgroups() && entries != 0 {
            return source("maps of this type must not set max_entries".to_owned());
        }
        if self.is_storage() && (entries != 0 || flags & NO_PREALLOC == 0 || key != 4) {
            return source("maps of this type need max_entries 0, the flag BPF_F_NO_PREALLOC and a key of 4 bytes".to_owned());
        }
        let key_of =
            |bytes: u32| (key != bytes).then(|| format!("key size is {key}, expected {bytes}"));
        let pair = |bytes: u32| {
            key_of(bytes).or_else(|| {
                (value != bytes).then(|| format!("value size is {value}, expected {bytes}"))
            })
        };
        let wrong = match kind {
            BPF_MAP_TYPE_ARRAY | BPF_MAP_TYPE_PERCPU_ARRAY => key_of(4),
            BPF_MAP_TYPE_PROG_ARRAY | BPF_MAP_TYPE_PERF_EVENT_ARRAY | BPF_MAP_TYPE_CGROUP_ARRAY | BPF_MAP_TYPE_ARRAY_OF_MAPS => pair(4),
            BPF_MAP_TYPE_HASH_OF_MAPS => (value != 4).then(|| format!("value size is {value}, expected 4")),
            BPF_MAP_TYPE_DEVMAP | BPF_MAP_TYPE_DEVMAP_HASH | BPF_MAP_TYPE_CPUMAP | BPF_MAP_TYPE_SOCKMAP | BPF_MAP_TYPE_XSKMAP => key_of(4),
            BPF_MAP_TYPE_QUEUE | BPF_MAP_TYPE_STACK | BPF_MAP_TYPE_BLOOM_FILTER => key_of(0),
            BPF_MAP_TYPE_RINGBUF | BPF_MAP_TYPE_USER_RINGBUF => {
                key_of(0).or_else(|| (value != 0).then(|| format!("value size is {value}, expected 0")))
            }
            BPF_MAP_TYPE_STACK_TRACE => return self.stack_flaw(),
            BPF_MAP_TYPE_LPM_TRIE if flags & NO_PREALLOC == 0 => Some("an LPM trie needs the flag BPF_F_NO_PREALLOC".to_owned()),
            BPF_MAP_TYPE_LPM_TRIE => (!(5..=260).contains(&key))
                .then(|| format!("key size is {key}, expected 5 to 260 (4 for the prefix length, then 1 to 256 of data)")),
            _ => None,
        };
        if let Some(why) = wrong {
            return source(why);
        }
        let needs_key = matches!(
            kind,
            BPF_MAP_TYPE_HASH
                | BPF_MAP_TYPE_LRU_HASH
                | BPF_MAP_TYPE_PERCPU_HASH
                | BPF_MAP_TYPE_LRU_PERCPU_HASH
                | BPF_MAP_TYPE_HASH_OF_MAPS
                | BPF_MAP_TYPE_SOCKHASH
        );
        if needs_key && key == 0 {
            return source("key size is 0, expected at least 1".to_owned());
        }
        let has_value = !matches!(
            kind,
            BPF_MAP_TYPE_RINGBUF
                | BPF_MAP_TYPE_USER_RINGBUF
                | BPF_MAP_TYPE_ARENA
                | BPF_MAP_TYPE_STRUCT_OPS
                | BPF_MAP_TYPE_UNSPEC
        );
        if has_value && value == 0 {
            return source("value size is 0, expected at least 1".to_owned());
        }
        if self.is_of_maps() && !self.inner {
            let why = "this map of maps has no inner map definition".to_owned();
            return Some((why, Advice::InnerMap { map: &self.name }.into()));
        }
        None
    }

    /// Checks a stack trace map: the kernel limits the addresses of a stack.
    fn stack_flaw(&self) -> Option<(String, Hint)> {
        const SETTING: &str = "kernel.perf_event_max_stack";
        let source =
            |why: String| Some((why, Hint::from("change the map's definition in the source")));
        let MapSpec { key_size: key, value_size: value, flags, .. } = self.spec;
        if key != 4 {
            return source(format!("key size is {key}, expected 4"));
        }
        let (bytes, unit) = if flags & BUILD_IDS == 0 { (8, "address") } else { (32, "build id") };
        if value < 8 || !value.is_multiple_of(bytes) {
            return source(format!(
                "value size is {value}, expected a nonzero multiple of {bytes} ({bytes} bytes per {unit})"
            ));
        }
        let most = deepest()?;
        let depth = value / bytes;
        (depth > most).then(|| {
            let why = format!("its stacks have {depth} addresses, but {SETTING} is {most}");
            (why, format!("`sysctl {SETTING}={depth}`, or a smaller value in the source").into())
        })
    }

    fn needs_entries(&self) -> bool {
        // libbpf sets one entry per CPU for these.
        let by_libbpf = matches!(
            self.kind(),
            BPF_MAP_TYPE_PERF_EVENT_ARRAY | BPF_MAP_TYPE_STRUCT_OPS | BPF_MAP_TYPE_UNSPEC
        );
        !by_libbpf && !self.is_storage() && !self.is_of_cgroups()
    }

    fn is_of_cgroups(&self) -> bool {
        matches!(self.kind(), BPF_MAP_TYPE_CGROUP_STORAGE | BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE)
    }

    fn is_storage(&self) -> bool {
        matches!(
            self.kind(),
            BPF_MAP_TYPE_SK_STORAGE
                | BPF_MAP_TYPE_INODE_STORAGE
                | BPF_MAP_TYPE_TASK_STORAGE
                | BPF_MAP_TYPE_CGRP_STORAGE
        )
    }

    fn is_of_maps(&self) -> bool {
        matches!(self.kind(), BPF_MAP_TYPE_ARRAY_OF_MAPS | BPF_MAP_TYPE_HASH_OF_MAPS)
    }

    /// Returns why the map was refused, if the reason is known.
    pub(crate) fn reason(&self, errno: Option<i32>) -> Option<Hint> {
        self.reason_on(errno?, version())
    }

    fn reason_on(&self, errno: i32, kernel: Option<(u32, u32)>) -> Option<Hint> {
        let about = format!("map `{}`", self.name);
        let MapSpec { max_entries: entries, key_size: key, value_size: value, .. } = self.spec;
        match errno {
            libc::EINVAL => self.defect().map(|(why, todo)| todo.after(format_args!("{about}: {why}; "))),
            libc::E2BIG | libc::ENOMEM if self.largest_value(kernel).is_some_and(|most| value > most) => Some(match self.holds_variables() {
                true => {
                    let limit = "a map value is limited to 2 GiB, and before Linux 6.0 to what kmalloc allocates, mostly 4 MiB";
                    format!("{about}: the variables of the section take {value} bytes, but {limit}; {MOVE}").into()
                }
                false => format!(
                    "{about}: a value of {value} bytes exceeds this kernel's limit for a map of this type, whatever its number of entries; \
                     change the map's definition in the source"
                )
                .into(),
            }),
            // Fewer entries are no remedy if the map has one.
            libc::ENOMEM if self.holds_variables() => Some(
                format!(
                    "{about}: the variables of the section take {value} bytes, and the kernel has no memory for them; since Linux 5.11 \
                     memory.max of this process's cgroup limits BPF maps, too: raise it, or {MOVE}"
                )
                .into(),
            ),
            libc::E2BIG | libc::ENOMEM if self.is_large() => {
                let why = format!("{about}: {entries} entries of {key} + {value} bytes are more than this kernel allocates");
                Some(Hint::from(Advice::Entries { map: &self.name }).after(format_args!("{why}; ")))
            }
            // The limits of the kernel's own stack, and of a single allocation.
            libc::E2BIG => Some(format!("{about}: a key of {key} bytes or a value of {value} bytes exceeds the kernel's limit").into()),
            _ => None,
        }
    }

    /// Returns true if libbpf creates the map from a section with variables: it has one entry, and
    /// a name that no C variable can have.
    fn holds_variables(&self) -> bool {
        self.kind() == BPF_MAP_TYPE_ARRAY && self.spec.max_entries == 1 && self.name.contains('.')
    }

    /// Returns the size of the largest value of a map of this type, if the kernel limits it on its
    /// own.
    fn largest_value(&self, kernel: Option<(u32, u32)>) -> Option<u32> {
        /// `KMALLOC_MAX_SIZE` with pages of 4 KiB.
        const KMALLOC: u32 = 4 << 20;
        /// `PCPU_MIN_UNIT_SIZE`.
        const PER_CPU: u32 = 32 << 10;
        Some(match self.kind() {
            // `array_map_alloc_check`; Linux 6.0 lifted its limit.
            BPF_MAP_TYPE_ARRAY if kernel.is_some_and(|kernel| kernel < (6, 0)) => KMALLOC,
            BPF_MAP_TYPE_ARRAY => i32::MAX as u32,
            // `htab_map_alloc_check`.
            BPF_MAP_TYPE_HASH | BPF_MAP_TYPE_LRU_HASH => KMALLOC,
            BPF_MAP_TYPE_PERCPU_ARRAY | BPF_MAP_TYPE_PERCPU_HASH | BPF_MAP_TYPE_LRU_PERCPU_HASH => {
                PER_CPU
            }
            _ => return None,
        })
    }

    /// Returns true if the number of entries makes the map large.
    fn is_large(&self) -> bool {
        let MapSpec { max_entries: entries, key_size: key, value_size: value, .. } = self.spec;
        entries > 1
            && (u64::from(entries).saturating_mul(u64::from(key) + u64::from(value)) > 16 << 20
                || entries > 1 << 20)
    }
}

/// What to do about variables that are too large.
const MOVE: &str = "make the variables smaller, or move large ones to a map with many entries";

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(
        name: &str,
        kind: u32,
        value_size: u32,
        max_entries: u32,
        errno: i32,
        kernel: (u32, u32),
    ) -> String {
        let spec = MapSpec { kind: kind.into(), key_size: 4, value_size, max_entries, flags: 0 };
        let definition = Definition { name: name.to_owned(), spec, inner: false };
        definition.reason_on(errno, Some(kernel)).map(|hint| hint.to_string()).unwrap_or_default()
    }

    /// The map of a section has one entry, and no other number helps.
    #[test]
    fn large_sections_are_explained() {
        let of =
            |bytes, errno, kernel| reason("x.bss", BPF_MAP_TYPE_ARRAY, bytes, 1, errno, kernel);
        let most = "map `x.bss`: the variables of the section take ";
        for (bytes, errno, kernel) in [
            (17 << 20, libc::E2BIG, (5, 10)),
            (17 << 20, libc::ENOMEM, (5, 10)),
            (1 << 31, libc::E2BIG, (6, 18)),
        ] {
            let text = of(bytes, errno, kernel);
            assert!(
                text.starts_with(&format!(
                    "{most}{bytes} bytes, but a map value is limited to 2 GiB, and before Linux 6.0"
                )),
                "{text}"
            );
            assert!(text.ends_with(MOVE) && !text.contains("entries before loading"), "{text}");
        }
        let text = of(17 << 20, libc::ENOMEM, (6, 18));
        assert!(
            text.starts_with(&format!(
                "{most}17825792 bytes, and the kernel has no memory for them; since Linux"
            )),
            "{text}"
        );
        assert!(of(1 << 10, libc::EPERM, (6, 18)).is_empty());
    }

    #[test]
    fn large_values_and_entries_are_told_apart() {
        for (kind, bytes, entries, is_entries) in [
            (BPF_MAP_TYPE_ARRAY, 8, 1 << 30, true),
            (BPF_MAP_TYPE_HASH, 64, 1 << 30, true),
            (BPF_MAP_TYPE_HASH, 5 << 20, 1024, false),
            (BPF_MAP_TYPE_ARRAY, 1 << 31, 2, false),
            (BPF_MAP_TYPE_PERCPU_ARRAY, 64 << 10, 1024, false),
        ] {
            let text = reason("m", kind, bytes, entries, libc::E2BIG, (6, 18));
            assert_eq!(text.contains("set_max_entries(\"m\", ..)"), is_entries, "{text}");
            assert!(
                is_entries
                    || text
                        .contains(&format!("a value of {bytes} bytes exceeds this kernel's limit")),
                "{text}"
            );
        }
    }
}
