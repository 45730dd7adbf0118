//! Objects that are relocated against a cached part of the kernel's BTF.

use std::{
    fs,
    os::{
        fd::AsRawFd as _,
        unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    },
    path::Path,
};

use eunomia_runtime::{Skeleton, bpf::BtfCache, dynamic::Open};

use eunomia_tests::built::bootstrap;

use super::Outcome;

/// Returns the kernel's digest of the instructions of each program (`prog_tag`, proc(5)).
fn tags(open: Open) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>> {
    let skel = open.load()?;
    let programs = skel.checked().programs.iter().map(|(name, _)| {
        let fd = skel.object().program(name)?.fd()?.as_raw_fd();
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}"))?;
        Ok(info
            .lines()
            .find(|line| line.starts_with("prog_tag:"))
            .ok_or("no prog_tag in fdinfo")?
            .to_owned())
    });
    programs.collect()
}

pub(crate) fn cached_btf_relocates_like_whole_btf() -> Outcome {
    let folder = tempfile::tempdir()?;
    let cache = BtfCache::new(folder.path().join("cache"))?;
    let checked = Skeleton::from_file("bpf/bootstrap.json")?.check()?;
    let object = checked.skeleton.object.clone().unwrap_or_default();
    let path = cache.file(&object)?.ok_or("no file, but the object reads kernel fields")?;
    let bytes = fs::read(&path)?;
    assert!(bytes.len() < 100_000, "{}", bytes.len());
    assert_eq!(tags(checked.clone().open(Some(&path))?)?, tags(checked.clone().open(None)?)?);
    // The typed module embeds the same object.
    assert_eq!(cache.file(bootstrap::OBJECT)?.as_ref(), Some(&path));
    drop(bootstrap::open_for(Some(&path))?.load()?.attach()?);
    // A file that a crash left truncated is written again.
    fs::write(&path, &bytes[..bytes.len() / 2])?;
    assert_eq!(cache.file(&object)?.as_ref(), Some(&path));
    assert_eq!(fs::read(&path)?, bytes);
    let other = Skeleton::from_file("bpf/streams.json")?.object.unwrap_or_default();
    assert_eq!(cache.file(&other)?, None, "it reads no kernel fields");
    let pointers = Skeleton::from_file("bpf/profile.json")?.object.unwrap_or_default();
    assert_eq!(cache.file(&pointers)?, None, "its relocations ask for a pointer type");
    assert!(cache.file(b"no object").is_err());
    Ok(())
}

pub(crate) fn folder_writable_by_others_is_refused() -> Outcome {
    let refused = |folder: &Path| BtfCache::new(folder).unwrap_err().to_string();
    let folder = tempfile::tempdir()?;
    let [open, own, inner, foreign, link] =
        ["open", "own", "open/inner", "foreign", "link"].map(|name| folder.path().join(name));
    [&open, &own, &inner, &foreign]
        .into_iter()
        .try_for_each(|folder| fs::create_dir(folder).map(drop))?;
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777))?;
    assert!(refused(&open).contains("others can write to it"), "{}", refused(&open));
    // A user who can write to a folder above it could replace the folder.
    assert!(
        refused(&inner).contains(&format!("others can write to `{}` above it", open.display())),
        "{}",
        refused(&inner)
    );
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777))?;
    BtfCache::new(&inner)?;
    chown(&foreign, Some(65534), None)?;
    assert!(
        refused(&foreign).contains("belongs neither to root nor to this user"),
        "{}",
        refused(&foreign)
    );
    // A symbolic link may belong to another user, whatever it points to.
    symlink(&own, &link)?;
    assert!(refused(&link).starts_with(&format!("{}: ", link.display())), "{}", refused(&link));
    let file = refused(Path::new("/proc/version"));
    assert!(file.starts_with("/proc/version: "), "{file}");
    Ok(())
}

pub(crate) fn planted_files_are_replaced() -> Outcome {
    let folder = tempfile::tempdir()?;
    let cache = BtfCache::new(folder.path())?;
    let path =
        cache.file(bootstrap::OBJECT)?.ok_or("no file, but the object reads kernel fields")?;
    let bytes = fs::read(&path)?;
    let about = fs::metadata(&path)?;
    assert_eq!((about.mode() & 0o7777, about.uid()), (0o600, 0));
    // None of these is read or written to: the file is replaced.
    let elsewhere = tempfile::NamedTempFile::new()?;
    let anew = || -> Outcome {
        assert_eq!(cache.file(bootstrap::OBJECT)?.as_ref(), Some(&path));
        let about = fs::symlink_metadata(&path)?;
        assert!(
            about.is_file()
                && about.uid() == 0
                && about.mode() & 0o022 == 0
                && fs::read(&path)? == bytes
        );
        Ok(fs::remove_file(&path)?)
    };
    fs::remove_file(&path)?;
    fs::write(elsewhere.path(), &bytes)?;
    symlink(elsewhere.path(), &path)?;
    anew()?;
    fs::write(&path, &bytes)?;
    chown(&path, Some(65534), None)?;
    anew()?;
    fs::write(&path, &bytes)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    anew()?;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0)?;
    anew()?;
    assert_eq!(fs::read(elsewhere.path())?, bytes);
    assert_eq!(fs::read_dir(folder.path())?.count(), 0, "a temporary file is left");
    Ok(())
}
