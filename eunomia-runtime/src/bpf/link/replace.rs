//! Replacing the program or the struct_ops map of a link.

use std::{
    io,
    os::fd::{AsRawFd as _, RawFd},
    ptr,
    sync::Arc,
};

use libbpf_rs::{AsRawLibbpf as _, libbpf_sys};

use super::{Held, Link, LinkKind};
use crate::{
    Error, Result,
    bpf::{Program, StructOps},
    host::{kernel_error, messages::listen, refused_by},
};

/// The types of link whose program the kernel replaces (`update_prog` in its `bpf_link_ops`).
const REPLACEABLE: &[LinkKind] = &[
    LinkKind::Cgroup,
    LinkKind::Iter,
    LinkKind::Netkit,
    LinkKind::Netns,
    LinkKind::Sockmap,
    LinkKind::Tcx,
    LinkKind::Xdp,
];

impl Link {
    /// Replaces the program of the link by another one, atomically: each packet, call or iterator
    /// sees either the old or the new program. The link now keeps the object of `program` alive
    /// instead of its own. A pin of the link runs the new program as well.
    ///
    /// The kernel replaces programs on interfaces (XDP, tcx, netkit, and filters), cgroups, network
    /// namespaces and maps of sockets, and iterators. On a map of sockets the new program applies
    /// to sockets that are put into the map from then on, and it replaces whichever program is
    /// attached there; attaching does the same. For other programs attach the new program, then
    /// drop the link of the old one.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the kernel does not replace programs of such links. [`Error::Mismatch`]
    /// if the filter of this link was removed or replaced by another one. [`Error::Kernel`] if the
    /// kernel refuses; EINVAL if the program is of another type, ENOLINK if what it was attached to
    /// is gone. The old program stays attached.
    pub fn replace<K>(&mut self, program: &Program<'_, K>) -> Result<()> {
        let tried = format!("replace the program of a link by the {}", program.describe());
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
        let cannot = |kind: &str| Error::Misuse {
            name: tried.clone(),
            why: format!(
                "the kernel cannot replace the program of {kind}; attach the new program, then drop the link of the old one"
            ),
        };
        let link = self.fd().ok_or_else(|| cannot("an attachment without a link"))?.as_raw_fd();
        // SAFETY: the only pointer of the call is that of its options, which may be null.
        let error = unsafe { libbpf_sys::bpf_link_update(link, program, ptr::null()) };
        if error == 0 {
            return Ok(());
        }
        let kernel = |tried| Err(kernel_error(tried, io::Error::from_raw_os_error(-error)));
        // The kernel returns the same error for a link that it cannot update and for a program that
        // does not fit.
        if !matches!(-error, libc::EINVAL | libc::EOPNOTSUPP) {
            return kernel(tried);
        }
        match self.info() {
            Ok(info) if REPLACEABLE.contains(&info.kind) => kernel(tried),
            Ok(info) => Err(cannot(&format!("a link of type {}", info.kind))),
            Err(_) => Err(cannot("a perf event")),
        }
    }

    /// Replaces the struct_ops map of the link by another one, atomically (kernel 6.4 and later).
    /// Both maps are of the section `.struct_ops.link`. If the kernel identifies such maps by a
    /// name, as it does congestion controls, both have the same name. The link now keeps the object
    /// of `table` alive instead of its own.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the link was not made by [`StructOps::attach`] from such a map, or if
    /// it was pinned and opened again. [`Error::Kernel`] if the kernel refuses; EINVAL if the maps
    /// are not of the same type and name, EOPNOTSUPP if the kernel does not replace maps of this
    /// type. The old map stays attached.
    pub fn replace_table(&mut self, table: &StructOps<'_>) -> Result<()> {
        let tried = format!(
            "replace the struct_ops map of a link by the map `{}`",
            table.as_map().name().to_string_lossy()
        );
        let refuse = |why: &str| Error::Misuse { name: tried.clone(), why: why.to_owned() };
        let Some(Held::Table(link)) = &self.held else {
            return Err(refuse(
                "the link does not hold a map of the section `.struct_ops.link` that this process attached",
            ));
        };
        let (map, object) = table
            .linked()
            .ok_or_else(|| refuse("it is not a map of the section `.struct_ops.link`"))?;
        // SAFETY: libbpf made the link for a struct_ops map, as the call requires, and the new map
        // is of a live object.
        let (error, messages) = listen(|| unsafe {
            libbpf_sys::bpf_link__update_map(link.as_libbpf_object().as_ptr(), map)
        });
        if error != 0 {
            return Err(refused_by(tried, io::Error::from_raw_os_error(-error), messages, None));
        }
        self.object = Some(Arc::clone(object));
        Ok(())
    }
}
