//! What libbpf says while it works for us.
//!
//! libbpf explains its refusals, and prints the verifier's log, through one process-wide callback that writes to standard error by
//! default. A library must not print, and the text belongs into the error: so a callback is installed once that keeps what is said
//! on a thread while that thread is inside [`listen`], and passes everything else on to the callback that was there before.

use std::{
    cell::RefCell,
    io,
    sync::{Once, OnceLock},
};

use libbpf_rs::{PrintCallback, PrintLevel, set_print};

use crate::{Error, Refusal};

/// Far more than a verifier log has; it bounds the memory of a failed load.
const MAX_LEN: usize = 32 << 20;

thread_local! {
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
}

static BEFORE: OnceLock<(PrintLevel, PrintCallback)> = OnceLock::new();

/// Runs `f` and returns what libbpf said meanwhile on this thread.
pub(crate) fn listen<T>(f: impl FnOnce() -> T) -> (T, String) {
    /// Stops listening on every way out.
    struct Listening;

    impl Drop for Listening {
        fn drop(&mut self) {
            let _ = HEARD.try_with(RefCell::take);
        }
    }

    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        if let Some(before) = set_print(Some((PrintLevel::Info, hear))) {
            let _ = BEFORE.set(before);
            if before.0 > PrintLevel::Info {
                // It still hears what it heard.
                set_print(Some((before.0, hear)));
            }
        }
    });
    let _ = HEARD.try_with(|heard| *heard.borrow_mut() = Some(String::new()));
    let listening = Listening;
    let result = f();
    let said = HEARD.try_with(RefCell::take).ok().flatten().unwrap_or_default();
    drop(listening);
    (result, said)
}

/// Called by libbpf, on any thread and while that thread ends: panics here would cross C frames.
fn hear(level: PrintLevel, message: String) {
    let keep = |heard: &RefCell<Option<String>>| match heard.try_borrow_mut().as_deref_mut() {
        Ok(Some(text)) => {
            if level <= PrintLevel::Info && text.len() < MAX_LEN {
                text.push_str(&message);
            }
            true
        }
        _ => false,
    };
    if !HEARD.try_with(keep).unwrap_or(false)
        && let Some((lowest, before)) = BEFORE.get()
        && level <= *lowest
    {
        before(level, message);
    }
}

/// The error of libbpf, with what it said.
pub(crate) fn refused(tried: impl Into<String>, error: &libbpf_rs::Error, said: &str) -> Error {
    let (messages, verifier_log) = split_log(said);
    Refusal::new(tried.into(), errno(error), messages, verifier_log).into()
}

/// libbpf-rs keeps the errno in an `io::Error` that it shows to nobody but the formatter: it is read back from the text that the
/// standard library gives such an error, `.. (os error 95)`.
fn errno(error: &libbpf_rs::Error) -> io::Error {
    let text = format!("{error:#}");
    let code = text.rsplit_once("(os error ").and_then(|(_, code)| code.strip_suffix(')')).and_then(|code| code.parse().ok());
    code.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error)
}

/// Splits the verifier's log out of what libbpf said.
fn split_log(said: &str) -> (String, Option<String>) {
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
    use libbpf_rs::ErrorExt as _;

    use super::*;

    #[test]
    fn the_errno_survives_libbpf_rs() {
        let error = libbpf_rs::Error::from_raw_os_error(libc::EOPNOTSUPP).context("failed to attach BPF program");
        assert_eq!(errno(&error).raw_os_error(), Some(libc::EOPNOTSUPP));
    }

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
