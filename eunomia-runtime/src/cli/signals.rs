//! Signals of a terminal and of whoever supervises the process.

use std::{
    io::{self, Write as _},
    thread,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP},
    iterator::{Handle, Signals},
    low_level::emulate_default_handler,
};

use crate::{Error, Result, reader::Control, refusal::refusal};

/// Takes the signals until it is dropped.
pub(super) struct Handlers {
    handle: Handle,
    thread: Option<thread::JoinHandle<()>>,
}

impl Handlers {
    /// SIGINT, SIGTERM and SIGHUP stop, and a second one ends the process at once; SIGTSTP pauses, and the next one goes on.
    pub(super) fn new(control: Control, quiet: bool) -> Result<Self> {
        let failed = |source: io::Error| -> Error { refusal("take the signals of this process", source) };
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGTSTP]).map_err(failed)?;
        let handle = signals.handle();
        let work = move || {
            for signal in &mut signals {
                if signal != SIGTSTP {
                    if control.is_stopped() {
                        // It was asked before, and something does not end.
                        let _ = emulate_default_handler(signal);
                    }
                    control.stop();
                } else if control.is_paused() {
                    control.resume();
                } else {
                    control.pause();
                    if !quiet {
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
