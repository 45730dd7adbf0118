//! Programs that are attached by hand. Interfaces are in a network namespace of the test; probes
//! and samples are limited to this process.

use std::{
    fs,
    io::Read as _,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use eunomia_runtime::{
    Skeleton,
    bpf::{self, Direction, Every, Link, ProbePoint, Sampling, XdpMode},
};
use eunomia_tests::{
    built::{hooks, programs},
    fixture,
};

use super::{Outcome, errno, host::apart, needs::Machine};

pub(crate) fn xdp_attaches_to_interface() -> Outcome {
    apart(|| {
        let skel = programs::open()?.load()?;
        let program = skel.progs()?.drop_none;
        let link = program.attach_to("lo", XdpMode::Generic)?;
        let taken = program.attach_to("lo", XdpMode::Generic).unwrap_err();
        assert_eq!(errno(&taken), Some(libc::EBUSY), "{taken}");
        let id = skel.progs()?.drop_none.id()?;
        assert!(
            taken.to_string().contains(&format!("hint: lo: already attached: the program {id} (`drop_none`) in generic mode; stop what")),
            "{taken}"
        );
        drop(link);
        drop(program.attach_to(1, XdpMode::Best)?);
        let missing = program.attach_to("none", XdpMode::Best).unwrap_err();
        let expected = "find the interface `none`: No such device (os error 19)\n  hint: no interface `none` in this network namespace; there are lo";
        assert!(missing.to_string().starts_with(expected), "{missing}");
        Ok(())
    })
}

pub(crate) fn tcx_attaches_to_interface() -> Outcome {
    apart(|| {
        let skel = programs::open()?.load()?;
        let program = skel.progs()?.pass;
        let link = program.attach_to("lo", Direction::Ingress)?;
        let other = program.attach_to("lo", Direction::Egress)?;
        // A program can be attached only once in each direction.
        let twice = program.attach_to("lo", Direction::Ingress).unwrap_err();
        assert_eq!(errno(&twice), Some(libc::EEXIST), "{twice}");
        drop((link, other));
        drop(program.attach_to("lo", Direction::Ingress)?);
        Ok(())
    })
}

fn work(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

pub(crate) fn cpu_clock_samples_process() -> Outcome {
    let skel = programs::open()?.load()?;
    let sampling =
        Sampling { pid: Some(std::process::id()), ..Sampling::cpu_clock(Every::Frequency(1000)) };
    let links = skel.progs()?.on_sample.attach_to(&sampling)?;
    // The clock counts the time that this process runs, which is short on a busy host.
    let start = Instant::now();
    while skel.bss()?.samples.get()? <= 10 && start.elapsed() < Duration::from_secs(30) {
        work(Duration::from_millis(50));
    }
    drop(links);
    let samples = skel.bss()?.samples.get()?;
    assert!(samples > 10, "{samples}");
    work(Duration::from_millis(50));
    assert_eq!(skel.bss()?.samples.get()?, samples, "detached");
    let wrong =
        skel.progs()?.on_sample.attach_to(&Sampling { kind: 4242, ..sampling }).unwrap_err();
    assert!(
        wrong
            .to_string()
            .starts_with("attach the program `on_sample` to the perf event 4242:0 on CPU 0: "),
        "{wrong}"
    );
    Ok(())
}

#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eunomia_live_probed(number: u64) -> u64 {
    std::hint::black_box(number)
}

pub(crate) const PROBED: ProbePoint<'static> = ProbePoint::Function("eunomia_live_probed");

pub(crate) fn cookie_reaches_program() -> Outcome {
    let skel = programs::open()?.load()?;
    let link =
        skel.progs()?.on_call.attach_to("/proc/self/exe", &PROBED, Some(std::process::id()), 42);
    if Machine::this().is_before(5, 15) {
        let refused = link.unwrap_err();
        assert!(
            refused
                .to_string()
                .ends_with("hint: cookies of probes and tracepoints need Linux 5.15"),
            "{refused}"
        );
        return Ok(());
    }
    let _link = link?;
    eunomia_live_probed(0);
    assert_eq!((skel.bss()?.calls.get()?, skel.bss()?.cookie.get()?), (1, 42));
    Ok(())
}

pub(crate) fn uprobe_counts_calls() -> Outcome {
    let skel = programs::open()?.load()?;
    let program = skel.progs()?.on_call;
    let link = program.attach_to("/proc/self/exe", &PROBED, Some(std::process::id()), 0)?;
    (0..5).for_each(|number| _ = eunomia_live_probed(number));
    assert_eq!(skel.bss()?.calls.get()?, 5);
    drop(link);
    eunomia_live_probed(0);
    assert_eq!(skel.bss()?.calls.get()?, 5, "detached");
    let missing = program
        .attach_to("/proc/self/exe", &ProbePoint::Function("eunomia_not_there"), None, 0)
        .unwrap_err();
    assert_eq!(errno(&missing), Some(libc::ENOENT), "{missing}");
    Ok(())
}

pub(crate) fn task_iterator_lists_process() -> Outcome {
    let skel = programs::open()?.load()?;
    skel.bss()?.wanted_tgid.set(std::process::id().cast_signed())?;
    let mut text = String::new();
    skel.progs()?.list.walk()?.read_to_string(&mut text)?;
    assert_eq!(text, format!("pid {}\n", std::process::id()));
    Ok(())
}

/// Each program with its error: `Some(None)` for an error without an errno.
type Results = Vec<(String, Option<Option<i32>>)>;

fn results(loaded: &bpf::Loaded) -> (Vec<Link>, Results) {
    let mut links = Vec::new();
    let results = loaded.links_each().into_iter().map(|(name, link)| {
        (name, link.map(|link| links.push(link)).err().map(|error| errno(&error)))
    });
    let results = results.collect();
    (links, results)
}

pub(crate) fn links_each_reports_each_program() -> Outcome {
    // The document attaches the first two programs to interface 1, which is `lo` here.
    let expected = [
        ("drop_none", None),
        ("pass", None),
        // The target of these programs is missing, so the kernel was not asked.
        ("on_sample", Some(None)),
        ("on_call", Some(None)),
        ("list", None),
        ("tested", Some(Some(libc::ENOENT))),
    ];
    let expected = expected.map(|(name, error)| (name.to_owned(), error));
    apart(|| {
        let skel = programs::open()?.load()?;
        let (links, found) = results(skel.object());
        assert_eq!(found, expected);
        let taken = skel.progs()?.drop_none.attach_to("lo", XdpMode::Generic).unwrap_err();
        assert_eq!(errno(&taken), Some(libc::EBUSY), "{taken}");
        let id = skel.progs()?.drop_none.id()?;
        assert!(
            taken.to_string().contains(&format!("hint: lo: already attached: the program {id} (`drop_none`) in generic mode; stop what")),
            "{taken}"
        );
        drop(links);
        drop(skel.progs()?.drop_none.attach_to("lo", XdpMode::Generic)?);

        let skel = Skeleton::parse(&fixture("programs"), "programs")?.open()?.load()?;
        assert_eq!(results(skel.object()).1, expected);
        Ok(())
    })?;
    let skel = programs::open()?.load()?;
    let wrong = skel.object().program("tested")?.into_kind::<bpf::kind::Xdp>().unwrap_err();
    assert_eq!(wrong.to_string(), "program `tested`: its type is raw_tracepoint, expected xdp");
    assert_eq!(skel.progs()?.tested.test_run(None, None)?.return_value, 7);
    Ok(())
}

/// The program with the target may be closed before the object is loaded, and another file may get
/// the number of its descriptor.
pub(crate) fn target_stays_open_until_loading() -> Outcome {
    let only = |name: &str| -> eunomia_runtime::Result<hooks::Open> {
        let mut open = hooks::open()?;
        for program in open.object().programs() {
            open.object().program(&program)?.set_autoload(program == name);
        }
        Ok(open)
    };
    let whole = only("classify")?.load()?;
    let of = whole.progs()?.classify.fd()?.try_clone_to_owned()?;
    let line = format!("prog_id:\t{}", whole.progs()?.classify.id()?);
    let is_open = || -> Result<bool, std::io::Error> {
        let mut descriptors = fs::read_dir("/proc/self/fdinfo")?;
        Ok(descriptors.any(|file| {
            file.and_then(|file| fs::read_to_string(file.path()))
                .is_ok_and(|text| text.lines().any(|found| found == line))
        }))
    };
    let mut open = only("other_verdict")?;
    let mut program = open.object().program("other_verdict")?;
    program.set_attach_target("verdict", Some(of.as_fd()))?;
    program.set_attach_target("none", Some(of.as_fd())).unwrap_err();
    drop((of, whole));
    assert!(is_open()?);
    drop(open);
    assert!(!is_open()?);
    Ok(())
}
