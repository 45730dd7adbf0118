//! Signals from the terminal and from supervisors of the process.

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
use crate::{Error, Result, host::kernel_error, reader::Control};

/// Handles the signals until it is dropped.
pub(super) struct Handlers {
    handle: Handle,
    thread: Option<thread::JoinHandle<()>>,
}

/// The window in which repeated signals count as one request: supervisors signal the process and
/// then its group.
const ONE_REQUEST: Duration = Duration::from_secs(1);

impl Handlers {
    /// Installs the handlers. SIGINT, SIGTERM and SIGHUP stop the command; another one more than a
    /// second later ends the process at once. SIGTSTP pauses, and the next one resumes. Signals
    /// that the process was started to ignore (`nohup`) stay ignored.
    pub(super) fn new(control: Control, quiet: bool) -> Result<Self> {
        let failed =
            |source: io::Error| -> Error { kernel_error("install signal handlers", source) };
        let handled =
            [SIGHUP, SIGINT, SIGTERM, SIGTSTP].into_iter().filter(|signal| !is_ignored(*signal));
        let mut signals = Signals::new(handled).map_err(failed)?;
        let handle = signals.handle();
        let work = move || {
            let mut requested: Option<Instant> = None;
            for signal in &mut signals {
                if signal != SIGTSTP {
                    if requested.get_or_insert_with(Instant::now).elapsed() > ONE_REQUEST {
                        // The command does not end: end the process.
                        let _ = emulate_default_handler(signal);
                    }
                    // The remaining records are read after the programs were detached.
                    control.stop_now();
                } else if control.is_paused() {
                    control.resume();
                } else {
                    control.pause();
                    // A stuck pipe must not keep this thread from the next signal.
                    if !quiet && is_writable(io::stderr(), Duration::ZERO) {
                        let _ = writeln!(io::stderr(), "paused; Ctrl-Z resumes");
                    }
                }
            }
        };
        let thread =
            thread::Builder::new().name("signals".to_owned()).spawn(work).map_err(failed)?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // The thread does not panic.
            let _ = thread.join();
        }
    }
}

fn is_ignored(signal: i32) -> bool {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action, `sigaction` only writes the current one through the pointer,
    // and `now` has the size and alignment of a `sigaction`.
    if unsafe { libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call has initialized it. Its bytes were zero before, which is valid for every
    // field.
    let now = unsafe { now.assume_init() };
    now.sa_sigaction == libc::SIG_IGN
}
