//! Maps and programs that outlive the object that made them.

use std::{fs, os::fd::AsFd as _, path::PathBuf};

use eunomia_tests::built::maps::{self, types::Cell};

use super::{Outcome, errno};

/// A name in the BPF file system, removed behind the test.
pub(crate) struct Pin(pub(crate) PathBuf);

impl Pin {
    pub(crate) fn new(name: &str) -> Self {
        Self(format!("/sys/fs/bpf/eunomia-{name}-{}", std::process::id()).into())
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn cell(id: u32) -> Cell {
    Cell { id, ..Cell::default() }
}

/// The object that comes later finds what the first one has left in its map.
pub(crate) fn maps_are_pinned_and_found_again() -> Outcome {
    let pin = Pin::new("map");
    let load = || {
        let mut open = maps::open()?;
        open.object().set_pin_path("hash", &pin.0)?;
        open.load()
    };
    let first = load()?;
    first.maps()?.hash.insert(&1, &cell(2))?;
    drop(first);
    assert!(pin.0.exists());
    assert_eq!(load()?.maps()?.hash.get(&1)?, Some(cell(2)));
    // One that is pinned later, by its handle.
    let (other, skel) = (Pin::new("other"), maps::open()?.load()?);
    skel.object().map("array")?.pin(&other.0)?;
    assert_eq!(errno(&skel.object().map("array")?.pin(&other.0).unwrap_err()), Some(libc::EEXIST));
    let mut open = maps::open()?;
    open.object().set_pin_path("hash", &other.0)?;
    let unlike = open.load().unwrap_err();
    assert_eq!(errno(&unlike), Some(libc::EINVAL), "{unlike}");
    let elsewhere = skel.object().map("array")?.pin("/tmp/eunomia-pin").unwrap_err();
    assert_eq!(errno(&elsewhere), Some(libc::EPERM), "{elsewhere}");
    Ok(())
}

/// Two objects share a map, without a name for it.
pub(crate) fn a_map_of_another_object_is_used() -> Outcome {
    let first = maps::open()?.load()?;
    let mut open = maps::open()?;
    open.object().reuse_map("hash", first.object().map("hash")?.fd())?;
    let second = open.load()?;
    second.maps()?.hash.insert(&7, &cell(8))?;
    assert_eq!(first.maps()?.hash.get(&7)?, Some(cell(8)));
    let mut open = maps::open()?;
    let refused = |error: eunomia_runtime::Error| assert_eq!(error.to_string(), "map `hash`: what is to be used in its place is no map");
    refused(open.object().reuse_map("hash", std::io::stderr().as_fd()).unwrap_err());
    refused(open.object().reuse_map("hash", first.progs()?.run.fd()?).unwrap_err());
    // One that is not made.
    let mut open = maps::open()?;
    open.object().set_autocreate("cgroups", false)?;
    let refused = open.load()?.object().map("cgroups").map(|_| ()).unwrap_err().to_string();
    assert_eq!(refused, "map `cgroups`: its creation was switched off, so it is not in the kernel");
    Ok(())
}

pub(crate) fn programs_are_pinned() -> Outcome {
    let (pin, skel) = (Pin::new("program"), maps::open()?.load()?);
    skel.progs()?.run.pin(&pin.0)?;
    drop(skel);
    assert!(pin.0.exists());
    Ok(())
}
