//! This program as another process: for what changes a whole process, or must not meet what libbpf has found out of the kernel and kept.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    io::{BufRead as _, BufReader, Lines, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
};

use libtest_mimic::Failed;

use super::Outcome;

/// Names the part, and its argument behind a space.
const VARIABLE: &str = "EUNOMIA_LIVE_PART";

/// What a process does, with its argument.
pub(crate) type Part = (&'static str, fn(&str) -> Outcome);

/// Does the part that this process was started for.
pub(crate) fn part(parts: &[Part]) -> Option<ExitCode> {
    let wanted = env::var(VARIABLE).ok()?;
    let (name, argument) = wanted.split_once(' ').unwrap_or((&wanted, ""));
    let (_, run) = parts.iter().find(|(known, _)| *known == name).expect("each part that is asked for is known");
    Some(match run(argument) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("the part `{wanted}` failed: {}", failed.message().unwrap_or_default());
            ExitCode::FAILURE
        }
    })
}

/// Says something to the process that started this one.
pub(crate) fn answer(name: &str, text: impl ToString) {
    println!("{}", serde_json::json!([name, text.to_string()]));
}

/// `ok`, or the error.
pub(crate) fn tried<T>(name: &str, result: Result<T, Failed>) -> Option<T> {
    answer(name, result.as_ref().map_or_else(|failed| failed.message().unwrap_or_default().to_owned(), |_| "ok".to_owned()));
    result.ok()
}

/// A process of this program that does a part.
pub(crate) struct Other {
    process: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
}

/// What it said, by name.
pub(crate) type Answers = BTreeMap<String, String>;

/// The process that does a part, to be started.
pub(crate) fn command(part: &str) -> Result<Command, Failed> {
    Ok(command_of(&env::current_exe()?, part))
}

/// The same of a copy of this program.
pub(crate) fn command_of(program: &Path, part: &str) -> Command {
    let mut command = Command::new(program);
    command.env(VARIABLE, part);
    command
}

impl Other {
    pub(crate) fn start<'a>(part: &str, variables: impl IntoIterator<Item = (&'a str, &'a OsStr)>) -> Result<Other, Failed> {
        let mut process = command(part)?.envs(variables).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let to = process.stdin.take().ok_or("it has a pipe")?;
        let from = BufReader::new(process.stdout.take().ok_or("it has a pipe")?).lines();
        Ok(Other { process, to, from })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it by a signal that it cannot see.
    pub(crate) fn kill(mut self) -> Outcome {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// The next of its answers.
    pub(crate) fn next(&mut self) -> Result<Option<(String, String)>, Failed> {
        self.from.next().transpose()?.map(|line| serde_json::from_str(&line).map_err(Into::into)).transpose()
    }

    /// Lets it go on that waits for it ([`wait`]).
    pub(crate) fn go_on(&mut self) -> Outcome {
        Ok(writeln!(self.to)?)
    }

    /// All that it says until it ends.
    pub(crate) fn end(mut self) -> Result<Answers, Failed> {
        let mut answers = Answers::new();
        while let Some((name, text)) = self.next()? {
            answers.insert(name, text);
        }
        let status = self.process.wait()?;
        if status.success() { Ok(answers) } else { Err(format!("{status} (signal {:?}) after {answers:#?}", status.signal()).into()) }
    }
}

/// What a part says.
pub(crate) fn run(part: &str) -> Result<Answers, Failed> {
    Other::start(part, [])?.end()
}

/// Waits for [`Other::go_on`].
pub(crate) fn wait() -> Outcome {
    std::io::stdin().lines().next().transpose()?.ok_or("the other process is gone")?;
    Ok(())
}

/// Gives this process, which has one thread, namespaces of its own.
pub(crate) fn unshare(namespaces: libc::c_int) -> Outcome {
    // SAFETY: the call takes no pointers; none of these namespaces takes descriptors or memory with it.
    match unsafe { libc::unshare(namespaces) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}
