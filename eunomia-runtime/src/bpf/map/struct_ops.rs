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
        sys::messages::{listen, refused},
    },
    diagnosis::requirement::UNATTACHED,
};

/// A table of the kernel's functions that programs fill (`BPF_MAP_TYPE_STRUCT_OPS`), a congestion control for example.
#[derive(Debug)]
pub struct StructOps<'a> {
    map: Map<'a>,
    object: &'a Arc<Object>,
}

impl<'a> StructOps<'a> {
    pub(in crate::bpf) fn new(map: Map<'a>, object: &'a Arc<Object>) -> Result<Self> {
        Ok(Self { map: map.expect(&[MapType::StructOps], None, None)?, object })
    }

    /// Whether `attach` of the whole object attaches this map.
    pub(in crate::bpf) fn wanted(map: &libbpf_rs::Map<'_>) -> bool {
        let raw = map.as_libbpf_object().as_ptr();
        // SAFETY: the pointer is that of a map of a live object, and the call only reads a flag.
        let attached = || unsafe { libbpf_sys::bpf_map__autoattach(raw) };
        map.map_type() == MapType::StructOps && map.autocreate() && attached()
    }

    /// Switches off those that are not made unless asked for: `SEC("?.struct_ops")`, `SEC("?.struct_ops.link")`. libbpf (1.7) does it for the
    /// first one of a section alone.
    pub(crate) fn switch_off_optional(object: &mut OpenObject) -> libbpf_rs::Result<()> {
        let optional = variables(object, &["?.struct_ops", "?.struct_ops.link"])?;
        let tables =
            object.maps_mut().filter(|map| map.map_type() == MapType::StructOps && optional.iter().any(|name| *name == map.name()));
        tables.into_iter().try_for_each(|mut map| map.set_autocreate(false))
    }

    /// The map that is defined as other maps are, in `SEC(".maps")`: libbpf (1.7) reads its table without asking whether it has one.
    pub(crate) fn without_table(object: &OpenObject) -> libbpf_rs::Result<Option<OsString>> {
        let mut defined = variables(object, &[".maps"])?.into_iter();
        Ok(defined.find(|name| object.maps().any(|map| map.map_type() == MapType::StructOps && *name == map.name())))
    }

    /// Gives the table to the kernel. Dropping the link takes it back as soon as nobody uses it.
    ///
    /// One of the section `.struct_ops` stays with the kernel when the process is killed, until somebody takes it back (`bpftool struct_ops
    /// unregister`); one of `.struct_ops.link` (kernel 6.4 and later) goes with the process, and can be pinned and replaced.
    ///
    /// # Errors
    /// [`Error::Kernel`]; EEXIST where the kernel has one of this name, EBUSY where this one is attached, or was and is of the section
    /// `.struct_ops`: the kernel takes those once (`bpf_struct_ops_map_update_elem`), the ones of `.struct_ops.link` again and again. [`Error::Value`] where it
    /// was not made: those of `?.struct_ops` are asked for with [`crate::bpf::Open::set_autocreate`].
    pub fn attach(&self) -> Result<Link> {
        let tried = format!("attach the map `{}`", self.map.name().to_string_lossy());
        let Held::Object(map) = &self.map.held else {
            return Err(Error::Value { name: tried, why: "it is not of this object".to_owned() });
        };
        if !map.autocreate() {
            return Err(not_made(&self.map.name().to_string_lossy()));
        }
        let raw = map.as_libbpf_object().as_ptr();
        // SAFETY: the map is that of a live object, which the link keeps alive.
        let (link, said) = listen(|| owned(unsafe { libbpf_sys::bpf_map__attach_struct_ops(raw) }));
        let link = link.map_err(|error| {
            let error = refused(tried, &error, &said);
            let unattached = matches!(&error, Error::Kernel(refusal) if refusal.source.raw_os_error() == Some(libc::EOPNOTSUPP));
            error.with_hint(|| unattached.then_some(UNATTACHED))
        })?;
        let held = if linked(map) { link::Held::Table(link) } else { link::Held::PlainTable(link) };
        Ok(Link::new(held, self.object))
    }

    /// The map, where it is of a section `.struct_ops.link`, and what it lives as long as.
    pub(in crate::bpf) fn linked(&self) -> Option<(*const libbpf_sys::bpf_map, &Arc<Object>)> {
        match &self.map.held {
            Held::Object(map) if linked(map) => Some((map.as_libbpf_object().as_ptr(), self.object)),
            _ => None,
        }
    }

    /// The map without types.
    pub fn as_map(&self) -> &Map<'a> {
        &self.map
    }
}

/// Whether the kernel makes links of the map.
fn linked(map: &libbpf_rs::Map<'_>) -> bool {
    // SAFETY: the pointer is that of a map of a live object, and the call only reads a number.
    let flags = unsafe { libbpf_sys::bpf_map__map_flags(map.as_libbpf_object().as_ptr()) };
    flags & libbpf_sys::BPF_F_LINK != 0
}

/// The variables of some sections of the object.
fn variables(object: &OpenObject, sections: &[&str]) -> libbpf_rs::Result<Vec<OsString>> {
    // SAFETY: the object is alive and not changed meanwhile.
    let btf = Btf::from_bpf_object(unsafe { object.as_libbpf_object().as_ref() })?;
    let sections = sections.iter().filter_map(|name| btf.as_ref()?.type_by_name::<DataSec<'_>>(name));
    let variables = sections.flat_map(|section| section.iter().map(|slot| slot.ty).collect::<Vec<_>>());
    let names = variables.filter_map(|ty| Some(btf.as_ref()?.type_by_id::<Var<'_>>(ty)?.name()?.to_owned()));
    Ok(names.collect())
}
