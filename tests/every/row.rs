//! A row of the table: a program type, how it is tried, and how kernels without it refuse it.

use crate::{Outcome, way::Way};

/// A program type.
pub(crate) struct Row {
    /// The name in the table.
    pub(crate) name: &'static str,
    /// The programs and struct_ops maps of the object that the row uses.
    pub(crate) programs: &'static [&'static str],
    /// Loads, attaches, and checks for events.
    pub(crate) run: fn(Way) -> Outcome,
    /// The environment in which `run` is called.
    pub(crate) scene: Scene,
    /// True if the row is tried only in virtual machines: the program would affect all processes,
    /// or many machines forbid it.
    pub(crate) in_machines: bool,
    /// The kernels that lack the type; the first match counts.
    pub(crate) lacking: &'static [Lacking],
}

/// A range of kernels that lack a type.
pub(crate) struct Lacking {
    /// The first version that has it.
    pub(crate) before: (u32, u32),
    /// The kernel's error.
    pub(crate) says: &'static str,
    /// The reason in the library's error.
    pub(crate) why: &'static str,
}

/// The error if the kernel takes the program for another type and never runs it.
pub(crate) const NOTHING: &str = "no event came";

/// The kernel's error for an unknown enum value.
pub(crate) const INVALID: &str = "Invalid argument (os error 22)";

/// Kernels before `before`, which reject the type as unknown.
pub(crate) const fn unknown(before: (u32, u32), why: &'static str) -> Lacking {
    Lacking { before, says: INVALID, why }
}

pub(crate) type Scene = fn(&(dyn Fn() -> Outcome + Sync)) -> Outcome;

impl Row {
    /// A row that is tried in the environment of this process.
    pub(crate) const fn new(
        name: &'static str,
        programs: &'static [&'static str],
        run: fn(Way) -> Outcome,
    ) -> Row {
        Row { name, programs, run, scene: |run| run(), in_machines: false, lacking: &[] }
    }

    /// Tries the row in `scene`.
    pub(crate) const fn within(self, scene: Scene) -> Row {
        Row { scene, ..self }
    }

    /// Tries the row only in virtual machines.
    pub(crate) const fn in_machines(self) -> Row {
        Row { in_machines: true, ..self }
    }

    /// Declares the kernels that lack the type.
    pub(crate) const fn lacking(self, lacking: &'static [Lacking]) -> Row {
        Row { lacking, ..self }
    }
}

/// A row of one program. The function gets a handle of the program's kind: from the generated
/// module, or found by name.
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

/// A row of one program whose section names its whole target, with the trigger that makes it run.
macro_rules! attached {
    ($name:expr, $program:ident, $trigger:expr) => {
        $crate::row::Row::new($name, &[stringify!($program)], |way| {
            let skel = way.load(&[stringify!($program)])?;
            let link = match &skel.skel {
                $crate::way::Skel::Typed(typed) => typed.progs()?.$program.attach()?,
                $crate::way::Skel::Dynamic(dynamic) => {
                    dynamic.object().program(stringify!($program))?.attach()?
                }
            };
            skel.while_there(link, $trigger)
        })
    };
}

pub(crate) use {attached, row};
