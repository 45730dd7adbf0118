//! Runs parts of tests in another process of this program, for changes that affect a whole process,
//! and to start without what libbpf has found out about the kernel and cached.

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

/// The environment variable that names the part, with its argument after a space.
const VARIABLE: &str = "EUNOMIA_LIVE_PART";

/// A part: its name and its function, which gets the argument.
pub(crate) type Part = (&'static str, fn(&str) -> Outcome);

/// Runs the part that this process was started for; `None` if there is no such request.
pub(crate) fn part(parts: &[Part]) -> Option<ExitCode> {
    let request = env::var(VARIABLE).ok()?;
    let (name, argument) = request.split_once(' ').unwrap_or((&request, ""));
    let (_, run) =
        parts.iter().find(|(known, _)| *known == name).expect("the part is not in PARTS");
    Some(match run(argument) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("the part `{request}` failed: {}", failed.message().unwrap_or_default());
            ExitCode::FAILURE
        }
    })
}

/// Sends an answer to the parent process.
pub(crate) fn answer(name: &str, text: impl ToString) {
    println!("{}", serde_json::json!([name, text.to_string()]));
}

/// Answers `ok` or the error.
pub(crate) fn tried<T>(name: &str, result: Result<T, Failed>) -> Option<T> {
    answer(
        name,
        result.as_ref().map_or_else(
            |failed| failed.message().unwrap_or_default().to_owned(),
            |_| "ok".to_owned(),
        ),
    );
    result.ok()
}

/// A child process that runs a part.
pub(crate) struct Other {
    process: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
}

/// The answers of a part, by name.
pub(crate) type Answers = BTreeMap<String, String>;

/// Returns the command that starts this program as a part.
pub(crate) fn command(part: &str) -> Result<Command, Failed> {
    Ok(command_of(&env::current_exe()?, part))
}

/// Returns the command that starts a copy of this program as a part.
pub(crate) fn command_of(program: &Path, part: &str) -> Command {
    let mut command = Command::new(program);
    command.env(VARIABLE, part);
    command
}

impl Other {
    pub(crate) fn start<'a>(
        part: &str,
        variables: impl IntoIterator<Item = (&'a str, &'a OsStr)>,
    ) -> Result<Other, Failed> {
        let mut process =
            command(part)?.envs(variables).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let to = process.stdin.take().ok_or("the stream is not piped")?;
        let from = BufReader::new(process.stdout.take().ok_or("the stream is not piped")?).lines();
        Ok(Other { process, to, from })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills the process with SIGKILL, which it cannot handle.
    pub(crate) fn kill(mut self) -> Outcome {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Returns the next answer.
    pub(crate) fn next(&mut self) -> Result<Option<(String, String)>, Failed> {
        self.from
            .next()
            .transpose()?
            .map(|line| serde_json::from_str(&line).map_err(Into::into))
            .transpose()
    }

    /// Lets the process return from [`wait`].
    pub(crate) fn go_on(&mut self) -> Outcome {
        Ok(writeln!(self.to)?)
    }

    /// Collects the answers until the process exits.
    pub(crate) fn end(mut self) -> Result<Answers, Failed> {
        let mut answers = Answers::new();
        while let Some((name, text)) = self.next()? {
            answers.insert(name, text);
        }
        let status = self.process.wait()?;
        if status.success() {
            Ok(answers)
        } else {
            Err(format!("{status} (signal {:?}) after {answers:#?}", status.signal()).into())
        }
    }
}

/// Runs a part and returns its answers.
pub(crate) fn run(part: &str) -> Result<Answers, Failed> {
    Other::start(part, [])?.end()
}

/// Waits until the parent calls [`Other::go_on`].
pub(crate) fn wait() -> Outcome {
    std::io::stdin().lines().next().transpose()?.ok_or("the parent is gone")?;
    Ok(())
}

/// Moves this single-threaded process into new namespaces.
pub(crate) fn unshare(namespaces: libc::c_int) -> Outcome {
    // SAFETY: the call takes no pointers, and none of these namespaces affects memory or
    // descriptors.
    match unsafe { libc::unshare(namespaces) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}
