//! A row of the table: a type of program, how it is tried, and what the kernels without it say.

use crate::{Outcome, way::Way};

/// A type of program.
pub(crate) struct Row {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// The programs and tables of the object that it is tried with.
    pub(crate) programs: &'static [&'static str],
    /// Loads, attaches, and looks for events.
    pub(crate) run: fn(Way) -> Outcome,
    /// Where that happens.
    pub(crate) scene: Scene,
    /// Whether it is tried in virtual machines alone: all processes would meet the program, or many machines forbid it.
    pub(crate) in_machines: bool,
    /// Kernels that lack it; the first that fits.
    pub(crate) lacking: &'static [Lacking],
}

/// What kernels lack.
pub(crate) struct Lacking {
    /// They are before this version.
    pub(crate) before: (u32, u32),
    /// What the kernel says.
    pub(crate) says: &'static str,
    /// What we say of it.
    pub(crate) why: &'static str,
}

/// What a kernel says that takes it for something else.
pub(crate) const NOTHING: &str = "no event came";

/// What a kernel says to a number that it does not know.
pub(crate) const INVALID: &str = "Invalid argument (os error 22)";

/// Kernels before a version do not know it.
pub(crate) const fn unknown(before: (u32, u32), why: &'static str) -> Lacking {
    Lacking { before, says: INVALID, why }
}

pub(crate) type Scene = fn(&(dyn Fn() -> Outcome + Sync)) -> Outcome;

impl Row {
    /// Tried where this process is.
    pub(crate) const fn new(name: &'static str, programs: &'static [&'static str], run: fn(Way) -> Outcome) -> Row {
        Row { name, programs, run, scene: |run| run(), in_machines: false, lacking: &[] }
    }

    /// Tried somewhere else.
    pub(crate) const fn within(self, scene: Scene) -> Row {
        Row { scene, ..self }
    }

    /// Tried in virtual machines alone.
    pub(crate) const fn in_machines(self) -> Row {
        Row { in_machines: true, ..self }
    }

    /// Not in some kernels.
    pub(crate) const fn lacking(self, lacking: &'static [Lacking]) -> Row {
        Row { lacking, ..self }
    }
}

/// The row of one program, which a function is given as the handle of its kind: the generated one, or the one that is found by name.
macro_rules! row {
    ($name:expr, $program:ident, $f:expr) => {
        $crate::row::Row::new($name, &[stringify!($program)], |way| {
            let skel = way.load(&[stringify!($program)])?;
            match &skel.skel {
                $crate::way::Skel::Typed(typed) => $f(typed.progs()?.$program, &skel),
                $crate::way::Skel::Dynamic(_) => $f(skel.program(stringify!($program))?, &skel),
            }
        })
    };
}

/// The row of one program whose section says all of what it is attached to, and what makes it run.
macro_rules! attached {
    ($name:expr, $program:ident, $trigger:expr) => {
        $crate::row::Row::new($name, &[stringify!($program)], |way| {
            let skel = way.load(&[stringify!($program)])?;
            let link = match &skel.skel {
                $crate::way::Skel::Typed(typed) => typed.progs()?.$program.attach()?,
                $crate::way::Skel::Dynamic(dynamic) => dynamic.object().program(stringify!($program))?.attach()?,
            };
            skel.while_there(link, $trigger)
        })
    };
}

pub(crate) use {attached, row};
