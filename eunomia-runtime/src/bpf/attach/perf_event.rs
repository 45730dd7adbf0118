use std::{
    io,
    os::fd::{AsRawFd as _, IntoRawFd as _, OwnedFd},
};

use libbpf_rs::libbpf_sys;

use super::{
    super::{Program, kind::PerfEvent, link::Links},
    any_or,
};
use crate::{Hint, Result, cpus, perf_event, refusal::refusal};

/// What a perf event counts, and when it takes a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// `PERF_TYPE_*`.
    pub kind: u32,
    /// `PERF_COUNT_*`, or what else the type takes.
    pub config: u64,
    /// When a sample is taken.
    pub every: Every,
    /// One process and the CPUs that it runs on, or all (`None`).
    pub pid: Option<u32>,
    /// One CPU, or all that are online (`None`).
    pub cpu: Option<u32>,
}

/// When a perf event takes a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// After so many counts; of a clock, nanoseconds.
    Period(u64),
    /// So many times a second.
    Frequency(u64),
}

impl Sampling {
    /// The clock of each CPU (`PERF_COUNT_SW_CPU_CLOCK`), of all processes: what profilers take.
    pub const fn cpu_clock(every: Every) -> Self {
        let (kind, config) = (libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_CPU_CLOCK as u64);
        Self { kind, config, every, pid: None, cpu: None }
    }

    fn open(&self, cpu: u32) -> io::Result<OwnedFd> {
        let mut attr = libbpf_sys::perf_event_attr { type_: self.kind, config: self.config, ..Default::default() };
        match self.every {
            Every::Period(period) => attr.__bindgen_anon_1.sample_period = period,
            Every::Frequency(frequency) => {
                attr.__bindgen_anon_1.sample_freq = frequency;
                attr.set_freq(1);
            }
        }
        perf_event::open(attr, any_or(self.pid), cpu.cast_signed())
    }

    /// Why the kernel opens no such event, on the first CPU if all were asked for, and what to do.
    #[cfg(feature = "dynamic")]
    pub(crate) fn refused(&self) -> Option<(String, Hint)> {
        let error = self.open(self.cpu.unwrap_or(0)).err()?;
        Some((error.to_string(), unsupported(&error).unwrap_or_default()))
    }
}

/// What to do about an event that the machine does not count.
fn unsupported(error: &io::Error) -> Option<Hint> {
    let unknown = matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENXIO | libc::EOPNOTSUPP));
    unknown.then(|| "this machine does not count the event: virtual machines often have no hardware events; `cpu-clock` is on each".into())
}

impl Program<'_, PerfEvent> {
    /// Opens the event and attaches the program to it, on each of its CPUs.
    ///
    /// # Errors
    /// [`Error::Kernel`](crate::Error::Kernel) for the first CPU that refuses; nothing stays attached.
    pub fn attach_to(&self, sampling: &Sampling) -> Result<Links> {
        let cpus = match sampling.cpu {
            Some(cpu) => cpu..=cpu,
            None => 0..=cpus::possible()?.saturating_sub(1),
        };
        let mut links = Links::default();
        for cpu in cpus {
            let tried = self.tried(&format!("the perf event {}:{} on CPU {cpu}", sampling.kind, sampling.config));
            match sampling.open(cpu) {
                // CPUs that are possible but offline have no event.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) && sampling.cpu.is_none() => {}
                Err(error) => {
                    let hint = unsupported(&error);
                    return Err(self.explain(refusal(tried, error)).with_hint(|| hint));
                }
                Ok(event) => {
                    links.0.push(self.linked(tried, |program| program.attach_perf_event(event.as_raw_fd()))?);
                    // The link closes it from now on.
                    let _ = event.into_raw_fd();
                }
            }
        }
        Ok(links)
    }
}
