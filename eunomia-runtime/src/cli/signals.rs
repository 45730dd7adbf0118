//! Signals of a terminal and of whoever supervises the process.

use std::{
    io::{self, Write as _},
    mem::MaybeUninit,
    ptr, thread,
    time::{Duration, Instant},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP},
    iterator::{Handle, Signals},
    low_level::emulate_default_handler,
};

use super::outlet::is_writable;
use crate::{Error, Result, reader::Control, refusal::refusal};

/// Takes the signals until it is dropped.
pub(super) struct Handlers {
    handle: Handle,
    thread: Option<thread::JoinHandle<()>>,
}

/// Supervisors send a signal to the process and then to its group: that is one request.
const ONE_REQUEST: Duration = Duration::from_secs(1);

impl Handlers {
    /// SIGINT, SIGTERM and SIGHUP stop, and once more, a second later, end the process at once; SIGTSTP pauses, and the next one goes on.
    /// Those that the process was started to ignore (`nohup`) it goes on to ignore.
    pub(super) fn new(control: Control, quiet: bool) -> Result<Self> {
        let failed = |source: io::Error| -> Error { refusal("take the signals of this process", source) };
        let wanted = [SIGHUP, SIGINT, SIGTERM, SIGTSTP].into_iter().filter(|signal| !is_ignored(*signal));
        let mut signals = Signals::new(wanted).map_err(failed)?;
        let handle = signals.handle();
        let work = move || {
            let mut asked: Option<Instant> = None;
            for signal in &mut signals {
                if signal != SIGTSTP {
                    if asked.get_or_insert_with(Instant::now).elapsed() > ONE_REQUEST {
                        // Something does not end.
                        let _ = emulate_default_handler(signal);
                    }
                    // What is left is read after the programs are detached.
                    control.stop_now();
                } else if control.is_paused() {
                    control.resume();
                } else {
                    control.pause();
                    // A pipe that is stuck must not keep this thread from the next signal.
                    if !quiet && is_writable(io::stderr(), Duration::ZERO) {
                        let _ = writeln!(io::stderr(), "paused; Ctrl-Z goes on");
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(work).map_err(failed)?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

fn is_ignored(signal: i32) -> bool {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action the call only writes the present one to where the pointer leads, which is as large.
    if unsafe { libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call has written it, and all its bytes were zero before, which its fields may be.
    let now = unsafe { now.assume_init() };
    now.sa_sigaction == libc::SIG_IGN
}
