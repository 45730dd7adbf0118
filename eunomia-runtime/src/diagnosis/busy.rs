//! Programs that occupy a hook that takes only one.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use libbpf_rs::libbpf_sys;

/// Describes a program by its id, with its name if this process may read it.
pub(crate) fn program(id: u32) -> String {
    match name_of(id) {
        Some(name) => format!("the program {id} (`{name}`)"),
        None => format!("the program {id}"),
    }
}

/// Describes a program by its id and that of its link, with its name if this process may read it.
pub(crate) fn typed_program(link: u32, id: u32) -> String {
    match name_of(id) {
        Some(name) => format!("the program {id} (`{name}`, link {link})"),
        None => format!("the program {id} (link {link})"),
    }
}

fn name_of(id: u32) -> Option<String> {
    // SAFETY: the call takes a number.
    let fd = unsafe { libbpf_sys::bpf_prog_get_fd_by_id(id) };
    if fd < 0 {
        return None;
    }
    // SAFETY: the descriptor is new, and nothing else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut size = size_of_val(&info) as u32;
    // SAFETY: the call writes at most `size` bytes and, since the pointers in `info` are null,
    // nothing else; the descriptor lives through it.
    if unsafe { libbpf_sys::bpf_prog_get_info_by_fd(fd.as_raw_fd(), &raw mut info, &raw mut size) }
        != 0
    {
        return None;
    }
    let name: Vec<u8> = info
        .name
        .iter()
        .map(|letter| letter.cast_unsigned())
        .take_while(|letter| *letter != 0)
        .collect();
    (!name.is_empty()).then(|| String::from_utf8_lossy(&name).into_owned())
}

/// Returns the ids of the kernel's links that satisfy the predicate, with the ids of their
/// programs.
pub(crate) fn links(is: impl Fn(&libbpf_sys::bpf_link_info) -> bool) -> Vec<(u32, u32)> {
    let (mut links, mut id) = (Vec::new(), 0);
    loop {
        let mut next = 0;
        // SAFETY: the call writes one number, which lives through it.
        if unsafe { libbpf_sys::bpf_link_get_next_id(id, &raw mut next) } != 0 {
            return links;
        }
        id = next;
        // SAFETY: the call takes a number.
        let fd = unsafe { libbpf_sys::bpf_link_get_fd_by_id(id) };
        if fd < 0 {
            continue;
        }
        // SAFETY: the descriptor is new, and nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut info = libbpf_sys::bpf_link_info::default();
        let mut size = size_of_val(&info) as u32;
        // SAFETY: the call writes at most `size` bytes and, since the pointers in `info` are null,
        // nothing else; the descriptor lives through it.
        let known = unsafe {
            libbpf_sys::bpf_link_get_info_by_fd(fd.as_raw_fd(), &raw mut info, &raw mut size)
        } == 0;
        if known && is(&info) {
            links.push((info.id, info.prog_id));
        }
    }
}
