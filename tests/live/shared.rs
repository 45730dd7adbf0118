//! Maps of other objects and pinned maps that replace an object's own: those that can be shared,
//! and those that must not.

use std::time::Duration;

use eunomia_runtime::{
    Error, Skeleton,
    bpf::{self, Array, Map, MapSpec, MapType, ReadWrite, Sample, Spec, TestInput, kind},
};
use eunomia_tests::{
    built::{arena, congestion, given::types::Event, maps},
    fixture,
};

use super::{
    Outcome, errno,
    given::{INNER, open},
    opened,
    pins::Pin,
};

const REFUSED: &str =
    "a pinned map or another object's map cannot replace it; share a map that the programs look up";

pub(crate) fn data_section_maps_are_not_shared() -> Outcome {
    let donor = open()?.load()?;
    let large = Map::create("large", &MapSpec { value_size: 1 << 20, ..INNER })?;
    let (pin, table) = (Pin::new("section"), Pin::new("table"));
    for section in ["given.bss", "given.rodata", ".bss", ".rodata", ".data.table"] {
        let mut open = open()?;
        let expected =
            format!("map `{section}`: it holds the variables of a section, so {REFUSED}");
        let own = donor.object().map(if section.contains("data") { "option" } else { "hits" })?;
        for fd in [large.fd(), own.fd()] {
            assert_eq!(open.object().reuse_map(section, fd).unwrap_err().to_string(), expected);
        }
        assert_eq!(open.object().set_pin_path(section, &pin.0).unwrap_err().to_string(), expected);
        let skel = open.load()?;
        assert!(!pin.0.exists());
        skel.bss()?.number.set(1)?;
        assert_eq!(
            skel.progs()?.fill.test(&TestInput::new())?.return_value,
            1,
            "the program does not use the variable"
        );
    }
    let expected = format!("map `steady`: it is a table of functions (struct_ops), so {REFUSED}");
    assert_eq!(
        congestion::open()?.object().set_pin_path("steady", &table.0).unwrap_err().to_string(),
        expected
    );
    // If the map is not created, its variables cannot be accessed either.
    let mut open = self::open()?;
    open.object().set_autocreate(".data.table", false)?;
    open.object().program("fill")?.set_autoload(false);
    let skel = open.load()?;
    let refused = skel.data_table().map(drop).unwrap_err().to_string();
    assert!(
        refused.starts_with(
            ".data.table: the section is not in the kernel: its creation was switched off"
        ),
        "{refused}"
    );
    skel.bss()?.number.set(1)?;
    Ok(())
}

pub(crate) fn arena_with_variables_is_not_shared() -> Outcome {
    let expected = format!("map `memory`: it holds the variables of the arena, so {REFUSED}");
    let (donor, pin) = (arena::open()?.load()?, Pin::new("arena"));
    let mut open = arena::open()?;
    assert_eq!(
        open.object()
            .reuse_map("memory", donor.object().map("memory")?.fd())
            .unwrap_err()
            .to_string(),
        expected
    );
    assert_eq!(open.object().set_pin_path("memory", &pin.0).unwrap_err().to_string(), expected);
    assert!(matches!(open.object().set_value_size("memory", 8), Err(Error::Misuse { .. })));
    open.load()?;
    Ok(())
}

/// Entries are delivered as the types that they were declared with, so the sizes must match.
pub(crate) fn sampled_map_keeps_declared_sizes() -> Outcome {
    let object =
        Skeleton::parse(&fixture("given"), "given")?.object.ok_or("the fixture has no object")?;
    let samples = [Sample { map: "hits", every: Duration::from_millis(1), clear: false }];
    let spec = Spec {
        name: "given",
        object: &object,
        streams: &["hits"],
        samples: &samples,
        dropped: &[],
        perf_pages: 8,
    };
    let open = || -> Result<bpf::Open, Error> {
        let mut open = opened(&spec)?;
        open.set_inner_map("outer", Map::create("inner", &INNER)?.fd())?;
        Ok(open)
    };
    open()?.load()?;
    let mut changed = open()?;
    changed.set_value_size("hits", 64)?;
    changed.program("hit")?.set_autoload(false);
    let refused = changed.load().unwrap_err().to_string();
    let expected =
        "map `hits`: its key and value sizes are 4 and 64 bytes, but 4 and 8 are declared";
    assert_eq!(refused, expected);
    let other = Map::create("other", &MapSpec { kind: MapType::Hash, key_size: 8, ..INNER })?;
    let mut changed = open()?;
    changed.reuse_map("hits", other.fd())?;
    changed.program("hit")?.set_autoload(false);
    assert!(matches!(changed.load(), Err(Error::Mismatch { .. })));
    let mut absent = open()?;
    absent.set_autocreate("hits", false)?;
    absent.program("hit")?.set_autoload(false);
    assert!(absent.load()?.stats()[0].absent);
    Ok(())
}

/// libbpf uses the name of the map that replaced another.
pub(crate) fn replaced_map_keeps_its_name() -> Outcome {
    let other = Map::create("hits", &MapSpec { kind: MapType::Array, max_entries: 1, ..INNER })?;
    let other: Array<'_, u32> = other.into_typed()?;
    other.set(0, &31)?;
    let mut open = open()?;
    open.object().reuse_map("option", other.as_map().fd())?;
    let later = open.object().set_value_size("option", 4096).unwrap_err();
    assert_eq!(errno(&later), Some(libc::EBUSY), "{later}");
    let skel = open.load()?;
    assert_eq!(skel.maps()?.option.get(0)?, Some(31));
    skel.maps()?.hits.insert(&1, &Event::default())?;
    skel.progs()?.choose.test_run(None, None)?;
    assert_eq!(skel.bss()?.seen.get()?, 31);
    // The same through a pinned path, which is opened when the object is loaded.
    let pin = Pin::new("renamed");
    other.as_map().pin(&pin.0)?;
    let mut open = self::open()?;
    open.object().set_pin_path("option", &pin.0)?;
    let skel = open.load()?;
    assert_eq!(skel.maps()?.option.get(0)?, Some(31));
    assert_eq!(skel.object().map("hits")?.kind(), MapType::Hash);
    // A typed handle is checked against the map that took the place.
    let wide = Map::create(
        "wide",
        &MapSpec { kind: MapType::Array, value_size: 64, max_entries: 1, ..INNER },
    )?;
    let mut open = self::open()?;
    open.object().reuse_map("option", wide.fd())?;
    let skel = open.load()?;
    let refused = skel.maps()?.option.get(0).unwrap_err().to_string();
    assert!(
        refused.ends_with("its key and value sizes are 4 and 64 bytes, expected 4 and 4"),
        "{refused}"
    );
    Ok(())
}

/// libbpf maps an arena at the address that the object names, even over other memory of this
/// process.
pub(crate) fn arena_is_not_mapped_over_other_memory() -> Outcome {
    let object =
        Skeleton::parse(&fixture("placed"), "placed")?.object.ok_or("the fixture has no object")?;
    let spec = Spec {
        name: "placed",
        object: &object,
        streams: &[],
        samples: &[],
        dropped: &[],
        perf_pages: 8,
    };
    let counter = |loaded: &bpf::Loaded| {
        loaded.section::<ReadWrite>(".addr_space.1")?.named::<u64>("counter", 0)?.get()
    };
    let first = opened(&spec)?.load()?;
    first.program("count")?.test_run(None, None)?;
    assert_eq!(counter(&first)?, 6);
    let refused = opened(&spec)?.load().unwrap_err().to_string();
    let why = "cannot reserve the 65536 bytes at 0x100000000000 for its arena in this process: entity already exists";
    assert_eq!(refused, format!("load the BPF object `placed`: {why}"));
    assert_eq!(counter(&first)?, 6, "the arena has moved or changed");
    drop(first);
    // An object that fails to load for another reason does not keep the address reserved.
    let mut open = opened(&spec)?;
    open.set_map_flags("memory", 0)?;
    assert_eq!(errno(&open.load().unwrap_err()), Some(libc::EINVAL));
    assert_eq!(counter(&opened(&spec)?.load()?)?, 5);
    Ok(())
}

/// A map that the object itself declares to be pinned is refused on opening.
pub(crate) fn pinned_arena_with_variables_is_refused() -> Outcome {
    let object =
        Skeleton::parse(&fixture("pinned"), "pinned")?.object.ok_or("the fixture has no object")?;
    let spec = Spec {
        name: "pinned",
        object: &object,
        streams: &[],
        samples: &[],
        dropped: &[],
        perf_pages: 8,
    };
    let refused = opened(&spec).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("map `memory`: it holds the variables of the arena, so {REFUSED}")
    );
    Ok(())
}

/// libbpf would write variables to pages that the kernel does not allocate with these flags, which
/// ends the process.
pub(crate) fn arena_that_would_fault_is_refused() -> Outcome {
    const MMAPABLE: u32 = 1 << 10;
    const SEGV_ON_FAULT: u32 = 1 << 17;
    let mut open = arena::open()?;
    open.object().set_map_flags("memory", MMAPABLE | SEGV_ON_FAULT)?;
    let refused = open.load().unwrap_err().to_string();
    assert!(refused.ends_with("which would end this process; remove one of them"), "{refused}");
    Ok(())
}

/// libbpf puts declared inner maps and programs into their map with keys and values of 4 bytes, and
/// takes them for maps or programs by the type that the map has then.
pub(crate) fn maps_with_declared_contents_keep_their_type() -> Outcome {
    let mut open = maps::open()?;
    let object = open.object();
    let refused =
        |result: Result<(), Error>, why: &str| assert_eq!(result.unwrap_err().to_string(), why);
    refused(
        object.set_key_size("outer", 256),
        "map `outer`: the key size of a map of type HashOfMaps is fixed",
    );
    refused(
        object.set_key_size("calls", 8),
        "map `calls`: the key size of a map of type ProgArray is fixed",
    );
    refused(
        object.set_type("calls", MapType::Array),
        "map `calls`: its type cannot be changed from ProgArray to Array",
    );
    let calls = Map::create("calls", &MapSpec { kind: MapType::ProgArray, ..INNER })?;
    refused(
        object.reuse_map("outer", calls.fd()),
        "map `outer`: a map of type ProgArray cannot replace one of type HashOfMaps",
    );
    let array = Map::create("array", &INNER)?;
    refused(
        object.reuse_map("calls", array.fd()),
        "map `calls`: a map of type Array cannot replace one of type ProgArray",
    );
    object.reuse_map("calls", calls.fd())?;
    open.load()?;
    Ok(())
}

/// The arena of an object is found by its type, so no other map of the object may become one: what
/// would end the process or replace other memory is refused for that one.
pub(crate) fn arena_replaces_no_other_map() -> Outcome {
    let memory = MapSpec {
        kind: MapType::Arena,
        key_size: 0,
        value_size: 0,
        max_entries: 4,
        flags: 1 << 10,
    };
    let memory = Map::create("memory", &memory)?;
    let refused = maps::open()?.object().reuse_map("hash", memory.fd()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "map `hash`: a map of type Arena cannot replace one of type Hash"
    );
    Ok(())
}

/// libbpf writes to the maps of USDTs with keys and values of its own sizes.
pub(crate) fn usdt_maps_of_other_sizes_are_refused() -> Outcome {
    const SPECS: &str = "__bpf_usdt_specs";
    let attach = |set: &dyn Fn(&mut bpf::Open) -> Result<(), Error>| -> Result<String, Error> {
        let mut open = Skeleton::parse(&fixture("every"), "every")?.open()?;
        for program in open.object().programs() {
            open.object().program(&program)?.set_autoload(program == "usdt");
        }
        for map in ["__bpf_usdt_ip_to_spec_id", SPECS] {
            open.object().set_autocreate(map, true)?;
        }
        set(open.object())?;
        let loaded = open.load()?;
        let program = loaded.object().typed_program::<kind::Usdt>("usdt")?;
        let result = program.attach_to("/proc/self/exe", "none", "none", None, 0);
        Ok(result.unwrap_err().to_string())
    };
    let of = |found| {
        format!(
            "map `{SPECS}`: it is of type {found} bytes, but libbpf writes up to 4 and 304 bytes for USDTs: declare it as in bpf/usdt.bpf.h"
        )
    };
    assert_eq!(
        attach(&|open| open.set_value_size(SPECS, 4096))?,
        of("array with keys and values of 4 and 4096")
    );
    assert_eq!(
        attach(&|open| open.set_type(SPECS, MapType::PercpuArray))?,
        of("percpu_array with keys and values of 4 and 304")
    );
    let unchanged = attach(&|_| Ok(()))?;
    assert!(!unchanged.contains(SPECS), "{unchanged}");
    Ok(())
}

/// A thread may have descriptors of its own, and the process another file by the same number.
pub(crate) fn map_is_identified_in_a_thread_with_descriptors_of_its_own() -> Outcome {
    let reused = std::thread::spawn(|| {
        // SAFETY: this thread owns no descriptor yet, and no other thread uses those that it opens.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_FILES) }, 0);
        let array = Map::create("in_place", &MapSpec { max_entries: 3, flags: 1 << 10, ..INNER })?;
        maps::open()?.object().reuse_map("in_place", array.fd())
    });
    Ok(reused.join().map_err(|_| "the thread panicked")??)
}
