//! Programs on tracepoints and functions of the kernel. Every process triggers them; they send
//! events only for this process.

use std::{
    fs::{self, File},
    process::{self, Command},
    time::{Duration, Instant},
};

use eunomia_runtime::bpf::{Every, Program, Sampling, kind::PerfEvent};

use crate::{
    Outcome,
    row::{Lacking, Row, attached, row, unknown},
    way::Loaded,
};

pub(crate) const ROWS: &[Row] = &[
    attached!("tracepoint", tracepoint, call).in_machines(),
    attached!("raw_tracepoint", raw_tracepoint, rename).in_machines(),
    attached!("tp_btf", tp_btf, rename).in_machines(),
    attached!("kprobe", kprobe, unlink).in_machines(),
    attached!("kretprobe", kretprobe, unlink).in_machines(),
    attached!("kprobe.multi", kprobe_multi, unlink).in_machines().lacking(MULTI),
    attached!("kretprobe.multi", kretprobe_multi, unlink).in_machines().lacking(MULTI),
    attached!("kprobe.session", kprobe_session, unlink)
        .in_machines()
        .lacking(&[unknown((6, 10), "came with Linux 6.10")]),
    attached!("ksyscall", ksyscall, call).in_machines(),
    attached!("kretsyscall", kretsyscall, call).in_machines(),
    attached!("fentry", fentry, unlink).in_machines(),
    attached!("fexit", fexit, unlink).in_machines(),
    attached!("fsession", fsession, unlink)
        .in_machines()
        .lacking(&[unknown((7, 0), "came with Linux 7.0")]),
    attached!("fmod_ret", fmod_ret, open).in_machines(),
    attached!("lsm", lsm, open).in_machines(),
    attached!("lsm.s", lsm_sleepable, execute).in_machines(),
    row!("perf_event (clock)", perf_event, clock),
    row!("perf_event (page faults)", perf_event, page_faults),
];

/// Needs CONFIG_FPROBE, which Debian's kernels set from 6.12 on.
const MULTI: &[Lacking] = &[
    unknown((5, 18), "came with Linux 5.18"),
    Lacking {
        before: (6, 12),
        says: "Operation not supported (os error 95)",
        why: "CONFIG_FPROBE",
    },
];

fn call() -> Outcome {
    // SAFETY: the call takes no pointers.
    let group = unsafe { libc::getpgid(0) };
    if group < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(()) }
}

fn rename() -> Outcome {
    // SAFETY: the name ends with a NUL and lives through the call, which only reads it.
    let renamed = unsafe { libc::prctl(libc::PR_SET_NAME, c"every".as_ptr()) };
    if renamed < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(()) }
}

fn unlink() -> Outcome {
    let file = format!("/tmp/eunomia-every-{}", process::id());
    fs::write(&file, "")?;
    Ok(fs::remove_file(&file)?)
}

fn open() -> Outcome {
    Ok(File::open("/proc/self/status").map(drop)?)
}

fn execute() -> Outcome {
    Ok(Command::new("true").status().map(drop)?)
}

fn work() -> Outcome {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(100) {
        std::hint::spin_loop();
    }
    Ok(())
}

fn own(sampling: Sampling) -> Sampling {
    Sampling { pid: Some(process::id()), ..sampling }
}

fn clock(program: Program<'_, PerfEvent>, skel: &Loaded) -> Outcome {
    skel.while_there(program.attach_to(&own(Sampling::cpu_clock(Every::Frequency(1000))))?, work)
}

fn page_faults(program: Program<'_, PerfEvent>, skel: &Loaded) -> Outcome {
    /// `PERF_COUNT_SW_PAGE_FAULTS`.
    const PAGE_FAULTS: u64 = 2;
    let sampling = Sampling { config: PAGE_FAULTS, ..own(Sampling::cpu_clock(Every::Period(1))) };
    skel.while_there(program.attach_to(&sampling)?, || {
        let (access, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: the kernel chooses the address of the new mapping.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, access, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        // SAFETY: the page has just been mapped writable.
        unsafe { page.cast::<u8>().write_volatile(1) };
        // SAFETY: no other pointer to the page exists.
        unsafe { libc::munmap(page, 4096) };
        Ok(())
    })
}
