//! Perf events: programs that run for samples of counters and clocks.

use std::{
    io,
    os::fd::{AsRawFd as _, IntoRawFd as _, OwnedFd},
};

use libbpf_rs::libbpf_sys;

use super::{
    super::{Program, kind::PerfEvent, link::Links},
    any_or,
};
use crate::{
    Hint, Result,
    host::{cpus, kernel_error, perf_event},
};

/// The event that is counted, and how often a sample is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// The type of the event: `PERF_TYPE_*`.
    pub kind: u32,
    /// The event: `PERF_COUNT_*`, or another number that the type defines.
    pub config: u64,
    /// How often a sample is taken.
    pub every: Every,
    /// The process to sample, on any CPU that it runs on; `None` for all processes.
    pub pid: Option<u32>,
    /// The CPU to sample on; `None` for all CPUs that are online.
    pub cpu: Option<u32>,
}

/// How often a perf event takes a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// Each time after this number of counts. A clock counts nanoseconds.
    Period(u64),
    /// This number of times a second.
    Frequency(u64),
}

impl Sampling {
    /// Returns the clock of each CPU (`PERF_COUNT_SW_CPU_CLOCK`) for all processes, the usual
    /// choice of profilers.
    pub const fn cpu_clock(every: Every) -> Self {
        let (kind, config) =
            (libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_CPU_CLOCK as u64);
        Self { kind, config, every, pid: None, cpu: None }
    }

    fn open(&self, cpu: u32) -> io::Result<OwnedFd> {
        let mut attr = libbpf_sys::perf_event_attr {
            type_: self.kind,
            config: self.config,
            ..Default::default()
        };
        match self.every {
            Every::Period(period) => attr.__bindgen_anon_1.sample_period = period,
            Every::Frequency(frequency) => {
                attr.__bindgen_anon_1.sample_freq = frequency;
                attr.set_freq(1);
            }
        }
        perf_event::open(attr, any_or(self.pid), cpu.cast_signed())
    }

    /// Returns why the kernel does not open the event, and what to do. If all CPUs are sampled, it
    /// tries the first one.
    #[cfg(feature = "dynamic")]
    pub(crate) fn refused(&self) -> Option<(String, Hint)> {
        let error = self.open(self.cpu.unwrap_or(0)).err()?;
        Some((error.to_string(), unsupported(&error).unwrap_or_default()))
    }
}

/// Returns a hint for an event that the machine does not count.
fn unsupported(error: &io::Error) -> Option<Hint> {
    let unknown =
        matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENXIO | libc::EOPNOTSUPP));
    unknown.then(|| {
        "this machine does not count the event: virtual machines often lack hardware events; `cpu-clock` works on every machine".into()
    })
}

impl Program<'_, PerfEvent> {
    /// Opens the event on each of its CPUs and attaches the program to it, which then runs for each
    /// sample. The result has one link for each CPU.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) for the first CPU that fails; no program stays
    /// attached.
    pub fn attach_to(&self, sampling: &Sampling) -> Result<Links> {
        let cpus = match sampling.cpu {
            Some(cpu) => vec![cpu],
            None => cpus::ids()?,
        };
        let mut links = Links::default();
        for cpu in cpus {
            let tried = self.tried(&format!(
                "the perf event {}:{} on CPU {cpu}",
                sampling.kind, sampling.config
            ));
            match sampling.open(cpu) {
                // A CPU that is possible but offline has no events.
                Err(error)
                    if error.raw_os_error() == Some(libc::ENODEV) && sampling.cpu.is_none() => {}
                Err(error) => {
                    let hint = unsupported(&error);
                    return Err(self.explain(kernel_error(tried, error)).with_hint(|| hint));
                }
                Ok(event) => {
                    links.0.push(
                        self.linked(tried, |program| program.attach_perf_event(event.as_raw_fd()))?,
                    );
                    // The link owns the descriptor now and closes it.
                    let _ = event.into_raw_fd();
                }
            }
        }
        Ok(links)
    }
}
