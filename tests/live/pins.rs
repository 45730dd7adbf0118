//! Maps and programs that outlive the object that created them.

use std::{
    fs,
    os::{
        fd::AsFd as _,
        unix::fs::{lchown, symlink},
    },
    path::{Path, PathBuf},
};

use eunomia_runtime::{
    bpf::{self, Array, HashMap, Map},
    sample::Event as _,
};
use eunomia_tests::built::{
    congestion,
    given::types::{Event, Net},
    maps::{self, types::Cell},
};

use super::{
    Outcome,
    child::{self, Other, answer, tried},
    errno,
    given::{INNER, open},
    missing::own_mounts,
};

/// A path in the BPF file system, removed when dropped.
pub(crate) struct Pin(pub(crate) PathBuf);

impl Pin {
    pub(crate) fn new(name: &str) -> Self {
        let folder = bpf::mount::bpffs().expect("no BPF file system, and none can be mounted");
        Self(folder.join(format!("eunomia-{name}-{}", std::process::id())))
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

/// An object uses the pinned map of an earlier one and finds its entries.
pub(crate) fn pinned_map_is_found_again() -> Outcome {
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
    // A map that is pinned after loading, through its handle.
    let (other, skel) = (Pin::new("other"), maps::open()?.load()?);
    skel.object().map("array")?.pin(&other.0)?;
    assert_eq!(errno(&skel.object().map("array")?.pin(&other.0).unwrap_err()), Some(libc::EEXIST));
    let mut open = maps::open()?;
    open.object().set_pin_path("hash", &other.0)?;
    let unlike = open.load().unwrap_err();
    assert_eq!(errno(&unlike), Some(libc::EINVAL), "{unlike}");
    let differs = format!(
        "hint: the map pinned at {} does not match `hash` of this object: type: pinned array, expected hash; max_entries: pinned 3, \
         expected 1000; remove the file if that map is no longer needed, or choose another path",
        other.0.display()
    );
    assert!(unlike.to_string().ends_with(&differs), "{unlike}");
    let elsewhere = skel.object().map("array")?.pin("/tmp/eunomia-pin").unwrap_err();
    assert_eq!(errno(&elsewhere), Some(libc::EPERM), "{elsewhere}");
    assert!(
        elsewhere.to_string().contains(
            "hint: the path is not on a file system of type bpf; one is mounted at /sys/fs/bpf"
        ),
        "{elsewhere}"
    );
    Ok(())
}

/// Two objects share a map by descriptor, without a path.
pub(crate) fn map_of_other_object_is_reused() -> Outcome {
    let first = maps::open()?.load()?;
    let mut open = maps::open()?;
    open.object().reuse_map("hash", first.object().map("hash")?.fd())?;
    let second = open.load()?;
    second.maps()?.hash.insert(&7, &cell(8))?;
    assert_eq!(first.maps()?.hash.get(&7)?, Some(cell(8)));
    let mut open = maps::open()?;
    let refused = |error: eunomia_runtime::Error| {
        assert_eq!(error.to_string(), "map `hash`: the file descriptor does not refer to a map")
    };
    refused(open.object().reuse_map("hash", std::io::stderr().as_fd()).unwrap_err());
    refused(open.object().reuse_map("hash", first.progs()?.run.fd()?).unwrap_err());
    // A map that is not created.
    let mut open = maps::open()?;
    open.object().set_autocreate("cgroups", false)?;
    let refused = open.load()?.object().map("cgroups").map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        refused,
        "map `cgroups`: it is not in the kernel because its creation was switched off"
    );
    Ok(())
}

/// libbpf would expose memory of another size than the map has.
pub(crate) fn struct_ops_maps_are_not_reused() -> Outcome {
    const WHY: &str =
        "a table of functions (struct_ops) cannot replace another map or be replaced by one";
    let (tables, maps) = (congestion::open()?.load()?, maps::open()?.load()?);
    let (table, map) = (tables.object().map("steady")?, maps.object().map("hash")?);
    for fd in [table.fd(), map.fd()] {
        let refused = congestion::open()?.object().reuse_map("steady", fd).unwrap_err();
        assert_eq!(refused.to_string(), format!("map `steady`: {WHY}"));
    }
    let refused = maps::open()?.object().reuse_map("hash", table.fd()).unwrap_err();
    assert_eq!(refused.to_string(), format!("map `hash`: {WHY}"));
    Ok(())
}

pub(crate) fn program_is_pinned() -> Outcome {
    let (pin, skel) = (Pin::new("program"), maps::open()?.load()?);
    skel.progs()?.run.pin(&pin.0)?;
    drop(skel);
    assert!(pin.0.exists());
    Ok(())
}

/// Two processes write and read the same map, even after this one has loaded its object again.
pub(crate) fn processes_share_pinned_map() -> Outcome {
    let pin = Pin::new("shared");
    let path = pin.0.to_str().ok_or("the path is not UTF-8")?;
    let first = shared(path)?;
    first.maps()?.hash.insert(&1, &cell(10))?;
    let mut other = Other::start(&format!("pinned {path}"), [])?;
    assert_eq!(other.next()?, Some(("read".to_owned(), "10".to_owned())));
    assert_eq!(first.maps()?.hash.get(&2)?, Some(cell(20)));
    drop(first);
    let again = shared(path)?;
    assert_eq!(again.maps()?.hash.get(&2)?, Some(cell(20)));
    again.maps()?.hash.insert(&1, &cell(11))?;
    other.go_on()?;
    assert_eq!(other.end()?.get("read again").map(String::as_str), Some("11"));
    assert_eq!(
        again.maps()?.hash.get(&2)?,
        Some(cell(21)),
        "written by the process that has ended"
    );
    Ok(())
}

fn shared(path: &str) -> Result<maps::Loaded, eunomia_runtime::Error> {
    let mut open = maps::open()?;
    open.object().set_pin_path("hash", path)?;
    open.load()
}

/// The part of the other process.
pub(crate) fn another_process(path: &str) -> Outcome {
    let skel = shared(path)?;
    let hash = skel.maps()?.hash;
    let read = || hash.get(&1).map(|cell| cell.map_or(0, |cell| cell.id));
    hash.insert(&2, &cell(20))?;
    answer("read", read()?);
    child::wait()?;
    hash.insert(&2, &cell(21))?;
    answer("read again", read()?);
    Ok(())
}

/// Another user has taken the names of pins, which every user may do in a BPF file system that is
/// mounted without options. A link of his would make this process read the ring of another object.
pub(crate) fn pins_of_other_users_are_refused() -> Outcome {
    let answers = child::run("pins-of-user")?;
    for (name, place) in [
        ("a folder", "folder"),
        ("a link to a pin", "link"),
        ("a link to nothing", "dangling"),
        ("a pin below a link", "way"),
        ("a pin in a folder", "folder"),
        ("a map that is opened", "link"),
    ] {
        let refused = format!(
            ": the user 65534 made /sys/fs/bpf/{place}, and could choose what is used; remove it, or make it your own with chown"
        );
        // The kernel itself does not follow a link with `fs.protected_symlinks`.
        let by_kernel = |said: &str| place == "link" && said.contains("Permission denied");
        let is_refused = |said: &String| said.ends_with(&refused) || by_kernel(said);
        assert!(answers.get(name).is_some_and(is_refused), "{answers:#?}");
    }
    assert_eq!([&answers["an own link"], &answers["an own map that is opened"]], ["ok", "ok"]);
    Ok(())
}

/// The part in a file system of its own.
pub(crate) fn pins_of_user(_: &str) -> Outcome {
    own_mounts()?;
    rustix::mount::mount("bpf", "/sys/fs/bpf", "bpf", rustix::mount::MountFlags::empty(), None)?;
    let place = |name: &str| Path::new("/sys/fs/bpf").join(name);
    shared("/sys/fs/bpf/own")?;
    symlink(place("own"), place("mine"))?;
    fs::create_dir(place("folder"))?;
    symlink(place("own"), place("link"))?;
    symlink(place("gone"), place("dangling"))?;
    symlink("/sys/fs/bpf", place("way"))?;
    for name in ["folder", "link", "dangling", "way"] {
        lchown(place(name), Some(65534), Some(65534))?;
    }
    for (name, path) in [
        ("a folder", "folder"),
        ("a link to a pin", "link"),
        ("a link to nothing", "dangling"),
        ("a pin below a link", "way/own"),
        ("a pin in a folder", "folder/new"),
        ("an own link", "mine"),
    ] {
        tried(name, shared(&format!("/sys/fs/bpf/{path}")).map_err(Into::into));
    }
    tried("a map that is opened", Map::open(place("link")).map_err(Into::into));
    tried("an own map that is opened", Map::open(place("mine")).map_err(Into::into));
    Ok(())
}

pub(crate) fn pinned_map_opens_without_object() -> Outcome {
    let (pin, other) = (Pin::new("opened"), Pin::new("program-opened"));
    let skel = open()?.load()?;
    skel.object().map("hits")?.pin(&pin.0)?;
    skel.progs()?.rewrite.pin(&other.0)?;
    skel.maps()?.hits.insert(&1, &Event { number: 3, ..Event::default() })?;
    drop(skel);
    let hits: HashMap<'static, u32, Event> =
        Map::open(&pin.0)?.check_types(Some("unsigned int"), Some(Event::C_NAME))?.into_typed()?;
    assert_eq!(hits.get(&1)?.map(|event| event.number), Some(3));
    let refused = Map::open(&pin.0)?.check_types(None, Some(Net::C_NAME)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "map `hits`: its values are of type `struct event`, expected `struct net`"
    );
    let refused = Map::open(&pin.0)?.into_typed::<HashMap<'_, u32, u32>>().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "map `hits`: its key and value sizes are 4 and 8 bytes, expected 4 and 4"
    );
    assert!(Map::open(&pin.0)?.into_typed::<Array<'_, Event>>().is_err());
    // A map that was created without BTF accepts any type names.
    Map::create("plain", &INNER)?
        .check_types(Some("int"), Some("int"))?
        .into_typed::<Array<'_, u32>>()?;
    let refused = Map::open(&other.0).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("open the map pinned to {}: it is not a map", other.0.display())
    );
    assert_eq!(errno(&Map::open("/sys/fs/bpf/eunomia-none").unwrap_err()), Some(libc::ENOENT));
    assert_eq!(errno(&Map::open("/proc/self/status").unwrap_err()), Some(libc::EACCES));
    assert!(Map::open("/sys/fs/bpf/a\0b").is_err());
    Ok(())
}
