//! Parses perf events from text.

use libbpf_rs::libbpf_sys;

use super::{
    super::{Every, Sampling, Target},
    Words, offset,
};

/// The generic events of perf_event_open(2).
const EVENTS: &[(&str, u32, u32)] = &[
    ("cpu-clock", libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_CPU_CLOCK),
    ("task-clock", libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_TASK_CLOCK),
    ("page-faults", libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_PAGE_FAULTS),
    ("minor-faults", libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_PAGE_FAULTS_MIN),
    ("major-faults", libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_PAGE_FAULTS_MAJ),
    (
        "context-switches",
        libbpf_sys::PERF_TYPE_SOFTWARE,
        libbpf_sys::PERF_COUNT_SW_CONTEXT_SWITCHES,
    ),
    ("cpu-migrations", libbpf_sys::PERF_TYPE_SOFTWARE, libbpf_sys::PERF_COUNT_SW_CPU_MIGRATIONS),
    ("cycles", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_CPU_CYCLES),
    ("ref-cycles", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_REF_CPU_CYCLES),
    ("bus-cycles", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_BUS_CYCLES),
    ("instructions", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_INSTRUCTIONS),
    (
        "cache-references",
        libbpf_sys::PERF_TYPE_HARDWARE,
        libbpf_sys::PERF_COUNT_HW_CACHE_REFERENCES,
    ),
    ("cache-misses", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_CACHE_MISSES),
    ("branches", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_BRANCH_INSTRUCTIONS),
    ("branch-misses", libbpf_sys::PERF_TYPE_HARDWARE, libbpf_sys::PERF_COUNT_HW_BRANCH_MISSES),
];

pub(super) const NO_PERIOD: &str = "expected an event and a period or frequency, such as cpu-clock:99hz (99 times a second) or cycles:1000000 \
                         (every million)";

pub(super) fn unknown_event() -> String {
    let known: Vec<&str> = EVENTS.iter().map(|(name, ..)| *name).collect();
    format!("expected one of the events {}, or perf:TYPE:CONFIG", known.join(", "))
}

/// Parses a perf event. Returns `None` if the event is unknown.
pub(super) fn perf_event(name: &str, words: &mut Words<'_>) -> Result<Option<Target>, String> {
    let (cpu, pid) = (words.number("cpu")?, words.number("pid")?);
    let (kind, config, every) = match EVENTS.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, config)) => (*kind, u64::from(*config), words.rest),
        None if name == "perf" => {
            let mut parts = words.rest.splitn(3, ':');
            let (kind, config) = (parts.next().and_then(offset), parts.next().and_then(offset));
            let (Some(kind), Some(config), Some(every)) =
                (kind.and_then(|kind| kind.try_into().ok()), config, parts.next())
            else {
                return Err(
                    "expected `perf:TYPE:CONFIG:PERIOD` with the numbers of perf_event_open(2)"
                        .to_owned(),
                );
            };
            (kind, config as u64, every)
        }
        None => return Ok(None),
    };
    let number =
        |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0).ok_or(NO_PERIOD);
    let every = match every.strip_suffix("hz").or_else(|| every.strip_suffix("Hz")) {
        Some(frequency) => Every::Frequency(number(frequency)?),
        None => Every::Period(number(every)?),
    };
    Ok(Some(Target::PerfEvent(Sampling { kind, config, every, pid, cpu })))
}
