//! struct_ops maps.

use std::fs;

use eunomia_runtime::{
    Skeleton,
    sample::{CharArray, KernelPtr},
};
use eunomia_tests::{
    built::{congestion, every, hooks},
    fixture,
};

use super::{Outcome, errno, host::connect_under};

pub(crate) fn known_controls() -> Result<String, std::io::Error> {
    fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control")
}

pub(crate) fn struct_ops_map_attaches() -> Outcome {
    let skel = congestion::open()?.load()?;
    let table = skel.maps()?.steady;
    let link = table.attach()?;
    assert!(known_controls()?.contains("eunomia_steady"));
    let twice = table.attach().unwrap_err();
    assert!(twice.to_string().starts_with("attach the map `steady`: "), "{twice}");
    connect_under("eunomia_steady")?;
    assert!(skel.bss()?.acknowledged.get()? > 0);
    drop(link);
    assert!(!known_controls()?.contains("eunomia_steady"));

    // `attach` on the whole skeleton attaches the map too, typed and dynamic.
    let attached = congestion::open()?.load()?.attach()?;
    assert!(known_controls()?.contains("eunomia_steady"));
    drop(attached);
    let attached =
        Skeleton::parse(&fixture("congestion"), "congestion")?.open()?.load()?.attach()?;
    assert!(known_controls()?.contains("eunomia_steady"));
    drop(attached);
    assert!(!known_controls()?.contains("eunomia_steady"));
    Ok(())
}

pub(crate) fn struct_ops_members_are_set() -> Outcome {
    let mut open = congestion::open()?;
    let mut tables = open.tables();
    let mut steady = tables.steady();
    let members = steady.members()?;
    let mut ops = members.get()?;
    assert_eq!(ops.name, "eunomia_steady");
    // The kernel requires `cong_avoid`, so it refuses the table without it.
    ops.cong_avoid = KernelPtr::default();
    ops.name = CharArray::new("eunomia_other")?;
    members.set(ops)?;
    let skel = open.load()?;
    let refused = skel.maps()?.steady.attach().unwrap_err();
    assert_eq!(errno(&refused), Some(libc::EINVAL), "{refused}");

    let mut open = congestion::open()?;
    let members = open.object().table::<congestion::types::TcpCongestionOps>("steady")?;
    members.set(congestion::types::TcpCongestionOps {
        name: CharArray::new("eunomia_other")?,
        ..members.get()?
    })?;
    let skel = open.load()?;
    let link = skel.maps()?.steady.attach()?;
    let known = known_controls()?;
    assert!(known.contains("eunomia_other") && !known.contains("eunomia_steady"), "{known}");
    connect_under("eunomia_other")?;
    assert!(skel.bss()?.acknowledged.get()? > 0);
    drop(link);

    let mut open = congestion::open()?;
    let small = open.object().table::<[u8; 4096]>("steady").unwrap_err();
    assert!(small.to_string().starts_with("steady"), "{small}");
    let mut open = hooks::open()?;
    let no_table = open.object().table::<u32>("table").unwrap_err();
    assert_eq!(
        no_table.to_string(),
        "map `table`: it is not a table of functions (BPF_MAP_TYPE_STRUCT_OPS)"
    );
    Ok(())
}

/// A struct_ops map that is enabled is created and its programs are loaded, but no other map of the
/// section is created.
pub(crate) fn autocreated_struct_ops_map_loads() -> Outcome {
    let mut open = every::open()?;
    open.tables().congestion().set_autocreate(true)?;
    let skel = open.load()?;
    let not_made = skel.maps()?.congestion_link.attach().unwrap_err();
    assert_eq!(
        not_made.to_string(),
        "map `congestion_link`: it is not in the kernel because its creation was switched off"
    );
    let link = skel.maps()?.congestion.attach()?;
    assert!(known_controls()?.contains("eunomia_every"));
    drop(link);
    Ok(())
}
