//! The summary that `eunomia run` prints at its end.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Stdio},
};

use super::{Outcome, child::command, hooks::eunomia_live_many_a};

fn signal(process: &Child, signal: libc::c_int) {
    // SAFETY: the call takes only integers, and the child has not been waited for, so its pid is
    // not reused.
    assert_eq!(unsafe { libc::kill(process.id().cast_signed(), signal) }, 0);
}

/// Each call of the function in this program sends an event; nothing else does. `--count` leaves
/// the remaining events unread.
pub(crate) fn summary_counts_unread_events() -> Outcome {
    let function = format!("hook=uprobe:{}:eunomia_live_many_a", env::current_exe()?.display());
    let words = "command run bpf/choices.json --map counts=10K --map stacks=64 --event calls=call -f json --only hook --type hook=uprobe";
    // A paused run that continues reads until it has enough; a run that ends reads everything.
    for (limit, calls, then, taken, left) in [
        ("-n 3", 10, libc::SIGTSTP, 3, "7 more events were left unread in the buffers"),
        ("-n 3", 4, libc::SIGTSTP, 3, "1 more event was left unread in the buffers"),
        ("-n 3", 3, libc::SIGTSTP, 3, ""),
        ("-n 100", 5, libc::SIGTERM, 5, ""),
    ] {
        let words = format!("{words} --attach {function} {limit}");
        let mut process = command(&words)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut messages =
            BufReader::new(process.stderr.take().ok_or("the stream is not piped")?).lines();
        let mut out = process.stdout.take().ok_or("the stream is not piped")?;
        let mut next = || messages.next().transpose().map(Option::unwrap_or_default);
        assert_eq!(next()?, "choices: 1 program attached, events of calls; Ctrl-C ends");
        // The pause prevents reading until all events were sent.
        signal(&process, libc::SIGTSTP);
        assert_eq!(next()?, "paused; Ctrl-Z resumes");
        (0..calls).for_each(|number| _ = eunomia_live_many_a(number));
        signal(&process, then);
        let mut text = String::new();
        out.read_to_string(&mut text)?;
        assert!(process.wait()?.success());
        assert_eq!(text.lines().count(), taken, "{text}");
        let summary = next()?;
        assert!(summary.starts_with(&format!("calls: {taken} events in ")), "{summary}");
        assert_eq!(next()?, left, "{limit}, {calls} calls");
    }
    Ok(())
}
