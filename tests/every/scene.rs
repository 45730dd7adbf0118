//! Environments that isolate a program under test.

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

/// Runs in a new network namespace.
pub(crate) fn apart(run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    host::apart(run)
}

/// Runs as [`apart`] does, with a pair of veth interfaces `a` and `b`: each receives what the other
/// sends.
pub(crate) fn with_veth(run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    with_pair(netlink::veth, run)
}

/// Runs as [`apart`] does, with a pair of netkit interfaces, of which `a` is the primary one.
pub(crate) fn with_netkit(run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    with_pair(
        |name, peer| match netlink::netkit(name, peer) {
            // A kernel without netkit must still be asked to load programs for it.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                netlink::veth(name, peer)
            }
            made => made,
        },
        run,
    )
}

fn with_pair(
    make: fn(&str, &str) -> std::io::Result<()>,
    run: &(dyn Fn() -> Outcome + Sync),
) -> Outcome {
    apart(&|| {
        make("a", "b")?;
        // Otherwise the kernel sends IPv6 packets of its own.
        for name in ["a", "b"] {
            fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1")?;
        }
        raise("a")?;
        raise("b")?;
        run()
    })
}

/// Runs with this process in a new cgroup.
pub(crate) fn grouped(run: &(dyn Fn() -> Outcome + Sync)) -> Outcome {
    /// Moves the process back and removes the cgroup when dropped.
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
    let before =
        before.lines().find_map(|line| line.strip_prefix("0::")).ok_or("no cgroup of version 2")?;
    let inside =
        Inside { group: group()?, before: cgroups()?.join(before.trim_start_matches('/')) };
    fs::create_dir(&inside.group)?;
    enter(&inside.group)?;
    run()
}

/// The path of the cgroup of [`grouped`].
pub(crate) fn group() -> Result<PathBuf, Box<dyn Error + Send + Sync>> {
    Ok(cgroups()?.join(format!("eunomia-every-{}", process::id())))
}
