//! Objects that are relocated with a part of the kernel's BTF.

use std::{
    fs,
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
};

use eunomia_runtime::{Skeleton, bpf::BtfCache, dynamic::Open};

use eunomia_tests::built::bootstrap;

use super::Outcome;

/// The kernel's digest of the instructions of each program, proc(5).
fn tags(open: Open) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>> {
    let skel = open.load()?;
    let programs = skel.checked().programs.iter().map(|(name, _)| {
        let fd = skel.object().program(name)?.fd()?.as_raw_fd();
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}"))?;
        Ok(info.lines().find(|line| line.starts_with("prog_tag:")).ok_or("the kernel tells no tag")?.to_owned())
    });
    programs.collect()
}

pub(crate) fn instructions_are_those_of_the_whole() -> Outcome {
    let folder = tempfile::tempdir()?;
    let cache = BtfCache::new(folder.path().join("cache"))?;
    let checked = Skeleton::from_file("bpf/bootstrap.json")?.check("bootstrap")?;
    let object = checked.skeleton.object.clone().unwrap_or_default();
    let path = cache.file(&object)?.ok_or("the object reads fields of the kernel")?;
    let bytes = fs::read(&path)?;
    assert!(bytes.len() < 100_000, "{}", bytes.len());
    assert_eq!(tags(checked.clone().open(Some(&path))?)?, tags(checked.clone().open(None)?)?);
    // The typed module has the same object.
    assert_eq!(cache.file(bootstrap::OBJECT)?.as_ref(), Some(&path));
    drop(bootstrap::open_for(Some(&path))?.load()?.attach()?);
    // What a crash has left of it is made anew.
    fs::write(&path, &bytes[..bytes.len() / 2])?;
    assert_eq!(cache.file(&object)?.as_ref(), Some(&path));
    assert_eq!(fs::read(&path)?, bytes);
    let other = Skeleton::from_file("bpf/streams.json")?.object.unwrap_or_default();
    assert_eq!(cache.file(&other)?, None, "it reads none");
    let pointers = Skeleton::from_file("bpf/profile.json")?.object.unwrap_or_default();
    assert_eq!(cache.file(&pointers)?, None, "it asks for a type that is a pointer");
    assert!(cache.file(b"no object").is_err());
    Ok(())
}

pub(crate) fn folders_that_others_can_write_to() -> Outcome {
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777))?;
    let refused = BtfCache::new(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("others can write to it"), "{refused}");
    let file = BtfCache::new("/proc/version").unwrap_err().to_string();
    assert!(file.starts_with("/proc/version: "), "{file}");
    Ok(())
}
