//! Loads an object, and keeps what libbpf says of it at that moment only.

use std::{
    collections::BTreeMap,
    io,
    ptr::{self, NonNull},
};

use libbpf_rs::{AsRawLibbpf as _, MapType, Object, OpenObject, libbpf_sys};

use crate::{bpf::map::InnerDef, reader::Reserved};

/// What is known of a loaded object beside itself.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Bytes from the start of its arena to its variables.
    pub(crate) in_arena: usize,
    /// How the maps in each map of maps are made.
    pub(crate) inner: BTreeMap<usize, InnerDef>,
}

pub(crate) fn load(object: OpenObject) -> libbpf_rs::Result<(Object, Facts)> {
    let defs = object.maps().enumerate().filter_map(|(index, map)| Some((index, InnerDef::of(map.as_libbpf_object())?)));
    let mut facts = Facts { in_arena: 0, inner: defs.collect() };
    let arena = object.maps().find(|map| map.map_type() == MapType::Arena).map(|map| map.as_libbpf_object());
    let object = match arena {
        None => object.load()?,
        Some(arena) => with_arena(object, arena, &mut facts.in_arena)?,
    };
    Ok((object, facts))
}

/// Loads an object that shares an arena with user space. libbpf puts the variables to its end where the kernel can address that, so that
/// what programs make there can start at the beginning; where they are it tells only those who load a skeleton.
fn with_arena(object: OpenObject, arena: NonNull<libbpf_sys::bpf_map>, in_arena: &mut usize) -> libbpf_rs::Result<Object> {
    let mut raw = object.as_libbpf_object().as_ptr();
    let (mut map, mut variables) = (arena.as_ptr(), ptr::null_mut());
    let mut maps = [libbpf_sys::bpf_map_skeleton { map: &raw mut map, mmaped: &raw mut variables, ..Default::default() }];
    let mut skeleton = libbpf_sys::bpf_object_skeleton {
        sz: size_of::<libbpf_sys::bpf_object_skeleton>() as libbpf_sys::size_t,
        // SAFETY: the object is alive, and its name lives with it.
        name: unsafe { libbpf_sys::bpf_object__name(raw) },
        obj: &raw mut raw,
        map_cnt: 1,
        map_skel_sz: size_of::<libbpf_sys::bpf_map_skeleton>() as libc::c_int,
        maps: maps.as_mut_ptr(),
        ..Default::default()
    };
    refuse_faults(arena)?;
    let place = place(arena)?;
    // SAFETY: the object is open, the map is its own, and all that the skeleton points to lives through the call, which keeps none of it.
    // What it maps over at a place that the object names is reserved for it.
    let error = unsafe { libbpf_sys::bpf_object__load_skeleton(&raw mut skeleton) };
    let mut len: libbpf_sys::size_t = 0;
    // SAFETY: the map is that of a live object; libbpf writes the size and nothing else.
    let start = unsafe { libbpf_sys::bpf_map__initial_value(arena.as_ptr(), &raw mut len) };
    if let Some(place) = place
        && place.start() == start.cast()
    {
        // The arena is there now, and libbpf unmaps it, also after an error.
        place.give_away();
    }
    if error < 0 {
        return Err(libbpf_rs::Error::from_raw_os_error(-error));
    }
    *in_arena = variables.addr().saturating_sub(start.addr());
    // SAFETY: the object is loaded, and nobody else has it.
    Ok(unsafe { Object::from_ptr(object.take_ptr()) })
}

/// Refuses an arena whose variables end the process: libbpf writes their values to pages that no program has allocated, and this flag makes
/// the kernel answer that with SIGSEGV (`arena_vm_fault`).
fn refuse_faults(arena: NonNull<libbpf_sys::bpf_map>) -> libbpf_rs::Result<()> {
    // SAFETY: the map is that of a live object, and the call only reads a number.
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

/// Reserves the place in this process that an object names for its arena (`__ulong(map_extra, ..)`): libbpf maps it there over whatever
/// there is, memory of this process too.
fn place(arena: NonNull<libbpf_sys::bpf_map>) -> libbpf_rs::Result<Option<Reserved>> {
    // SAFETY: the map is that of a live object, and the call only reads a number.
    let start = unsafe { libbpf_sys::bpf_map__map_extra(arena.as_ptr()) };
    // SAFETY: as above.
    let pages = unsafe { libbpf_sys::bpf_map__max_entries(arena.as_ptr()) } as usize;
    // SAFETY: as above.
    if start == 0 || !unsafe { libbpf_sys::bpf_map__autocreate(arena.as_ptr()) } {
        return Ok(None);
    }
    let len = pages.saturating_mul(rustix::param::page_size());
    let reserved = usize::try_from(start).map_err(|_| rustix::io::Errno::INVAL).and_then(|start| Reserved::new(start, len));
    reserved.map(Some).map_err(|errno| {
        // An errno at the end would be taken for the whole of it.
        let why = io::Error::from(errno).kind();
        io::Error::new(why, format!("the {len} bytes at {start:#x} that its arena is to be at cannot be had in this process: {why}")).into()
    })
}
