//! What `eunomia run` says at its end.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Stdio},
};

use super::{Outcome, child::command, hooks::eunomia_live_many_a};

fn signal(process: &Child, signal: libc::c_int) {
    // SAFETY: the call takes no pointers, and the process is a child that has not been waited for.
    assert_eq!(unsafe { libc::kill(process.id().cast_signed(), signal) }, 0);
}

/// Whatever runs this program and calls the function sends an event, and nobody else does. `--count` leaves the rest where it is.
pub(crate) fn what_stays_in_the_buffers() -> Outcome {
    let function = format!("hook=uprobe:{}:eunomia_live_many_a", env::current_exe()?.display());
    let words = "command run bpf/choices.json --map counts=10K --map stacks=64 --event calls=call -f json --only hook --type hook=uprobe";
    // One that goes on reads what is there until it has enough, one that is to end reads all.
    for (limit, calls, then, taken, left) in [
        ("-n 3", 10, libc::SIGTSTP, 3, "7 more events were left unread in the buffers"),
        ("-n 3", 4, libc::SIGTSTP, 3, "1 more event was left unread in the buffers"),
        ("-n 3", 3, libc::SIGTSTP, 3, ""),
        ("-n 100", 5, libc::SIGTERM, 5, ""),
    ] {
        let words = format!("{words} --attach {function} {limit}");
        let mut process = command(&words)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut told = BufReader::new(process.stderr.take().ok_or("it has a pipe")?).lines();
        let mut out = process.stdout.take().ok_or("it has a pipe")?;
        let mut next = || told.next().transpose().map(Option::unwrap_or_default);
        assert_eq!(next()?, "choices: 1 program attached, events of calls; Ctrl-C ends");
        // None of them is read before all are there.
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
