//! The object with programs of every type, loaded through the generated module or dynamically.

use std::{cell::Cell, time::Duration};

use eunomia_runtime::{
    Result, Skeleton, bpf,
    bpf::{FromMap, Program, kind::ProgramKind},
    dynamic,
};
use eunomia_tests::built::every;

use super::Outcome;

/// The way in which the object is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The generated module opens it.
    Typed,
    /// It is opened as a skeleton that is known only at run time.
    Dynamic,
}

/// The loaded object.
pub(crate) struct Loaded {
    pub(crate) skel: Skel,
    /// The value of the counter `runs` when it was last read.
    runs: Cell<u64>,
}

pub(crate) enum Skel {
    Typed(every::Loaded),
    Dynamic(dynamic::Loaded),
}

/// The committed fixture, embedded because virtual machines do not have the file.
pub(crate) const DOCUMENT: &str = include_str!("../bpf/every.json");

impl Way {
    /// Loads the named programs and no others.
    pub(crate) fn load(self, programs: &[&str]) -> Result<Loaded> {
        self.load_with(programs, |_| Ok(()))
    }

    /// Calls `set_up`, then loads the named programs and no others.
    pub(crate) fn load_with(
        self,
        programs: &[&str],
        set_up: impl FnOnce(&mut bpf::Open) -> Result<()>,
    ) -> Result<Loaded> {
        let prepare = |open: &mut bpf::Open| {
            programs.iter().try_for_each(|name| {
                open.program(name).map(|mut program| program.set_autoload(true))
            })?;
            set_up(open)
        };
        let skel = match self {
            Way::Typed => {
                let mut open = every::open()?;
                open.bss()?.wanted_tgid.set(std::process::id().cast_signed())?;
                prepare(open.object())?;
                Skel::Typed(open.load()?)
            }
            Way::Dynamic => {
                let mut open = Skeleton::parse(DOCUMENT, "every")?.open()?;
                open.set("wanted_tgid", &std::process::id().to_string())?;
                prepare(open.object())?;
                Skel::Dynamic(open.load()?)
            }
        };
        Ok(Loaded { skel, runs: Cell::new(0) })
    }
}

impl Loaded {
    /// Returns a program by name, as the dynamic path finds it.
    pub(crate) fn program<K: ProgramKind>(&self, name: &str) -> Result<Program<'_, K>> {
        self.object().program(name)?.into_kind()
    }

    pub(crate) fn map<'a, T: FromMap<'a>>(&'a self, name: &str) -> Result<T> {
        self.object().typed_map(name)
    }

    pub(crate) fn object(&self) -> &bpf::Loaded {
        match &self.skel {
            Skel::Typed(skel) => skel.object(),
            Skel::Dynamic(skel) => skel.object(),
        }
    }

    /// Returns how often programs that count their runs, and send no events, ran since the last
    /// call.
    fn runs(&self) -> Result<u64> {
        let runs = match &self.skel {
            Skel::Typed(skel) => skel.bss()?.runs.get()?,
            Skel::Dynamic(skel) => skel.get("runs")?.parse().expect("it is a number"),
        };
        Ok(runs - self.runs.replace(runs))
    }

    /// Returns the number of runs or events, after waiting for up to `timeout`.
    fn events(&self, timeout: Duration) -> Result<u64> {
        // Programs that many processes run send the id of the process: 0 or that of this one.
        let check_tgid = |tgid: i64| {
            assert!(
                [0, i64::from(std::process::id())].contains(&tgid),
                "an event of process {tgid}"
            )
        };
        let timeout = match self.runs()? {
            0 => timeout,
            runs => return Ok(runs),
        };
        match &self.skel {
            Skel::Typed(skel) => {
                skel.poll(timeout, |every::Export::Events(event)| check_tgid(event.tgid.into()))
            }
            Skel::Dynamic(skel) => skel.poll(timeout, |event| {
                check_tgid(event.value.field("tgid").and_then(|tgid| tgid.as_i64()).unwrap_or(-1))
            }),
        }
    }

    /// Returns the number of events; an error if none arrives within 5 seconds.
    pub(crate) fn seen(&self) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        match self.events(Duration::from_secs(5))? {
            0 => Err("no event came".into()),
            events => Ok(events),
        }
    }

    /// Discards the events so far.
    pub(crate) fn forget(&self) -> Outcome {
        self.events(Duration::ZERO)?;
        Ok(())
    }

    /// Checks that no events arrive.
    pub(crate) fn quiet(&self) -> Outcome {
        match self.events(Duration::from_millis(20))? {
            0 => Ok(()),
            events => Err(format!("{events} events came").into()),
        }
    }

    /// Checks that events arrive while `held` lives, and none after it is dropped.
    pub(crate) fn while_there<H>(&self, held: H, trigger: impl Fn() -> Outcome) -> Outcome {
        trigger()?;
        self.seen()?;
        drop(held);
        self.forget()?;
        trigger()?;
        self.quiet()
    }
}
