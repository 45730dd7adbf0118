//! Tables of kernel functions that programs implement (struct_ops).

use std::{ffi::OsString, sync::Arc};

use libbpf_rs::{
    AsRawLibbpf as _, Btf, MapCore as _, MapType, Object, OpenObject,
    btf::types::{DataSec, Var},
    libbpf_sys,
};

use super::{Held, Map};
use crate::{
    Error, Result,
    bpf::{
        Link,
        link::{self, owned},
        loaded::not_made,
    },
    diagnosis::requirement::UNATTACHED,
    host::messages::{listen, refused},
};

/// A table of kernel functions that programs implement, for example a congestion control:
/// `BPF_MAP_TYPE_STRUCT_OPS`, since kernel 5.6.
///
/// ```
/// use eunomia_runtime::bpf::{Link, StructOps};
///
/// fn register(congestion: &StructOps<'_>) -> eunomia_runtime::Result<Link> {
///     congestion.attach()
/// }
/// ```
#[doc(alias = "BPF_MAP_TYPE_STRUCT_OPS")]
#[derive(Debug)]
pub struct StructOps<'a> {
    map: Map<'a>,
    object: &'a Arc<Object>,
}

impl<'a> StructOps<'a> {
    pub(in crate::bpf) fn new(map: Map<'a>, object: &'a Arc<Object>) -> Result<Self> {
        Ok(Self { map: map.expect(&[MapType::StructOps], None, None)?, object })
    }

    /// Reports whether `attach` of the whole object attaches this map.
    pub(in crate::bpf) fn wanted(map: &libbpf_rs::Map<'_>) -> bool {
        let raw = map.as_libbpf_object().as_ptr();
        // SAFETY: the pointer is that of a map of a live object, and the call only reads a flag.
        let attached = || unsafe { libbpf_sys::bpf_map__autoattach(raw) };
        map.map_type() == MapType::StructOps && map.autocreate() && attached()
    }

    /// Switches off the creation of optional tables: those of `SEC("?.struct_ops")` and
    /// `SEC("?.struct_ops.link")`. libbpf (1.7) does this only for the first table of a section.
    pub(crate) fn switch_off_optional(object: &mut OpenObject) -> libbpf_rs::Result<()> {
        let optional = variables(object, &["?.struct_ops", "?.struct_ops.link"])?;
        let tables = object.maps_mut().filter(|map| {
            map.map_type() == MapType::StructOps && optional.iter().any(|name| *name == map.name())
        });
        tables.into_iter().try_for_each(|mut map| map.set_autocreate(false))
    }

    /// Returns the name of a table that is defined like other maps, in `SEC(".maps")`. libbpf (1.7)
    /// reads the members of such a table without checking that they exist.
    pub(crate) fn without_table(object: &OpenObject) -> libbpf_rs::Result<Option<OsString>> {
        let mut defined = variables(object, &[".maps"])?.into_iter();
        Ok(defined.find(|name| {
            object.maps().any(|map| map.map_type() == MapType::StructOps && *name == map.name())
        }))
    }

    /// Registers the table with the kernel. Dropping the link unregisters it as soon as nothing
    /// uses it.
    ///
    /// A table of the section `.struct_ops` stays registered if the process is killed, until it is
    /// unregistered (`bpftool struct_ops unregister`). A table of `.struct_ops.link` (kernel 6.4
    /// and later) is unregistered with the process, and can be pinned and replaced.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the kernel refuses: EEXIST if it has a table of this name; EBUSY if
    /// this table is registered, or is of the section `.struct_ops` and was registered before. The
    /// kernel accepts such a table once (`bpf_struct_ops_map_update_elem`), and one of
    /// `.struct_ops.link` any number of times. [`Error::NotLoaded`] if the table was not created:
    /// [`crate::bpf::Open::set_autocreate`] switches on that of `?.struct_ops`.
    pub fn attach(&self) -> Result<Link> {
        let tried = format!("attach the map `{}`", self.map.name().to_string_lossy());
        let Held::Object(map) = &self.map.held else {
            return Err(Error::Misuse {
                name: tried,
                why: "it does not belong to this object".to_owned(),
            });
        };
        if !map.autocreate() {
            return Err(not_made(&self.map.name().to_string_lossy()));
        }
        let raw = map.as_libbpf_object().as_ptr();
        // SAFETY: the map belongs to a live object, which the link keeps alive.
        let (link, log) = listen(|| owned(unsafe { libbpf_sys::bpf_map__attach_struct_ops(raw) }));
        let link = link.map_err(|error| {
            let error = refused(tried, &error, &log);
            let unattached = matches!(&error, Error::Kernel(kernel_error) if kernel_error.source.raw_os_error() == Some(libc::EOPNOTSUPP));
            error.with_hint(|| unattached.then_some(UNATTACHED))
        })?;
        let held = if linked(map) { link::Held::Table(link) } else { link::Held::PlainTable(link) };
        Ok(Link::new(held, self.object))
    }

    /// Returns the map, if it is of a section `.struct_ops.link`, and the object that keeps it
    /// alive.
    pub(in crate::bpf) fn linked(&self) -> Option<(*const libbpf_sys::bpf_map, &Arc<Object>)> {
        match &self.map.held {
            Held::Object(map) if linked(map) => {
                Some((map.as_libbpf_object().as_ptr(), self.object))
            }
            _ => None,
        }
    }

    /// Returns the untyped handle.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

/// Reports whether the kernel creates links of the map.
fn linked(map: &libbpf_rs::Map<'_>) -> bool {
    // SAFETY: the pointer is that of a map of a live object, and the call only reads a number.
    let flags = unsafe { libbpf_sys::bpf_map__map_flags(map.as_libbpf_object().as_ptr()) };
    flags & libbpf_sys::BPF_F_LINK != 0
}

/// Returns the names of the variables in some sections of the object.
fn variables(object: &OpenObject, sections: &[&str]) -> libbpf_rs::Result<Vec<OsString>> {
    // SAFETY: the object is live and is not changed during the call.
    let btf = Btf::from_bpf_object(unsafe { object.as_libbpf_object().as_ref() })?;
    let sections =
        sections.iter().filter_map(|name| btf.as_ref()?.type_by_name::<DataSec<'_>>(name));
    let variables =
        sections.flat_map(|section| section.iter().map(|slot| slot.ty).collect::<Vec<_>>());
    let names = variables
        .filter_map(|ty| Some(btf.as_ref()?.type_by_id::<Var<'_>>(ty)?.name()?.to_owned()));
    Ok(names.collect())
}
