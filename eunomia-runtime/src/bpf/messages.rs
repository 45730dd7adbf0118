//! What libbpf says while it works for us.
//!
//! libbpf explains its refusals, and prints the verifier's log, through one process-wide callback that writes to standard error by
//! default. A library must not print, and the text belongs into the error: so a callback is installed once that keeps what is said
//! on a thread while that thread is inside [`listen`], and passes everything else on to the callback that was there before.

use std::{
    cell::RefCell,
    sync::{Once, OnceLock},
};

use libbpf_rs::{PrintCallback, PrintLevel, set_print};

/// Far more than a verifier log has; it bounds the memory of a failed load.
const MAX_LEN: usize = 32 << 20;

thread_local! {
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
}

static BEFORE: OnceLock<(PrintLevel, PrintCallback)> = OnceLock::new();

/// Runs `f` and returns what libbpf said meanwhile on this thread.
pub(super) fn listen<T>(f: impl FnOnce() -> T) -> (T, String) {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        if let Some(before) = set_print(Some((PrintLevel::Info, hear))) {
            let _ = BEFORE.set(before);
        }
    });
    HEARD.with(|heard| *heard.borrow_mut() = Some(String::new()));
    let result = f();
    (result, HEARD.with(RefCell::take).unwrap_or_default())
}

fn hear(level: PrintLevel, message: String) {
    let kept = HEARD.with(|heard| match &mut *heard.borrow_mut() {
        Some(text) => {
            if text.len() < MAX_LEN {
                text.push_str(&message);
            }
            true
        }
        None => false,
    });
    if !kept
        && let Some((lowest, before)) = BEFORE.get()
        && level <= *lowest
    {
        before(level, message);
    }
}

/// Splits the verifier's log out of what libbpf said.
pub(super) fn split_log(said: &str) -> (String, Option<String>) {
    const BEGIN: &str = "-- BEGIN PROG LOAD LOG --";
    const END: &str = "-- END PROG LOAD LOG --";
    let mut log = None;
    let mut inside = false;
    let mut messages = String::new();
    for line in said.lines() {
        if line.contains(BEGIN) {
            inside = true;
            log.get_or_insert_with(String::new);
        } else if line.contains(END) {
            inside = false;
        } else {
            let text = if inside { log.get_or_insert_with(String::new) } else { &mut messages };
            text.push_str(line.strip_prefix("libbpf: ").unwrap_or(line));
            text.push('\n');
        }
    }
    (messages, log)
}

#[cfg(test)]
mod tests {
    use super::split_log;

    #[test]
    fn the_verifiers_log_is_split_out() {
        let said = "libbpf: prog 'p': BPF program load failed: EACCES\nlibbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n0: R1=ctx()\n\
                    invalid access\n-- END PROG LOAD LOG --\nlibbpf: failed to load object 'x'\n";
        let (messages, log) = split_log(said);
        assert_eq!(messages, "prog 'p': BPF program load failed: EACCES\nfailed to load object 'x'\n");
        assert_eq!(log.as_deref(), Some("0: R1=ctx()\ninvalid access\n"));
        assert_eq!(split_log("plain"), ("plain\n".to_owned(), None));
    }
}
