//! Loads an object, and keeps what libbpf says of it at that moment only.

use std::{
    collections::BTreeMap,
    ptr::{self, NonNull},
};

use libbpf_rs::{AsRawLibbpf as _, MapType, Object, OpenObject, libbpf_sys};

use super::map::InnerDef;

/// What is known of a loaded object beside itself.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Bytes from the start of its arena to its variables.
    pub(super) in_arena: usize,
    /// How the maps in each map of maps are made.
    pub(super) inner: BTreeMap<usize, InnerDef>,
}

pub(super) fn load(object: OpenObject) -> libbpf_rs::Result<(Object, Facts)> {
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
    // SAFETY: the object is open, the map is its own, and all that the skeleton points to lives through the call, which keeps none of it.
    let error = unsafe { libbpf_sys::bpf_object__load_skeleton(&raw mut skeleton) };
    if error < 0 {
        return Err(libbpf_rs::Error::from_raw_os_error(-error));
    }
    let mut len: libbpf_sys::size_t = 0;
    // SAFETY: the map is that of a live object; libbpf writes the size and nothing else.
    let start = unsafe { libbpf_sys::bpf_map__initial_value(arena.as_ptr(), &raw mut len) };
    *in_arena = variables.addr().saturating_sub(start.addr());
    // SAFETY: the object is loaded, and nobody else has it.
    Ok(unsafe { Object::from_ptr(object.take_ptr()) })
}
