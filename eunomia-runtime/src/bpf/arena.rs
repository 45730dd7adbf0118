//! Objects whose programs share an arena with user space (`BPF_MAP_TYPE_ARENA`).

use std::ptr::{self, NonNull};

use libbpf_rs::{AsRawLibbpf as _, MapType, Object, OpenObject, libbpf_sys};

/// Loads the object, and says how many bytes from the start of its arena its variables are.
///
/// libbpf puts them to the end where the kernel can address that, so that what programs point to can start at the beginning; where they
/// are it tells only those who load a skeleton.
pub(super) fn load(object: OpenObject) -> libbpf_rs::Result<(Object, usize)> {
    let arena = object.maps().find(|map| map.map_type() == MapType::Arena).map(|map| map.as_libbpf_object());
    let Some(arena) = arena else { return Ok((object.load()?, 0)) };
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
    // SAFETY: the object is loaded, and nobody else has it.
    let object = unsafe { Object::from_ptr(object.take_ptr()) };
    Ok((object, variables.addr().saturating_sub(start(arena).addr())))
}

/// Where libbpf has mapped the arena.
fn start(arena: NonNull<libbpf_sys::bpf_map>) -> *const libc::c_void {
    let mut len: libbpf_sys::size_t = 0;
    // SAFETY: the map is that of a live object; libbpf writes the size and nothing else.
    unsafe { libbpf_sys::bpf_map__initial_value(arena.as_ptr(), &raw mut len) }
}
