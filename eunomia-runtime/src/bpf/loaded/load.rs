//! Loading of an object, which keeps the facts that libbpf reports only before or during loading.

use std::{
    collections::BTreeMap,
    io,
    ptr::{self, NonNull},
};

use libbpf_rs::{AsRawLibbpf as _, MapType, Object, OpenObject, libbpf_sys};

use crate::{bpf::map::InnerDef, host::cpus, reader::Reserved};

/// Facts about a loaded object that libbpf does not keep.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The offset of the variables in the arena, in bytes.
    pub(crate) in_arena: usize,
    /// The definition of the inner maps, by the index of the map of maps.
    pub(crate) inner: BTreeMap<usize, InnerDef>,
}

pub(crate) fn load(mut object: OpenObject) -> libbpf_rs::Result<(Object, Facts)> {
    make_room_for_cpus(&mut object)?;
    let defs = object
        .maps()
        .enumerate()
        .filter_map(|(index, map)| Some((index, InnerDef::of(map.as_libbpf_object())?)));
    let mut facts = Facts { in_arena: 0, inner: defs.collect() };
    let arena = object
        .maps()
        .find(|map| map.map_type() == MapType::Arena)
        .map(|map| map.as_libbpf_object());
    let object = match arena {
        None => object.load()?,
        Some(arena) => with_arena(object, arena, &mut facts.in_arena)?,
    };
    Ok((object, facts))
}

/// Makes perf event arrays without a number of entries large enough for every possible CPU. libbpf
/// takes the number of CPUs, which is too small if there are gaps between their ids.
fn make_room_for_cpus(object: &mut OpenObject) -> libbpf_rs::Result<()> {
    let Some(last) = cpus::ids().ok().and_then(|ids| ids.last().copied()) else { return Ok(()) };
    let arrays = object
        .maps_mut()
        .filter(|map| map.map_type() == MapType::PerfEventArray && map.max_entries() == 0);
    arrays.into_iter().try_for_each(|mut map| map.set_max_entries(last + 1))
}

/// Loads an object that shares an arena with user space. libbpf places the variables at the end of
/// the arena if the kernel supports that, so that programs can allocate from the start. It reports
/// their place only to callers that load a skeleton.
fn with_arena(
    object: OpenObject,
    arena: NonNull<libbpf_sys::bpf_map>,
    in_arena: &mut usize,
) -> libbpf_rs::Result<Object> {
    let mut raw = object.as_libbpf_object().as_ptr();
    let (mut map, mut variables) = (arena.as_ptr(), ptr::null_mut());
    let mut maps = [libbpf_sys::bpf_map_skeleton {
        map: &raw mut map,
        mmaped: &raw mut variables,
        ..Default::default()
    }];
    let mut skeleton = libbpf_sys::bpf_object_skeleton {
        sz: size_of::<libbpf_sys::bpf_object_skeleton>() as libbpf_sys::size_t,
        // SAFETY: the object is live, and its name lives as long as it does.
        name: unsafe { libbpf_sys::bpf_object__name(raw) },
        obj: &raw mut raw,
        map_cnt: 1,
        map_skel_sz: size_of::<libbpf_sys::bpf_map_skeleton>() as libc::c_int,
        maps: maps.as_mut_ptr(),
        ..Default::default()
    };
    refuse_faults(arena)?;
    let place = place(arena)?;
    // SAFETY: the object is open, the map belongs to it, and everything that the skeleton points to
    // lives through the call, which keeps none of it. An address that the object names for its
    // arena is reserved, so libbpf maps the arena over no other memory.
    let error = unsafe { libbpf_sys::bpf_object__load_skeleton(&raw mut skeleton) };
    let mut len: libbpf_sys::size_t = 0;
    // SAFETY: the map belongs to a live object; libbpf writes the size and nothing else.
    let start = unsafe { libbpf_sys::bpf_map__initial_value(arena.as_ptr(), &raw mut len) };
    if let Some(place) = place
        && place.start() == start.cast()
    {
        // The arena is mapped there now. libbpf unmaps it, also after an error.
        place.give_away();
    }
    if error < 0 {
        return Err(libbpf_rs::Error::from_raw_os_error(-error));
    }
    *in_arena = variables.addr().saturating_sub(start.addr());
    // SAFETY: the object is loaded, and nothing else owns it.
    Ok(unsafe { Object::from_ptr(object.take_ptr()) })
}

/// Refuses an arena whose variables would end the process: libbpf writes their values to pages that
/// no program has allocated, and with this flag the kernel answers with SIGSEGV (`arena_vm_fault`).
fn refuse_faults(arena: NonNull<libbpf_sys::bpf_map>) -> libbpf_rs::Result<()> {
    // SAFETY: the map belongs to a live object, and the call only reads a number.
    let flags = unsafe { libbpf_sys::bpf_map__map_flags(arena.as_ptr()) };
    let mut len: libbpf_sys::size_t = 0;
    // SAFETY: as above; libbpf writes the size and nothing else.
    let variables = unsafe { libbpf_sys::bpf_map__initial_value(arena.as_ptr(), &raw mut len) };
    if variables.is_null() || flags & libbpf_sys::BPF_F_SEGV_ON_FAULT == 0 {
        return Ok(());
    }
    let why = "its arena has variables and the flag BPF_F_SEGV_ON_FAULT, which would end this process; remove one of them";
    Err(io::Error::new(io::ErrorKind::InvalidInput, why).into())
}

/// Reserves the address range that an object names for its arena (`__ulong(map_extra, ..)`). libbpf
/// maps the arena there over anything that is there, including other memory of this process.
fn place(arena: NonNull<libbpf_sys::bpf_map>) -> libbpf_rs::Result<Option<Reserved>> {
    // SAFETY: the map belongs to a live object, and the call only reads a number.
    let start = unsafe { libbpf_sys::bpf_map__map_extra(arena.as_ptr()) };
    // SAFETY: as above.
    let pages = unsafe { libbpf_sys::bpf_map__max_entries(arena.as_ptr()) } as usize;
    // SAFETY: as above.
    if start == 0 || !unsafe { libbpf_sys::bpf_map__autocreate(arena.as_ptr()) } {
        return Ok(None);
    }
    let len = pages.saturating_mul(rustix::param::page_size());
    let reserved = usize::try_from(start)
        .map_err(|_| rustix::io::Errno::INVAL)
        .and_then(|start| Reserved::new(start, len));
    reserved.map(Some).map_err(|errno| {
        // The kind without the errno: an errno at the end of the text would be taken for the whole
        // error, and the message would be lost.
        let why = io::Error::from(errno).kind();
        io::Error::new(
            why,
            format!(
                "cannot reserve the {len} bytes at {start:#x} for its arena in this process: {why}"
            ),
        )
        .into()
    })
}
