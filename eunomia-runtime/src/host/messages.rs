//! libbpf's messages, captured during calls.
//!
//! libbpf explains its refusals, and prints the verifier's log, through one process-wide callback
//! that writes to standard error by default. A library must not print, and the text belongs in the
//! error. So [`listen`] installs a callback that captures the messages on its thread during the
//! call, and passes all other messages to the callback that was installed before.
//!
//! The callback is installed in libbpf directly, not through libbpf-rs. libbpf quotes names from
//! objects, which may be any bytes, and the callback of libbpf-rs panics on bytes that are not
//! UTF-8, which ends the process.

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

use super::refused_by;
use crate::{
    Error,
    plain::{line, plain},
};

/// An upper bound far above the length of a verifier log. It limits the memory of a failed load.
const MAX_LEN: usize = 32 << 20;

/// `libbpf_print_fn_t`. Its last argument is a `va_list`, whose type differs between machines; all
/// of them pass it as a pointer.
type Print = unsafe extern "C" fn(libbpf_print_level, *const c_char, *mut c_void) -> c_int;

thread_local! {
    /// The messages captured so far on this thread; `None` outside of [`listen`].
    static CAPTURED: RefCell<Option<String>> = const { RefCell::new(None) };
    /// The number of previous callbacks that run for one message. They may call ours again.
    static FORWARDING: Cell<u8> = const { Cell::new(0) };
}

/// Our callback. A static, so that it has a single address to compare with.
static PRINT: Print = print;
/// The callback that was installed before ours for the first time.
static FIRST: OnceLock<Option<Print>> = OnceLock::new();
/// The callback that was installed before ours most recently; null if there was none, so that
/// libbpf printed nothing.
static PREVIOUS: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Runs `f`, and returns its result and the messages of libbpf on this thread meanwhile.
pub(crate) fn listen<T>(f: impl FnOnce() -> T) -> (T, String) {
    /// Ends the capture on every way out.
    struct Capture;

    impl Drop for Capture {
        fn drop(&mut self) {
            let _ = CAPTURED.try_with(RefCell::take);
        }
    }

    install();
    let _ = CAPTURED.try_with(|captured| *captured.borrow_mut() = Some(String::new()));
    let capture = Capture;
    let result = f();
    let messages = CAPTURED.try_with(RefCell::take).ok().flatten().unwrap_or_default();
    drop(capture);
    (result, messages)
}

/// Installs our callback, also if others have replaced it since.
fn install() {
    // SAFETY: the two types differ only in how they spell a `va_list`, which is passed as a
    // pointer.
    let ours = unsafe { mem::transmute::<Print, libbpf_print_fn_t>(PRINT) };
    // SAFETY: libbpf accepts a callback at any time and on any thread, and ours exists as long as
    // the process.
    let before = unsafe { libbpf_set_print(ours) };
    // SAFETY: as above.
    let before = unsafe { mem::transmute::<libbpf_print_fn_t, Option<Print>>(before) };
    let address = address(before);
    if address != self::address(Some(PRINT)) {
        PREVIOUS.store(address, Ordering::Release);
        FIRST.get_or_init(|| before);
    }
}

fn address(print: Option<Print>) -> *mut () {
    print.map_or(ptr::null_mut(), |print| print as *mut ())
}

/// Captures or forwards a message. libbpf calls it on any thread, also while that thread ends. A
/// panic must not cross the frames of C.
unsafe extern "C" fn print(
    level: libbpf_print_level,
    format: *const c_char,
    args: *mut c_void,
) -> c_int {
    let capture =
        |captured: &RefCell<Option<String>>| match captured.try_borrow_mut().as_deref_mut() {
            Ok(Some(text)) => {
                if level <= LIBBPF_INFO && text.len() < MAX_LEN {
                    // SAFETY: these are the arguments with which libbpf called.
                    match unsafe { vsprintf_raw(format, args) } {
                        // SAFETY: as above; libbpf's formats are C strings.
                        Ok(message) => push(
                            &String::from_utf8_lossy(&message),
                            is_log(unsafe { CStr::from_ptr(format) }),
                            text,
                        ),
                        Err(_) => text.push_str("(a message of libbpf could not be formatted)\n"),
                    }
                }
                true
            }
            _ => false,
        };
    if catch_unwind(|| CAPTURED.try_with(capture).unwrap_or(false)).unwrap_or(true) {
        return 0;
    }
    // A callback that was installed after ours may call ours. Then the first callback is called,
    // since the most recent one would be that callback again. If the first one calls ours too, it
    // was installed again after ours, and nobody is left to be called.
    let running = FORWARDING.try_with(Cell::get).unwrap_or(0);
    let before = match running {
        // SAFETY: the pointer is null, or came from a function of this type.
        0 => unsafe { mem::transmute::<*mut (), Option<Print>>(PREVIOUS.load(Ordering::Acquire)) },
        1 => FIRST.get().copied().flatten(),
        _ => None,
    };
    let _ = FORWARDING.try_with(|forwarding| forwarding.set(running + 1));
    // SAFETY: the callback was given to libbpf to be called in this way, and nobody has read the
    // arguments yet.
    let result = before.map_or(0, |before| unsafe { before(level, format, args) });
    let _ = FORWARDING.try_with(|forwarding| forwarding.set(running));
    result
}

/// Reports whether messages of this format contain a log of the kernel, and so lines of their own.
fn is_log(format: &CStr) -> bool {
    String::from_utf8_lossy(format.to_bytes()).contains("LOG --")
}

/// Appends a message. The text is shown on terminals and quotes arbitrary names, so a line break in
/// a name must not start a new line.
fn push(message: &str, is_log: bool, text: &mut String) {
    if is_log {
        return text.push_str(&plain(message));
    }
    let (message, end) =
        message.strip_suffix('\n').map_or((message, ""), |message| (message, "\n"));
    text.push_str(&line(message));
    text.push_str(end);
}

/// Returns the error of a libbpf call, with the messages of that call.
pub(crate) fn refused(tried: impl Into<String>, error: &libbpf_rs::Error, messages: &str) -> Error {
    let (messages, verifier_log) = split_log(messages);
    refused_by(tried.into(), errno(error), messages, verifier_log)
}

/// Returns the errno of an error. libbpf-rs keeps it in a private `io::Error`, so it is parsed from
/// the text that the standard library gives such an error: `.. (os error 95)`.
fn errno(error: &libbpf_rs::Error) -> io::Error {
    let text = format!("{error:#}");
    let code = text
        .rsplit_once("(os error ")
        .and_then(|(_, code)| code.strip_suffix(')'))
        .and_then(|code| code.parse().ok());
    code.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error)
}

/// Splits libbpf's messages into those without the verifier's log, and that log.
fn split_log(output: &str) -> (String, Option<String>) {
    const BEGIN: &str = "-- BEGIN PROG LOAD LOG --";
    const END: &str = "-- END PROG LOAD LOG --";
    /// libbpf's guess about kernels before 5.11, which it makes on every kernel. The hint is more
    /// precise.
    const GUESS: &str = "permission error while running as root; try raising 'ulimit -l'?";
    let mut log = None;
    let mut inside = false;
    let mut messages = String::new();
    for line in without_btf(output) {
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

/// Returns the lines of a text, without the messages about BTF that the kernel refused and that the
/// object does not need.
fn without_btf(output: &str) -> Vec<&str> {
    const BEGIN: &str = "-- BEGIN BTF LOAD LOG --";
    const OPTIONAL: &str = "BTF is optional, ignoring";
    let mut lines: Vec<&str> = Vec::new();
    let mut begun = None;
    for line in output.lines() {
        if line.contains(BEGIN) {
            // One line comes before it: `BTF loading error: -EINVAL`.
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
    fn errno_is_read_back_from_libbpf_rs() {
        let error = libbpf_rs::Error::from_raw_os_error(libc::EOPNOTSUPP)
            .context("failed to attach BPF program");
        assert_eq!(errno(&error).raw_os_error(), Some(libc::EOPNOTSUPP));
    }

    /// Another library may install its callback again after ours and pass messages on to ours.
    #[test]
    fn callbacks_that_call_each_other_end() {
        unsafe extern "C" fn back(
            level: libbpf_print_level,
            format: *const c_char,
            args: *mut c_void,
        ) -> c_int {
            // SAFETY: these are the arguments with which our callback called.
            1 + unsafe { print(level, format, args) }
        }
        static BACK: Print = back;

        let first = FIRST.get_or_init(|| Some(BACK));
        let own = PREVIOUS.swap(address(Some(BACK)), Ordering::AcqRel);
        // SAFETY: nobody reads the arguments of the message outside of `listen`, unless the first
        // callback is that of libbpf, which reads no more than the format.
        let calls = unsafe { print(LIBBPF_INFO + 1, c"".as_ptr(), ptr::null_mut()) };
        PREVIOUS.store(own, Ordering::Release);
        assert_eq!(calls, if address(*first) == address(Some(BACK)) { 2 } else { 1 });
    }

    #[test]
    fn messages_are_escaped_for_a_terminal() {
        let mut text = String::new();
        push("no map 'x\u{1b}[31m\n  hint: y'\n", is_log(c"no map '%s'\n"), &mut text);
        push(
            "-- BEGIN PROG LOAD LOG --\n0: r0\t=\u{9b}0\n-- END\n",
            is_log(c"-- BEGIN PROG LOAD LOG --\n%s-- END\n"),
            &mut text,
        );
        assert_eq!(
            text,
            "no map 'x\\u{1b}[31m\\n  hint: y'\n-- BEGIN PROG LOAD LOG --\n0: r0 =\\u{9b}0\n-- END\n"
        );
    }

    #[test]
    fn verifier_log_is_split_out() {
        let output = "libbpf: prog 'p': BPF program load failed: EACCES\nlibbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n0: R1=ctx()\n\
                    invalid access\n-- END PROG LOAD LOG --\nlibbpf: failed to load object 'x'\n";
        let (messages, log) = split_log(output);
        assert_eq!(
            messages,
            "prog 'p': BPF program load failed: EACCES\nfailed to load object 'x'\n"
        );
        assert_eq!(log.as_deref(), Some("0: R1=ctx()\ninvalid access\n"));
        assert_eq!(split_log("plain"), ("plain\n".to_owned(), None));
    }

    #[test]
    fn optional_btf_log_is_left_out() {
        let output = "libbpf: first\nlibbpf: BTF loading error: -EINVAL\nlibbpf: -- BEGIN BTF LOAD LOG ---\nmagic: 0xeb9f\n\
                    libbpf: -- END BTF LOAD LOG --\n";
        let optional = format!(
            "{output}libbpf: Error loading .BTF into kernel: -EINVAL. BTF is optional, ignoring.\nlibbpf: last\n"
        );
        assert_eq!(split_log(&optional).0, "first\nlast\n");
        let required = split_log(&format!("{output}libbpf: BTF is mandatory, can't proceed.\n")).0;
        assert!(required.contains("magic: 0xeb9f"), "{required}");
    }
}
