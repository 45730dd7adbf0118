//! The mapping at one address of a process, by `PROCMAP_QUERY` of uapi/linux/fs.h (Linux 6.11).

use std::{fs::File, ptr};

use rustix::{
    io::Errno,
    ioctl::{Opcode, Updater, ioctl, opcode},
};

use super::process::Mapping;

const PROCMAP_QUERY: Opcode = opcode::read_write::<Query>(b'f', 17);

/// As many as the kernel needs for any path.
const PATH_MAX: usize = 4096;

/// `struct procmap_query`
#[derive(Default)]
#[repr(C)]
struct Query {
    size: u64,
    query_flags: u64,
    query_addr: u64,
    vma_start: u64,
    vma_end: u64,
    vma_flags: u64,
    vma_page_size: u64,
    vma_offset: u64,
    inode: u64,
    dev_major: u32,
    dev_minor: u32,
    vma_name_size: u32,
    build_id_size: u32,
    vma_name_addr: u64,
    build_id_addr: u64,
}

/// Asks `/proc/PID/maps` for the mapping of an address.
///
/// # Errors
/// ENOENT if there is none, ESRCH if the process is gone, ENOTTY if the kernel does not know the question.
pub(super) fn query(maps: &File, address: u64) -> Result<Mapping, Errno> {
    let mut name = [0_u8; PATH_MAX];
    let mut query = Query {
        size: size_of::<Query>() as u64,
        query_addr: address,
        vma_name_size: PATH_MAX as u32,
        vma_name_addr: ptr::from_mut(&mut name) as u64,
        ..Query::default()
    };
    // SAFETY: the question is of the type that its number says.
    let question = unsafe { Updater::<PROCMAP_QUERY, Query>::new(&mut query) };
    // SAFETY: the kernel writes the answer into the question, and as many bytes of the name as were said, which both live through the call.
    // On what is no such file it fails, or does not know the number: no other file of /proc takes it.
    unsafe { ioctl(maps, question) }?;
    let len = usize::try_from(query.vma_name_size).unwrap_or(0).saturating_sub(1);
    Ok(Mapping {
        range: query.vma_start..query.vma_end,
        offset: query.vma_offset,
        device: (query.dev_major, query.dev_minor),
        // The size counts the NUL at its end, and is 0 if there is no name.
        name: name.get(..len).unwrap_or_default().to_vec(),
    })
}
