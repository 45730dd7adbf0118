//! Programs that are run on kernels, each on each.

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

/// How a program went on a kernel.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How its machine ended.
    pub ended: Ended,
    /// From the first boot of a machine to the end of the last.
    pub time: Duration,
    /// What the program printed and, where a machine did not end as it should, the last of the kernel's messages.
    pub printed: Vec<u8>,
    /// The tests that the program says it has, with the arguments it was run with.
    pub(crate) listed: Vec<String>,
}

impl Outcome {
    /// The tests, as they are read from what was printed.
    pub fn report(&self) -> Report {
        Report::read(&self.listed, &String::from_utf8_lossy(&self.printed), &self.ended)
    }
}

/// What happens while programs run on kernels.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A program is about to be run.
    Begun {
        /// The program's index.
        run: usize,
        /// The kernel's index.
        kernel: usize,
    },
    /// A program was run.
    Ended {
        /// The program's index.
        run: usize,
        /// The kernel's index.
        kernel: usize,
        /// How it went.
        outcome: &'a Outcome,
    },
}

/// Looks whether machines can be made here, puts the kernels into the cache where they are not there yet, and says what each calls itself.
///
/// # Errors
/// A program that is missing here, or a kernel that cannot be fetched.
pub fn prepare(kernels: &[Kernel]) -> Result<Vec<String>, Error> {
    machine::check()?;
    kernels.iter().map(Kernel::fetch).collect()
}

/// Runs each program on each kernel, in as many machines at once as this one has CPUs, and says for each program how it went on each
/// kernel. A program is asked for its tests (`--list`) in the machine before it runs them. What happens is told as it does, on this thread.
///
/// ```no_run
/// use eunomia_vm::{Kernel, Run, Verdict};
///
/// let (kernels, runs) = (Kernel::named("5.10 6.1")?, [Run::new("target/debug/deps/live-0123456789abcdef", [])?]);
/// for outcome in eunomia_vm::matrix(&runs, &kernels, |_| ())?.concat() {
///     let failed = outcome.report().tests.iter().filter(|(_, verdict)| *verdict == Verdict::Failed).count();
///     println!("{}: {failed} tests failed", outcome.ended);
/// }
/// # Ok::<(), eunomia_vm::Error>(())
/// ```
///
/// # Errors
/// Where a kernel cannot be fetched or a machine not be prepared. The machines that run then come to their end, and no others are started.
pub fn matrix(runs: &[Run], kernels: &[Kernel], seen: impl FnMut(Event<'_>)) -> Result<Vec<Vec<Outcome>>, Error> {
    let limits = Limits::from_env()?;
    prepare(kernels)?;
    let runs: Vec<_> = runs.iter().map(|run| Run { list: true, ..run.clone() }).collect();
    all(&runs, kernels, &limits, seen)
}

/// [`matrix`], when all is prepared.
pub(crate) fn all(runs: &[Run], kernels: &[Kernel], limits: &Limits, mut seen: impl FnMut(Event<'_>)) -> Result<Vec<Vec<Outcome>>, Error> {
    let jobs: Vec<_> = (0..runs.len()).flat_map(|run| (0..kernels.len()).map(move |kernel| (run, kernel))).collect();
    let mut outcomes: Vec<_> = jobs.iter().map(|_| None).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get).min(jobs.len()) {
            let (tell, next, jobs) = (tell.clone(), &next, &jobs);
            scope.spawn(move || {
                let take = || {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    Some((index, jobs.get(index)?))
                };
                while let Some((index, &(run, kernel))) = take()
                    // Nobody listens any more after an error.
                    && tell.send((index, None)).is_ok()
                {
                    _ = tell.send((index, Some(runs[run].collect(&kernels[kernel], limits))));
                }
            });
        }
        // The loop ends with the last thread.
        drop(tell);
        for (index, outcome) in told {
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
    let mut outcomes = outcomes.into_iter().map(|outcome| outcome.expect("each was taken by a thread"));
    Ok(runs.iter().map(|_| outcomes.by_ref().take(kernels.len()).collect()).collect())
}
