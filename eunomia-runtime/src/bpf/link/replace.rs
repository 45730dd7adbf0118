//! Another program in the place of the one that a link holds.

use std::{
    io,
    os::fd::{AsRawFd as _, RawFd},
    ptr,
    sync::Arc,
};

use libbpf_rs::{
    AsRawLibbpf as _,
    libbpf_sys::{
        self, BPF_LINK_TYPE_CGROUP, BPF_LINK_TYPE_ITER, BPF_LINK_TYPE_NETKIT, BPF_LINK_TYPE_NETNS, BPF_LINK_TYPE_SOCKMAP,
        BPF_LINK_TYPE_TCX, BPF_LINK_TYPE_XDP,
    },
};

use super::{Held, Link};
use crate::{
    Error, Result,
    bpf::{Program, StructOps, sys::messages::listen},
    refusal::{Refusal, refusal},
};

/// The kinds of link whose program the kernel replaces (`update_prog` in its `bpf_link_ops`).
const REPLACEABLE: &[u32] = &[
    BPF_LINK_TYPE_CGROUP,
    BPF_LINK_TYPE_ITER,
    BPF_LINK_TYPE_NETKIT,
    BPF_LINK_TYPE_NETNS,
    BPF_LINK_TYPE_SOCKMAP,
    BPF_LINK_TYPE_TCX,
    BPF_LINK_TYPE_XDP,
];

impl Link {
    /// Puts a program in the place of the one that the link holds, in one step: each packet, call or walk meets the one or the other. The
    /// link now keeps the object of `program` alive in place of its own, and a pin of it runs the new program as well.
    ///
    /// The kernel does so for programs on interfaces (XDP, tcx, netkit, and filters), cgroups, network namespaces, maps of sockets and for
    /// iterators. On a map of sockets it counts for those that are put into the map from then on, and takes the place of whichever program
    /// is there, both as attaching does. For all else attach the new program, then drop the link of the old one.
    ///
    /// # Errors
    /// [`Error::Value`] where the kernel replaces no programs of such links, or where what stands in the place of a filter is not what this
    /// link has put there; [`Error::Kernel`]; EINVAL where the program is of another type, ENOLINK where what it was attached to is gone.
    /// The program that was there stays.
    pub fn replace<K>(&mut self, program: &Program<'_, K>) -> Result<()> {
        let tried = format!("put the {} in the place of another one", program.describe());
        let fd = program.fd()?;
        match self.held.as_mut() {
            Some(Held::Filter(filter)) => filter.replace(tried, fd, program.id()?)?,
            Some(Held::OnMap(on_map)) => on_map.replace(tried, fd, program.attach_type())?,
            _ => self.update(tried, fd.as_raw_fd())?,
        }
        self.object = Some(Arc::clone(program.object()));
        Ok(())
    }

    fn update(&self, tried: String, program: RawFd) -> Result<()> {
        let cannot = |kind: &str| Error::Value {
            name: tried.clone(),
            why: format!("the kernel cannot do that for {kind}; attach the program, then drop the link of the other one"),
        };
        let link = self.fd().ok_or_else(|| cannot("what it has no link for"))?.as_raw_fd();
        // SAFETY: the call takes no pointer but that of its options, which may be null.
        let error = unsafe { libbpf_sys::bpf_link_update(link, program, ptr::null()) };
        if error == 0 {
            return Ok(());
        }
        let kernel = |tried| Err(refusal(tried, io::Error::from_raw_os_error(-error)));
        // The kernel says the same of a link that it cannot update and of a program that does not fit.
        if !matches!(-error, libc::EINVAL | libc::EOPNOTSUPP) {
            return kernel(tried);
        }
        match self.info() {
            Ok(info) if REPLACEABLE.contains(&info.kind) => kernel(tried),
            Ok(info) => Err(cannot(&format!("links of the kind {}", info.kind_name().unwrap_or("that it has here")))),
            Err(_) => Err(cannot("perf events")),
        }
    }

    /// Puts a table of struct_ops in the place of the one that the link holds, in one step (kernel 6.4 and later). Both are of the section
    /// `.struct_ops.link`; where the kernel knows tables by a name, as congestion controls, of the same name. The link now keeps the object
    /// of `table` alive in place of its own.
    ///
    /// # Errors
    /// [`Error::Value`] where the link is not what [`StructOps::attach`] has made of such a table, or was pinned and opened again;
    /// [`Error::Kernel`]; EINVAL where the tables are not of one kind and name, EOPNOTSUPP where the kernel replaces none of this kind.
    /// The table that was there stays.
    pub fn replace_table(&mut self, table: &StructOps<'_>) -> Result<()> {
        let tried = format!("put the map `{}` in the place of another one", table.as_map().name().to_string_lossy());
        let refuse = |why: &str| Error::Value { name: tried.clone(), why: why.to_owned() };
        let Some(Held::Table(link)) = &self.held else {
            return Err(refuse("the link does not hold a table of the section `.struct_ops.link` that this process has attached"));
        };
        let (map, object) = table.linked().ok_or_else(|| refuse("it is no table of the section `.struct_ops.link`"))?;
        // SAFETY: libbpf has made the link for a table, which is what the call takes it for, and the map is that of a live object.
        let (error, said) = listen(|| unsafe { libbpf_sys::bpf_link__update_map(link.as_libbpf_object().as_ptr(), map) });
        if error != 0 {
            return Err(Refusal::new(tried, io::Error::from_raw_os_error(-error), said, None).into());
        }
        self.object = Some(Arc::clone(object));
        Ok(())
    }
}
