//! Runs every program on every kernel.

use std::{
    num::NonZero,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::{
    Ended, Error, Kernel, Report, Run,
    machine::{self, Limits},
};

/// The result of a program on a kernel.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The way its machine ended.
    pub ended: Ended,
    /// The time from the first boot of a machine to the end of the last.
    pub time: Duration,
    /// The program's output and, if a machine did not end with a status, the last of the kernel's
    /// messages.
    pub printed: Vec<u8>,
    /// The tests that the program listed (`--list`) with the arguments it was run with.
    pub(crate) listed: Vec<String>,
}

impl Outcome {
    /// Reads the results of the tests from the output.
    pub fn report(&self) -> Report {
        Report::read(&self.listed, &String::from_utf8_lossy(&self.printed), &self.ended)
    }
}

/// An event while programs run on kernels.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A program is about to run.
    Begun {
        /// The program's index.
        run: usize,
        /// The kernel's index.
        kernel: usize,
    },
    /// A program ended.
    Ended {
        /// The program's index.
        run: usize,
        /// The kernel's index.
        kernel: usize,
        /// The result.
        outcome: &'a Outcome,
    },
}

/// Checks that machines can run on this host, fetches the kernels that are not in the cache yet,
/// and returns the release of each.
///
/// # Errors
/// [`Error::Command`] if a program of the host is missing, and the errors of [`Kernel::fetch`].
pub fn prepare(kernels: &[Kernel]) -> Result<Vec<String>, Error> {
    machine::check()?;
    kernels.iter().map(Kernel::fetch).collect()
}

/// Runs every program on every kernel and returns, for each program, its outcome on each kernel.
///
/// As many machines run at once as the host has CPUs. Each program lists its tests (`--list`) in
/// the machine before it runs them. `seen` is called for each event as it happens, on the calling
/// thread.
///
/// ```no_run
/// use eunomia_vm::{Kernel, Run, Verdict};
///
/// let kernels = Kernel::named("5.10 6.1")?;
/// let runs = [Run::new("target/debug/deps/live-0123456789abcdef", [])?];
/// for outcome in eunomia_vm::matrix(&runs, &kernels, |_| ())?.concat() {
///     let tests = outcome.report().tests;
///     let failed = tests.iter().filter(|(_, verdict)| *verdict == Verdict::Failed).count();
///     println!("{}: {failed} tests failed", outcome.ended);
/// }
/// # Ok::<(), eunomia_vm::Error>(())
/// ```
///
/// # Errors
/// The errors of [`prepare`], [`Error::Usage`] if a setting is not a number, and [`Error::Io`] or
/// [`Error::Command`] if a machine cannot be prepared. After an error, the machines that run finish
/// and no others are started.
pub fn matrix(
    runs: &[Run],
    kernels: &[Kernel],
    seen: impl FnMut(Event<'_>),
) -> Result<Vec<Vec<Outcome>>, Error> {
    let limits = Limits::from_env()?;
    prepare(kernels)?;
    let runs: Vec<_> = runs.iter().map(|run| Run { list: true, ..run.clone() }).collect();
    all(&runs, kernels, &limits, seen)
}

/// Does the work of [`matrix`] after [`prepare`].
pub(crate) fn all(
    runs: &[Run],
    kernels: &[Kernel],
    limits: &Limits,
    mut seen: impl FnMut(Event<'_>),
) -> Result<Vec<Vec<Outcome>>, Error> {
    let jobs: Vec<_> = (0..runs.len())
        .flat_map(|run| (0..kernels.len()).map(move |kernel| (run, kernel)))
        .collect();
    let mut outcomes: Vec<_> = jobs.iter().map(|_| None).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get).min(jobs.len()) {
            let (sender, next, jobs) = (sender.clone(), &next, &jobs);
            scope.spawn(move || {
                let take = || {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    Some((index, jobs.get(index)?))
                };
                while let Some((index, &(run, kernel))) = take()
                    // After an error the receiver is gone.
                    && sender.send((index, None)).is_ok()
                {
                    _ = sender.send((index, Some(runs[run].collect(&kernels[kernel], limits))));
                }
            });
        }
        // The loop ends with the last thread.
        drop(sender);
        for (index, outcome) in receiver {
            let (run, kernel) = jobs[index];
            match outcome {
                None => seen(Event::Begun { run, kernel }),
                Some(outcome) => {
                    let outcome = outcome?;
                    seen(Event::Ended { run, kernel, outcome: &outcome });
                    outcomes[index] = Some(outcome);
                }
            }
        }
        Ok(())
    })?;
    let mut outcomes =
        outcomes.into_iter().map(|outcome| outcome.expect("every job was taken by a thread"));
    Ok(runs.iter().map(|_| outcomes.by_ref().take(kernels.len()).collect()).collect())
}
