//! Queries the mapping at one address of a process, with `PROCMAP_QUERY` of uapi/linux/fs.h (Linux
//! 6.11).

use std::{fs::File, ptr};

use rustix::{
    io::Errno,
    ioctl::{Opcode, Updater, ioctl, opcode},
};

use super::process::Mapping;

const PROCMAP_QUERY: Opcode = opcode::read_write::<Query>(b'f', 17);

/// The size of a buffer for any path of the kernel.
const PATH_MAX: usize = 4096;

/// `struct procmap_query` of the kernel.
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

/// Queries `/proc/PID/maps` for the mapping that contains an address.
///
/// # Errors
/// ENOENT if no mapping contains it, ESRCH if the process is gone, ENOTTY if the kernel does not
/// support the query.
pub(super) fn query(maps: &File, address: u64) -> Result<Mapping, Errno> {
    let mut name = [0_u8; PATH_MAX];
    let mut query = Query {
        size: size_of::<Query>() as u64,
        query_addr: address,
        vma_name_size: PATH_MAX as u32,
        vma_name_addr: ptr::from_mut(&mut name) as u64,
        ..Query::default()
    };
    // SAFETY: `PROCMAP_QUERY` is the ioctl number of this type.
    let request = unsafe { Updater::<PROCMAP_QUERY, Query>::new(&mut query) };
    // SAFETY: the kernel writes the answer to `query`, and at most `vma_name_size` bytes to `name`;
    // both live through the call. On any other file the call fails, because no other file of /proc
    // accepts this number.
    unsafe { ioctl(maps, request) }?;
    let len = usize::try_from(query.vma_name_size).unwrap_or(0).saturating_sub(1);
    Ok(Mapping {
        range: query.vma_start..query.vma_end,
        offset: query.vma_offset,
        device: (query.dev_major, query.dev_minor),
        // The size includes the NUL at the end, and is 0 if the mapping has no name.
        name: name.get(..len).unwrap_or_default().to_vec(),
    })
}
