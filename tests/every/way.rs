//! The object with programs of every type, typed and dynamic.

use std::{cell::Cell, time::Duration};

use eunomia_runtime::{
    Result, Skeleton, bpf,
    bpf::{FromMap, Program, kind::Kind},
    dynamic,
};
use eunomia_tests::built::every;

use super::Outcome;

/// How the object is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By the generated module.
    Typed,
    /// As a skeleton that is known only now.
    Dynamic,
}

/// The object in the kernel.
pub(crate) struct Loaded {
    pub(crate) skel: Skel,
    /// What was counted up to the last time.
    runs: Cell<u64>,
}

pub(crate) enum Skel {
    Typed(every::Loaded),
    Dynamic(dynamic::Loaded),
}

/// The committed fixture; there is no file in a virtual machine.
pub(crate) const DOCUMENT: &str = include_str!("../bpf/every.json");

impl Way {
    /// Loads these programs and no others.
    pub(crate) fn load(self, programs: &[&str]) -> Result<Loaded> {
        self.load_with(programs, |_| Ok(()))
    }

    /// Loads these programs, after `set_up`.
    pub(crate) fn load_with(self, programs: &[&str], set_up: impl FnOnce(&mut bpf::Open) -> Result<()>) -> Result<Loaded> {
        let prepare = |open: &mut bpf::Open| {
            programs.iter().try_for_each(|name| open.program(name).map(|mut program| program.set_autoload(true)))?;
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
    /// A program, as the dynamic path finds it.
    pub(crate) fn program<K: Kind>(&self, name: &str) -> Result<Program<'_, K>> {
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

    /// How often programs that send nothing ran since the last time.
    fn runs(&self) -> Result<u64> {
        let runs = match &self.skel {
            Skel::Typed(skel) => skel.bss()?.runs.get()?,
            Skel::Dynamic(skel) => skel.get("runs")?.parse().expect("it is a number"),
        };
        Ok(runs - self.runs.replace(runs))
    }

    /// How many events there are, or come until the time has passed.
    fn events(&self, timeout: Duration) -> Result<u64> {
        // Programs that many processes run tell which one it was.
        let of = |tgid: i64| assert!([0, i64::from(std::process::id())].contains(&tgid), "of the process {tgid}");
        let timeout = match self.runs()? {
            0 => timeout,
            runs => return Ok(runs),
        };
        match &self.skel {
            Skel::Typed(skel) => skel.poll(timeout, |every::Export::Events(event)| of(event.tgid.into())),
            Skel::Dynamic(skel) => skel.poll(timeout, |event| of(event.value.field("tgid").and_then(|tgid| tgid.as_i64()).unwrap_or(-1))),
        }
    }

    /// How many events there are; there is one, if not at once then soon.
    pub(crate) fn seen(&self) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        match self.events(Duration::from_secs(5))? {
            0 => Err("no event came".into()),
            events => Ok(events),
        }
    }

    /// What ran up to now is of no matter.
    pub(crate) fn forget(&self) -> Outcome {
        self.events(Duration::ZERO)?;
        Ok(())
    }

    /// There are no events.
    pub(crate) fn quiet(&self) -> Outcome {
        match self.events(Duration::from_millis(20))? {
            0 => Ok(()),
            events => Err(format!("{events} events came").into()),
        }
    }

    /// Once there are events, and once it is dropped no more.
    pub(crate) fn while_there<H>(&self, held: H, trigger: impl Fn() -> Outcome) -> Outcome {
        trigger()?;
        self.seen()?;
        drop(held);
        self.forget()?;
        trigger()?;
        self.quiet()
    }
}
