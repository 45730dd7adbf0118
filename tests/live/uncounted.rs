//! Perf rings on kernels that do not count losses (`PERF_FORMAT_LOST`), simulated by refusing the
//! flag as these kernels do.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use eunomia_tests::built::streams::types::Sample;

use super::{
    Outcome,
    perf::on_one_cpu,
    streams::{load, run},
};

const PERF_FORMAT_LOST: u64 = 1 << 4;
/// The offset in `struct perf_event_attr`: two 4-byte fields and three 8-byte fields precede it.
const READ_FORMAT: usize = 32;

/// `_IOWR('!', 0, struct seccomp_notif)` and `_IOWR('!', 1, struct seccomp_notif_resp)`.
const RECEIVE: libc::c_ulong = request(0, size_of::<libc::seccomp_notif>());
const SEND: libc::c_ulong = request(1, size_of::<libc::seccomp_notif_resp>());

const fn request(number: libc::c_ulong, size: usize) -> libc::c_ulong {
    3 << 30 | (size as libc::c_ulong) << 16 | 0x21 << 8 | number
}

/// Makes the kernel ask the holder of the returned descriptor about each `perf_event_open` of this
/// thread and the threads that it starts.
fn ask() -> io::Result<OwnedFd> {
    let op = |code: u32, jump, k| libc::sock_filter { code: code as u16, jt: 0, jf: jump, k };
    let mut filter = [
        // The number of the system call is the first field of `struct seccomp_data`.
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, libc::SYS_perf_event_open as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_USER_NOTIF),
        op(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    let (set, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: the program and its filter outlive the call, which copies them.
    let fd = unsafe { libc::syscall(libc::SYS_seccomp, set, flags, &raw const program) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and not owned elsewhere.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Refuses calls that request the count until all filtered threads are gone, and counts the
/// refusals.
fn refuse(listener: &OwnedFd, refused: &AtomicU64) -> io::Result<()> {
    loop {
        let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: the pointer is to one entry, which outlives the call.
        if unsafe { libc::poll(&raw mut poll, 1, -1) } < 0 {
            return Err(io::Error::last_os_error());
        }
        if poll.revents & libc::POLLIN == 0 {
            return Ok(());
        }
        // SAFETY: all zeros is a valid structure, and the kernel requires zeros.
        let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the structure outlives the call, which writes it.
        if unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, &raw mut asked) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let format = asked.data.args[0] as usize + READ_FORMAT;
        // SAFETY: the address is inside the attributes that the caller, a thread of this process,
        // passes and keeps until it gets the answer.
        let format = unsafe { (format as *const u64).read() };
        let mut answer = libc::seccomp_notif_resp {
            id: asked.id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        if format & PERF_FORMAT_LOST != 0 {
            refused.fetch_add(1, Ordering::Relaxed);
            (answer.error, answer.flags) = (-libc::EINVAL, 0);
        }
        // SAFETY: the structure outlives the call, which reads it.
        if unsafe { libc::ioctl(listener.as_raw_fd(), SEND, &raw mut answer) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
}

/// Runs `f` on a thread for which the kernel refuses `PERF_FORMAT_LOST`.
fn as_older_kernels(f: impl FnOnce() -> Outcome + Send) -> Outcome {
    let (refused, (to, from)) = (AtomicU64::new(0), mpsc::channel());
    thread::scope(|scope| {
        let ran = scope.spawn(move || {
            to.send(ask()?)?;
            f()
        });
        // If the thread failed to install the filter, the channel is closed, and the thread returns
        // the reason.
        from.recv().map_or(Ok(()), |listener| refuse(&listener, &refused))?;
        ran.join().map_err(|_| "the thread panicked")?
    })?;
    // Only for the first CPU; the reader does not request the count again.
    assert_eq!(refused.into_inner(), 1);
    Ok(())
}

/// A kernel without the count reports losses only with the next sample of the same CPU, which may
/// not come: `lost` is a lower bound.
pub(crate) fn losses_are_known_from_next_sample() -> Outcome {
    as_older_kernels(|| on_one_cpu(lose))
}

fn lose() -> Outcome {
    let skel = load()?;
    let burst = 2 * (64 * 4096 / (size_of::<Sample>() + 16)) as u64;
    let mut reported = 0;
    for round in 1..=3 {
        run(&skel.progs()?.perf, burst, 0, 0)?;
        let received = skel.poll(Duration::from_secs(5), |_| ())?;
        let (stats, refused) = (skel.stats().events, skel.bss()?.refused.get()?);
        assert!(received > 0 && refused > reported);
        assert_eq!(
            (stats.lost, stats.lost_at_least),
            (Some(reported), true),
            "round {round}: the rest is not reported yet"
        );
        // There is room again.
        run(&skel.progs()?.perf, 1, 0, 0)?;
        assert_eq!(skel.poll(Duration::from_secs(5), |_| ())?, 1);
        let stats = skel.stats().events;
        assert_eq!((stats.lost, stats.lost_at_least), (Some(refused), true), "round {round}");
        reported = refused;
    }
    Ok(())
}
