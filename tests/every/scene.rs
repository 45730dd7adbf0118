//! Where a program is tried, so that it meets nothing else.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process,
};

use crate::{
    Outcome,
    host::{self, cgroups, raise},
    netlink,
};

/// In a network namespace of its own.
pub(crate) fn apart(run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    host::apart(run)
}

/// As [`apart`], with a pair of interfaces `a` and `b`: what one sends the other receives.
pub(crate) fn with_veth(run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    with_pair(netlink::veth, run)
}

/// As [`apart`], with a pair of netkit interfaces: `a` is the primary one.
pub(crate) fn with_netkit(run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    with_pair(
        |name, peer| match netlink::netkit(name, peer) {
            // What the kernel says of programs for them is asked for all the same.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => netlink::veth(name, peer),
            made => made,
        },
        run,
    )
}

fn with_pair(make: fn(&str, &str) -> std::io::Result<()>, run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    apart(&|| {
        make("a", "b")?;
        // Else the kernel sends packets of its own.
        for name in ["a", "b"] {
            fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1")?;
        }
        raise("a")?;
        raise("b")?;
        run()
    })
}

/// This process in a cgroup of its own.
pub(crate) fn grouped(run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    /// Leaves it on every way out.
    struct Inside {
        group: PathBuf,
        before: PathBuf,
    }
    impl Drop for Inside {
        fn drop(&mut self) {
            _ = enter(&self.before);
            _ = fs::remove_dir(&self.group);
        }
    }
    fn enter(group: &Path) -> std::io::Result<()> {
        fs::write(group.join("cgroup.procs"), process::id().to_string())
    }
    let before = fs::read_to_string("/proc/self/cgroup")?;
    let before = before.lines().find_map(|line| line.strip_prefix("0::")).ok_or("no cgroup of version 2")?;
    let inside = Inside { group: group()?, before: cgroups()?.join(before.trim_start_matches('/')) };
    fs::create_dir(&inside.group)?;
    enter(&inside.group)?;
    run()
}

/// The cgroup of [`grouped`].
pub(crate) fn group() -> Result<PathBuf, Box<dyn Error + Send + Sync>> {
    Ok(cgroups()?.join(format!("eunomia-every-{}", process::id())))
}
