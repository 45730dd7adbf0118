//! Links: pinned and opened again, given another program, dropped by the dozen, and beside what
//! other code has attached.

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use eunomia_runtime::{
    Error, Skeleton,
    bpf::{Direction, Link, LinkKind, Links, Rank, XdpMode, attached_xdp, kind},
    error,
};
use eunomia_tests::{
    built::{hooks, maps, programs, tables},
    fixture,
};
use libbpf_rs::{TC_EGRESS, TcHookBuilder, Xdp, XdpFlags, query::ProgInfoIter};

use super::{
    Outcome, errno,
    hooks::{Group, remove_filters_of_lo, runs},
    host::{apart, connect_under},
    pins::Pin,
    programs::{PROBED, eunomia_live_probed},
    sockets::pair,
    tables::known_controls,
};

/// Returns the ids of the XDP programs of `lo`.
fn on_lo() -> Result<Vec<u32>, Error> {
    attached_xdp("lo").map(|programs| programs.iter().map(|program| program.program).collect())
}

/// Waits until `done`: the kernel releases a pinned object a moment after its file is removed.
fn soon(done: impl Fn() -> Result<bool, Error>) -> Outcome {
    let start = Instant::now();
    while !done()? {
        assert!(start.elapsed() < Duration::from_secs(10), "it is still attached");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn is_invalid_call(error: &Error, says: &str) {
    assert!(
        error.kind() == error::ErrorKind::InvalidCall && error.to_string().contains(says),
        "{error}"
    );
}

pub(crate) fn pinned_link_is_opened() -> Outcome {
    apart(|| {
        let (pin, skel) = (Pin::new("link"), programs::open()?.load()?);
        let program = skel.progs()?.drop_none;
        let mut link = program.attach_to("lo", XdpMode::Generic)?;
        let (info, id) = (link.info()?, program.id()?);
        assert_eq!((info.kind, info.program, info.interface), (LinkKind::Xdp, id, Some(1)));
        link.pin(&pin.0)?;
        assert_eq!(errno(&link.pin(&pin.0).unwrap_err()), Some(libc::EEXIST));
        assert_eq!(errno(&link.pin("/tmp/eunomia-pin").unwrap_err()), Some(libc::EPERM));
        // Drops the object and the link that was pinned.
        drop((link, program));
        drop(skel);
        assert_eq!(on_lo()?, [id]);
        let mut link = Link::open(&pin.0)?;
        assert_eq!(link.info()?, info);
        // After the file is removed, the open link can be pinned again.
        fs::remove_file(&pin.0)?;
        assert_eq!(on_lo()?, [id]);
        link.pin(&pin.0)?;
        drop(link);
        assert_eq!(on_lo()?, [id]);
        // Another object replaces the program of the link.
        let skel = programs::open()?.load()?;
        let program = skel.progs()?.drop_none;
        let mut link = Link::open(&pin.0)?;
        link.replace(&program)?;
        assert_eq!(on_lo()?, [program.id()?]);
        fs::remove_file(&pin.0)?;
        assert_eq!(on_lo()?, [program.id()?]);
        drop(link);
        soon(|| Ok(on_lo()?.is_empty()))
    })
}

/// libbpf disables the perf event when it closes the link of a probe.
pub(crate) fn pinned_probe_stays_attached() -> Outcome {
    let (pin, skel) = (Pin::new("probe"), programs::open()?.load()?);
    let mut link =
        skel.progs()?.on_call.attach_to("/proc/self/exe", &PROBED, Some(std::process::id()), 0)?;
    assert_eq!(link.info()?.kind, LinkKind::PerfEvent);
    link.pin(&pin.0)?;
    eunomia_live_probed(0);
    drop(link);
    eunomia_live_probed(0);
    assert_eq!(skel.bss()?.calls.get()?, 2, "it is pinned");
    drop(Link::open(&pin.0)?);
    eunomia_live_probed(0);
    assert_eq!(skel.bss()?.calls.get()?, 3, "it still is");
    fs::remove_file(&pin.0)?;
    soon(|| {
        let before = skel.bss()?.calls.get()?;
        eunomia_live_probed(0);
        Ok(skel.bss()?.calls.get()? == before)
    })
}

pub(crate) fn only_links_are_opened() -> Outcome {
    let refused = |path: &str| Link::open(path).map(drop).unwrap_err();
    let missing = refused("/sys/fs/bpf/eunomia-none");
    assert_eq!(
        missing.to_string(),
        "open a link that is pinned to /sys/fs/bpf/eunomia-none: No such file or directory (os error 2)"
    );
    let file = refused("/proc/self/exe");
    assert_eq!(errno(&file), Some(libc::EACCES), "{file}");
    assert!(file.to_string().contains("hint: the path is not in a BPF file system"), "{file}");
    is_invalid_call(&refused("/sys\0fs"), "nul byte");
    let (map, program, skel) =
        (Pin::new("no-link-map"), Pin::new("no-link-program"), maps::open()?.load()?);
    skel.maps()?.hash.as_map().pin(&map.0)?;
    skel.progs()?.run.pin(&program.0)?;
    for Pin(path) in [&map, &program] {
        let error = Link::open(path).map(drop).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{}: the object that is pinned there is not a link", path.display())
        );
    }
    Ok(())
}

/// The new program may come from a generated module or from a dynamic skeleton: the links are the
/// same.
pub(crate) fn replace_works_on_interfaces() -> Outcome {
    apart(|| {
        let old = programs::open()?.load()?;
        let mut link = old.progs()?.drop_none.attach_to("lo", XdpMode::Generic)?;
        let new = Skeleton::parse(&fixture("programs"), "programs")?.open()?.load()?;
        let program = new.object().typed_program::<kind::Xdp>("drop_none")?;
        let (id, before, of) = (program.id()?, link.info()?.program, link.info()?.id);
        link.replace(&program)?;
        drop((old, new));
        // The link no longer holds the old program.
        soon(|| Ok(!ProgInfoIter::default().any(|program| program.id == before)))?;
        assert_eq!(
            (on_lo()?, link.info()?.id),
            (vec![id], of),
            "it is the same link, which keeps the new program"
        );
        drop(link);
        assert!(on_lo()?.is_empty());

        // Each packet runs one of the two programs. The link is tcx, or a filter if the kernel
        // lacks tcx, and then a filter on every kernel.
        let (old, new) = (hooks::open()?.load()?, hooks::open()?.load()?);
        let (from, to) = pair()?;
        let send = || -> Result<(u64, u64), Box<dyn std::error::Error + Send + Sync>> {
            from.send(b"seen")?;
            to.recv(&mut [0; 8])?;
            Ok((runs(&old)?, runs(&new)?))
        };
        let (one, other) = (old.progs()?.classify, new.progs()?.classify);
        let rank = Rank { handle: 3, priority: 4 };
        let ways: [&dyn Fn() -> Result<Link, Error>; 2] =
            [&|| one.attach_to("lo", Direction::Egress), &|| {
                one.attach_filter("lo", Direction::Egress, rank)
            }];
        for attach in ways {
            let mut link = attach()?;
            assert_eq!(send()?, (1, 0), "{link:?}");
            link.replace(&other)?;
            assert_eq!(send()?, (0, 1), "{link:?}");
            link.replace(&one)?;
            assert_eq!(send()?, (1, 0), "{link:?}");
            link.replace(&other)?;
            drop(link);
            assert_eq!(send()?, (0, 0));
        }
        // A filter that other code has put in the place is not replaced.
        let mut link = one.attach_filter("lo", Direction::Egress, rank)?;
        remove_filters_of_lo()?;
        is_invalid_call(
            &link.replace(&other).unwrap_err(),
            "the filter of the link was removed or replaced by another one",
        );
        let theirs = other.attach_filter("lo", Direction::Egress, rank)?;
        is_invalid_call(
            &link.replace(&one).unwrap_err(),
            "the filter of the link was removed or replaced by another one",
        );
        drop(link);
        assert_eq!(send()?, (0, 1));
        drop(theirs);
        Ok(())
    })
}

pub(crate) fn replace_works_on_other_targets() -> Outcome {
    apart(|| {
        let (old, new) = (hooks::open()?.load()?, hooks::open()?.load()?);
        let mut link =
            old.progs()?.look_up.attach_to(fs::File::open("/proc/thread-self/ns/net")?)?;
        link.replace(&new.progs()?.look_up)?;
        assert_eq!(
            TcpStream::connect("127.0.0.1:7").unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
        assert_eq!((runs(&old)?, runs(&new)?), (0, 1));
        Ok(())
    })?;

    let (old, new) = (hooks::open()?.load()?, hooks::open()?.load()?);
    let both = || -> Result<(u64, u64), Error> { Ok((runs(&old)?, runs(&new)?)) };
    let group = Group::new("replaced")?;
    let mut link = old.progs()?.read_sysctl.attach_to(&group.0)?;
    link.replace(&new.progs()?.read_sysctl)?;
    assert_eq!(group.reads()?, "Linux\n");
    let (of_old, of_new) = both()?;
    assert!(of_old == 0 && of_new > 0, "{of_old} {of_new}");
    let wrong = link.replace(&new.progs()?.look_up).unwrap_err();
    assert_eq!(errno(&wrong), Some(libc::EINVAL), "{wrong}");
    assert!(
        wrong.to_string().starts_with("replace the program of a link by the program `look_up`: "),
        "{wrong}"
    );
    drop((link, group));

    // Sockets that are already in the map keep their program.
    let sockets = old.maps()?.sockets;
    let mut link = old.progs()?.send.attach_to(sockets.as_map())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let connect = || -> Result<_, std::io::Error> {
        Ok((TcpStream::connect(listener.local_addr()?)?, listener.accept()?.0))
    };
    let send = |(client, server): &mut (TcpStream, TcpStream)| {
        client.write_all(b"text").and_then(|()| server.read_exact(&mut [0; 4]))
    };
    let mut before = connect()?;
    sockets.insert(&1, &before.0)?;
    link.replace(&new.progs()?.send)?;
    let mut after = connect()?;
    sockets.insert(&2, &after.0)?;
    send(&mut before)?;
    assert_eq!(both()?, (1, 0));
    send(&mut after)?;
    assert_eq!(both()?, (0, 1));
    is_invalid_call(&link.replace(&new.progs()?.receive).unwrap_err(), "another section");
    drop(link);
    sockets.insert(&3, &connect()?.0)?;

    let (old, new) = (programs::open()?.load()?, programs::open()?.load()?);
    let mut link = old.progs()?.list.attach()?;
    link.replace(&new.progs()?.list)?;
    assert_eq!(
        (link.info()?.kind, link.info()?.program),
        (LinkKind::Iter, new.progs()?.list.id()?)
    );
    Ok(())
}

pub(crate) fn unsupported_replace_is_refused() -> Outcome {
    let skel = programs::open()?.load()?;
    let program = skel.progs()?.on_call;
    let mut link = program.attach_to("/proc/self/exe", &PROBED, Some(std::process::id()), 0)?;
    let refused = link.replace(&program).unwrap_err();
    is_invalid_call(
        &refused,
        "replace the program of a link by the program `on_call`: the kernel cannot replace the program of ",
    );
    assert!(
        refused.to_string().ends_with("attach the new program, then drop the link of the old one"),
        "{refused}"
    );
    eunomia_live_probed(0);
    assert_eq!(skel.bss()?.calls.get()?, 1, "it is still attached");
    let hooks = hooks::open()?.load()?;
    let mut link = hooks.progs()?.on_raw_exec.attach_to("sched_process_exec", 0)?;
    is_invalid_call(
        &link.replace(&hooks.progs()?.on_raw_exec).unwrap_err(),
        "a link of type raw_tracepoint; attach the new program",
    );
    let mut open = hooks::open()?;
    open.progs()?.take.set_autoload(false);
    is_invalid_call(&link.replace(&open.load()?.progs()?.take).unwrap_err(), "it was not loaded");
    Ok(())
}

pub(crate) fn struct_ops_map_is_replaced() -> Outcome {
    let (pin, skel) = (Pin::new("table"), tables::open()?.load()?);
    let (maps, counts) = (skel.maps()?, || -> Result<_, Error> {
        Ok((skel.bss()?.before.get()?, skel.bss()?.after.get()?))
    });
    let mut link = maps.first.attach()?;
    assert_eq!(link.info()?.kind, LinkKind::StructOps);
    connect_under("eunomia_linked")?;
    let (before, after) = counts()?;
    assert!(before > 0 && after == 0, "{before} {after}");
    link.replace_table(&maps.second)?;
    let (before, _) = counts()?;
    connect_under("eunomia_linked")?;
    let (now, after) = counts()?;
    assert!(now == before && after > 0, "{before} {now} {after}");
    // The table of another section, and links that do not hold a table, are refused.
    let other = eunomia_tests::built::congestion::open()?.load()?;
    is_invalid_call(
        &link.replace_table(&other.maps()?.steady).unwrap_err(),
        "it is not a map of the section `.struct_ops.link`",
    );
    assert!(!known_controls()?.contains("eunomia_steady"), "nothing was given to the kernel");
    let mut plain = other.maps()?.steady.attach()?;
    is_invalid_call(&plain.replace_table(&maps.first).unwrap_err(), "the link does not hold a map");
    is_invalid_call(&plain.pin(&pin.0).unwrap_err(), "the kernel has no link for this attachment");
    is_invalid_call(&plain.info().unwrap_err(), "get the info of a link");
    is_invalid_call(
        &link.replace(&programs::open()?.load()?.progs()?.drop_none).unwrap_err(),
        "a link of type struct_ops",
    );
    // The pinned link outlives its object.
    link.pin(&pin.0)?;
    drop((link, maps));
    drop(skel);
    assert!(known_controls()?.contains("eunomia_linked"));
    let link = Link::open(&pin.0)?;
    fs::remove_file(&pin.0)?;
    assert!(known_controls()?.contains("eunomia_linked"));
    drop(link);
    soon(|| Ok(!known_controls().is_ok_and(|known| known.contains("eunomia_linked"))))
}

/// Other code attaches over netlink without a link, as `ip link set dev lo xdp` does.
pub(crate) fn foreign_xdp_program_stays() -> Outcome {
    apart(|| {
        let (ours, theirs) = (programs::open()?.load()?, programs::open()?.load()?);
        let (ours, theirs) = (ours.progs()?.drop_none, theirs.progs()?.drop_none);
        let others = Xdp::new(theirs.fd()?);
        others.attach(1, XdpFlags::SKB_MODE)?;
        let attached = attached_xdp("lo")?;
        assert_eq!(
            attached.iter().map(|xdp| (xdp.program, xdp.mode)).collect::<Vec<_>>(),
            [(theirs.id()?, XdpMode::Generic)]
        );
        for mode in [XdpMode::Generic, XdpMode::Best] {
            let taken = ours.attach_to("lo", mode).map(drop).unwrap_err();
            assert_eq!(errno(&taken), Some(libc::EBUSY), "{taken}");
            assert_eq!(on_lo()?, [theirs.id()?]);
        }
        others.detach(1, XdpFlags::SKB_MODE)?;
        assert!(on_lo()?.is_empty());

        let link = ours.attach_to("lo", XdpMode::Generic)?;
        assert!(others.attach(1, XdpFlags::SKB_MODE).is_err());
        assert!(others.detach(1, XdpFlags::SKB_MODE).is_err());
        let taken = theirs.attach_to("lo", XdpMode::Generic).map(drop).unwrap_err();
        assert_eq!(errno(&taken), Some(libc::EBUSY), "{taken}");
        assert_eq!(on_lo()?, [ours.id()?]);
        drop(link);
        others.attach(1, XdpFlags::SKB_MODE)?;
        assert_eq!(on_lo()?, [theirs.id()?]);

        let missing = attached_xdp(4242).unwrap_err();
        assert_eq!(errno(&missing), Some(libc::ENODEV), "{missing}");
        let missing = attached_xdp("none").unwrap_err();
        assert_eq!(errno(&missing), Some(libc::ENODEV), "{missing}");
        Ok(())
    })
}

/// Other code attaches over netlink, as `tc filter add` does, before and after our program.
pub(crate) fn foreign_tc_filters_stay() -> Outcome {
    apart(|| {
        let (ours, theirs) = (hooks::open()?.load()?, hooks::open()?.load()?);
        let (program, other) = (ours.progs()?.classify, theirs.progs()?.classify);
        let filter = |priority| -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
            Ok(TcHookBuilder::new(other.fd()?)
                .ifindex(1)
                .priority(priority)
                .hook(TC_EGRESS)
                .create()?
                .attach()?)
        };
        let (from, to) = pair()?;
        let send = || -> Result<(u64, u64), Box<dyn std::error::Error + Send + Sync>> {
            from.send(b"seen")?;
            to.recv(&mut [0; 8])?;
            Ok((runs(&ours)?, runs(&theirs)?))
        };
        let _before = filter(1)?;
        let first = program.attach_to("lo", Direction::Egress)?;
        let second = program.attach_filter("lo", Direction::Egress, Rank::default())?;
        let mut after = filter(2)?;
        assert_eq!(send()?, (2, 2));
        drop(first);
        assert_eq!(send()?, (1, 2));
        // Removing one of the filters leaves the others.
        after.detach()?;
        assert_eq!(send()?, (1, 1));
        drop(second);
        assert_eq!(send()?, (0, 1));
        Ok(())
    })
}

/// Drops links of many kinds, some of which are slow to detach.
pub(crate) fn links_detach_in_parallel() -> Outcome {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    fn detaching(task: &std::io::Result<fs::DirEntry>) -> bool {
        let name = task.as_ref().map(|task| fs::read_to_string(task.path().join("comm")));
        name.is_ok_and(|name| name.is_ok_and(|name| name.trim() == "eunomia-detach"))
    }
    apart(|| {
        let (skel, hooks) = (programs::open()?.load()?, hooks::open()?.load()?);
        let (progs, calls) = (skel.progs()?, || skel.bss().and_then(|bss| bss.calls.get()));
        let mut links = Links::default();
        for _ in 0..40 {
            links.0.push(progs.on_call.attach_to(
                "/proc/self/exe",
                &PROBED,
                Some(std::process::id()),
                0,
            )?);
        }
        links.0.push(progs.drop_none.attach_to("lo", XdpMode::Generic)?);
        // A filter is removed in the network namespace of the thread that drops its link.
        for priority in 1..10 {
            let rank = Rank { handle: 1, priority };
            links.0.push(hooks.progs()?.classify.attach_filter("lo", Direction::Egress, rank)?);
        }
        eunomia_live_probed(0);
        let (from, to) = pair()?;
        from.send(b"seen")?;
        to.recv(&mut [0; 8])?;
        assert_eq!((calls()?, runs(&hooks)?), (40, 9));
        let (links, done) = (is_send(links), AtomicBool::new(false));
        let helped = thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut most = 0;
                while !done.load(Ordering::Relaxed) {
                    most = most.max(
                        fs::read_dir("/proc/self/task")
                            .map_or(0, |tasks| tasks.filter(detaching).count()),
                    );
                }
                most
            });
            drop(links);
            done.store(true, Ordering::Relaxed);
            watcher.join()
        });
        assert!(helped.is_ok_and(|most| most > 1), "several threads detach at once");
        eunomia_live_probed(0);
        from.send(b"not seen")?;
        to.recv(&mut [0; 8])?;
        assert_eq!((calls()?, runs(&hooks)?, on_lo()?), (40, 0, vec![]));
        // A thread is listed for a moment after it has returned.
        soon(|| {
            Ok(!fs::read_dir("/proc/self/task")
                .is_ok_and(|mut tasks| tasks.any(|task| detaching(&task))))
        })?;
        drop(Links::default());
        Ok(())
    })
}

/// If no thread can be started, the dropping thread detaches all links.
pub(crate) fn links_detach_without_threads() -> Outcome {
    let skel = programs::open()?.load()?;
    let (program, calls) = (skel.progs()?.on_call, || skel.bss().and_then(|bss| bss.calls.get()));
    let attach = || program.attach_to("/proc/self/exe", &PROBED, Some(std::process::id()), 0);
    let links = (0..4).map(|_| attach()).collect::<Result<Links, _>>()?;
    eunomia_live_probed(0);
    assert_eq!(calls()?, 4);
    assert_eq!(IntoIterator::into_iter(&links).count(), 4);
    let limit = |soft| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the limit outlives the call, which writes it.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NPROC, &raw mut limit) }, 0);
        let before = std::mem::replace(&mut limit.rlim_cur, soft);
        // SAFETY: the limit outlives the call, which reads it.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit) }, 0);
        before
    };
    // Change the user of that thread only: the limit does not apply to root.
    let before = limit(0);
    let refused = thread::scope(|scope| {
        let dropping = scope.spawn(|| {
            // SAFETY: the system call takes no pointers and changes the ids of the calling thread,
            // which ends after the check.
            assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) }, 0);
            drop(links);
            thread::Builder::new().spawn(|| ()).is_err()
        });
        dropping.join()
    });
    limit(before);
    assert!(refused.is_ok_and(|refused| refused), "there was a thread to be had");
    eunomia_live_probed(0);
    assert_eq!(calls()?, 4, "detached");
    Ok(())
}

pub(crate) fn links_attach_all_or_none() -> Outcome {
    apart(|| {
        // The document attaches the first program to interface 1, which is `lo` here; the target of
        // a later one is missing.
        let skel = programs::open()?.load()?;
        let refused = skel.object().links().map(drop).unwrap_err();
        assert!(
            matches!(&refused, Error::NoTarget { program, wants: "a perf event", .. } if program == "on_sample"),
            "{refused}"
        );
        assert!(on_lo()?.is_empty());
        // Links that were attached together can be replaced one by one.
        let mut open = programs::open()?;
        for name in ["on_sample", "on_call", "tested"] {
            open.object().program(name)?.set_autoattach(false);
        }
        let mut attached = open.load()?.attach()?;
        assert_eq!(on_lo()?, [attached.progs()?.drop_none.id()?]);
        let other = programs::open()?.load()?;
        let program = other.progs()?.drop_none;
        let xdp = attached
            .links_mut()
            .iter_mut()
            .find(|link| link.info().is_ok_and(|info| info.kind == LinkKind::Xdp));
        xdp.ok_or("there is no link of XDP")?.replace(&program)?;
        assert_eq!(on_lo()?, [program.id()?]);
        drop(attached);
        assert!(on_lo()?.is_empty());
        Ok(())
    })
}
