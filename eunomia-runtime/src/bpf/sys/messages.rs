//! What libbpf says while it works for us.
//!
//! libbpf explains its refusals, and prints the verifier's log, through one process-wide callback that writes to standard error by
//! default. A library must not print, and the text belongs into the error: so [`listen`] puts a callback there that keeps what is said
//! on its thread meanwhile, and passes everything else on to the callback that was there before.
//!
//! It is libbpf's own callback, in C, and not the one of libbpf-rs: libbpf quotes names from objects, which are any bytes, and that of
//! libbpf-rs panics on those that are not UTF-8, which ends the process.

use std::{
    cell::{Cell, RefCell},
    ffi::{CStr, c_char, c_int, c_void},
    io, mem,
    panic::catch_unwind,
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicPtr, Ordering},
    },
};

use libbpf_rs::libbpf_sys::{LIBBPF_INFO, libbpf_print_fn_t, libbpf_print_level, libbpf_set_print};
use vsprintf::vsprintf_raw;

use crate::{
    Error, Refusal,
    plain::{line, plain},
};

/// Far more than a verifier log has; it bounds the memory of a failed load.
const MAX_LEN: usize = 32 << 20;

/// `libbpf_print_fn_t`: its last argument is a `va_list`, which has another type on each machine, and is passed as a pointer on all.
type Print = unsafe extern "C" fn(libbpf_print_level, *const c_char, *mut c_void) -> c_int;

thread_local! {
    static HEARD: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Whether the callback of others runs, which may call ours again.
    static PASSING: Cell<bool> = const { Cell::new(false) };
}

/// Ours, as one address.
static OURS: Print = hear;
/// What was there when ours first came.
static FIRST: OnceLock<Option<Print>> = OnceLock::new();
/// What was there when ours came last; null where libbpf was to say nothing.
static BEFORE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Runs `f` and returns what libbpf said meanwhile on this thread.
pub(crate) fn listen<T>(f: impl FnOnce() -> T) -> (T, String) {
    /// Stops listening on every way out.
    struct Listening;

    impl Drop for Listening {
        fn drop(&mut self) {
            let _ = HEARD.try_with(RefCell::take);
        }
    }

    install();
    let _ = HEARD.try_with(|heard| *heard.borrow_mut() = Some(String::new()));
    let listening = Listening;
    let result = f();
    let said = HEARD.try_with(RefCell::take).ok().flatten().unwrap_or_default();
    drop(listening);
    (result, said)
}

/// Puts our callback in the place of one that others have put there since.
fn install() {
    // SAFETY: the types differ in how they write a `va_list` alone, which is passed as a pointer.
    let ours = unsafe { mem::transmute::<Print, libbpf_print_fn_t>(OURS) };
    // SAFETY: libbpf takes a callback at any time, on any thread; ours is there for ever.
    let before = unsafe { libbpf_set_print(ours) };
    // SAFETY: as above.
    let before = unsafe { mem::transmute::<libbpf_print_fn_t, Option<Print>>(before) };
    let address = address(before);
    if address != self::address(Some(OURS)) {
        BEFORE.store(address, Ordering::Release);
        FIRST.get_or_init(|| before);
    }
}

fn address(print: Option<Print>) -> *mut () {
    print.map_or(ptr::null_mut(), |print| print as *mut ())
}

/// Called by libbpf, on any thread and while that thread ends: panics here would cross C frames.
unsafe extern "C" fn hear(level: libbpf_print_level, format: *const c_char, args: *mut c_void) -> c_int {
    let keep = |heard: &RefCell<Option<String>>| match heard.try_borrow_mut().as_deref_mut() {
        Ok(Some(text)) => {
            if level <= LIBBPF_INFO && text.len() < MAX_LEN {
                // SAFETY: they are what libbpf called with.
                match unsafe { vsprintf_raw(format, args) } {
                    // SAFETY: as above.
                    Ok(message) => push(&String::from_utf8_lossy(&message), is_log(unsafe { CStr::from_ptr(format) }), text),
                    Err(_) => text.push_str("(libbpf said something that cannot be formatted)\n"),
                }
            }
            true
        }
        _ => false,
    };
    if catch_unwind(|| HEARD.try_with(keep).unwrap_or(false)).unwrap_or(true) {
        return 0;
    }
    // One that was put there after ours, and calls ours: what was there before both is not called through it again.
    let again = PASSING.try_with(|passing| passing.replace(true)).unwrap_or(false);
    let before = if again {
        FIRST.get().copied().flatten()
    } else {
        // SAFETY: it is null, or came from a function of this type.
        unsafe { mem::transmute::<*mut (), Option<Print>>(BEFORE.load(Ordering::Acquire)) }
    };
    // SAFETY: it was given to libbpf to be called so, and nobody has read the arguments yet.
    let result = before.map_or(0, |before| unsafe { before(level, format, args) });
    let _ = PASSING.try_with(|passing| passing.set(again));
    result
}

/// Whether a message of this format has a log of the kernel in it, and so lines of its own.
fn is_log(format: &CStr) -> bool {
    String::from_utf8_lossy(format.to_bytes()).contains("LOG --")
}

/// Appends a message. The text is shown on terminals, and the names in it are anybody's: a line break in one begins no line.
fn push(message: &str, is_log: bool, text: &mut String) {
    if is_log {
        return text.push_str(&plain(message));
    }
    let (message, end) = message.strip_suffix('\n').map_or((message, ""), |message| (message, "\n"));
    text.push_str(&line(message));
    text.push_str(end);
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
    /// A guess for kernels before 5.11, which libbpf makes on all; the hint knows better.
    const GUESS: &str = "permission error while running as root; try raising 'ulimit -l'?";
    let mut log = None;
    let mut inside = false;
    let mut messages = String::new();
    for line in without_btf(said) {
        if line.contains(BEGIN) {
            inside = true;
            log.get_or_insert_with(String::new);
        } else if line.contains(END) {
            inside = false;
        } else if !line.contains(GUESS) {
            let text = if inside { log.get_or_insert_with(String::new) } else { &mut messages };
            text.push_str(line.strip_prefix("libbpf: ").unwrap_or(line));
            text.push('\n');
        }
    }
    (messages, log)
}

/// The lines of a text, without what libbpf says of BTF that the kernel refuses, and which the object does without.
fn without_btf(said: &str) -> Vec<&str> {
    const BEGIN: &str = "-- BEGIN BTF LOAD LOG --";
    const OPTIONAL: &str = "BTF is optional, ignoring";
    let mut lines: Vec<&str> = Vec::new();
    let mut begun = None;
    for line in said.lines() {
        if line.contains(BEGIN) {
            // One line stands before it: `BTF loading error: -EINVAL`.
            begun = Some(lines.len().saturating_sub(1));
        }
        if line.contains(OPTIONAL) {
            lines.truncate(begun.take().unwrap_or(lines.len()));
        } else {
            lines.push(line);
        }
    }
    lines
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
    fn text_for_a_terminal() {
        let mut text = String::new();
        push("no map 'x\u{1b}[31m\n  hint: y'\n", is_log(c"no map '%s'\n"), &mut text);
        push("-- BEGIN PROG LOAD LOG --\n0: r0\t=\u{9b}0\n-- END\n", is_log(c"-- BEGIN PROG LOAD LOG --\n%s-- END\n"), &mut text);
        assert_eq!(text, "no map 'x\\u{1b}[31m\\n  hint: y'\n-- BEGIN PROG LOAD LOG --\n0: r0 =\\u{9b}0\n-- END\n");
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

    #[test]
    fn a_log_of_btf_is_left_out_if_the_object_does_without() {
        let said = "libbpf: first\nlibbpf: BTF loading error: -EINVAL\nlibbpf: -- BEGIN BTF LOAD LOG ---\nmagic: 0xeb9f\n\
                    libbpf: -- END BTF LOAD LOG --\n";
        let optional = format!("{said}libbpf: Error loading .BTF into kernel: -EINVAL. BTF is optional, ignoring.\nlibbpf: last\n");
        assert_eq!(split_log(&optional).0, "first\nlast\n");
        let required = split_log(&format!("{said}libbpf: BTF is mandatory, can't proceed.\n")).0;
        assert!(required.contains("magic: 0xeb9f"), "{required}");
    }
}
