//! The attach targets in the document, for programs whose sections do not name one.

use serde_json::Value as Json;

use super::Checked;
use crate::{
    error::{Diagnostic, Found, JsonPath},
    skeleton::model::Program,
};

/// The target that a program is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredTarget<'a> {
    /// The name of the program.
    pub program: &'a str,
    /// The index of the network interface.
    pub interface: u32,
    /// The hook of the interface.
    pub hook: DeclaredHook,
}

/// A hook of a network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclaredHook {
    /// XDP, with flags (`XDP_FLAGS_*`).
    Xdp(u32),
    /// Traffic control: packets that enter or leave.
    Tc {
        /// True for packets that enter.
        ingress: bool,
        /// The handle of the filter among those of the same priority, on kernels that order
        /// programs by handle.
        handle: u32,
        /// The priority; lower ones run first.
        priority: u32,
        /// True to run before the programs already attached, on kernels with tcx; otherwise it runs
        /// after them.
        first: bool,
    },
}

impl Checked {
    /// Returns the targets in the document: `ifindex` and `flags` of an XDP program, `tchook` and
    /// `tcopts` of a tc program.
    pub(crate) fn targets(&self, diagnostics: &mut Found) -> Vec<DeclaredTarget<'_>> {
        let place = self.skeleton.skel_place().key("progs");
        let targets = self.skeleton.programs.iter().enumerate().filter_map(|(i, program)| {
            let section = self
                .programs
                .iter()
                .find(|(name, _)| *name == program.name)
                .map_or("", |(_, section)| section.as_str());
            let mut reader = Reader { place: place.index(i), diagnostics };
            match section.trim_start_matches('?').split(['/', '.']).next()? {
                "xdp" => reader.xdp(program),
                "tc" | "tcx" | "classifier" | "action" => reader.tc(program),
                _ => None,
            }
        });
        targets.collect()
    }
}

/// A reader of the target of one program.
struct Reader<'f> {
    place: JsonPath,
    diagnostics: &'f mut Found,
}

impl Reader<'_> {
    fn xdp<'a>(&mut self, program: &'a Program) -> Option<DeclaredTarget<'a>> {
        let interface = program.other.get("ifindex")?;
        let place = self.place.clone();
        let flags = program
            .other
            .get("flags")
            .map_or(Some(0), |flags| self.number(flags, &place.key("flags"), 0));
        if let Some(old) =
            program.other.get("xdpopts").and_then(|options| options.get("old_prog_fd"))
            && old.as_i64() != Some(0)
        {
            let what = format!("{old} is a file descriptor of another process");
            self.diagnostics.push(Diagnostic::new(
                place.key("xdpopts").key("old_prog_fd"),
                what,
                "remove the key; no program is replaced",
            ));
        }
        let interface = self.number(interface, &place.key("ifindex"), 1)?;
        Some(DeclaredTarget { program: &program.name, interface, hook: DeclaredHook::Xdp(flags?) })
    }

    fn tc<'a>(&mut self, program: &'a Program) -> Option<DeclaredTarget<'a>> {
        let hook = program.other.get("tchook")?;
        let place = self.place.key("tchook");
        let rank = program.other.get("tcopts").map_or(Some((0, 0)), |options| self.rank(options));
        let interface = hook
            .get("ifindex")
            .map_or(Some(1), |interface| self.number(interface, &place.key("ifindex"), 1));
        let ingress = match hook.get("attach_point").map_or(Some("BPF_TC_INGRESS"), Json::as_str) {
            Some("BPF_TC_INGRESS") => true,
            Some("BPF_TC_EGRESS") => false,
            _ => {
                let what = "expected \"BPF_TC_INGRESS\" or \"BPF_TC_EGRESS\"";
                self.diagnostics.push(Diagnostic::new(
                    place.key("attach_point"),
                    what,
                    "for other attach points, attach the program by its handle",
                ));
                return None;
            }
        };
        let first = match hook.get("order").map_or(Some("last"), Json::as_str) {
            Some("first") => true,
            Some("last") => false,
            _ => {
                let todo = "to place it next to another program, attach it by its handle";
                self.diagnostics.push(Diagnostic::new(
                    place.key("order"),
                    "expected \"first\" or \"last\"",
                    todo,
                ));
                return None;
            }
        };
        let (handle, priority) = rank?;
        Some(DeclaredTarget {
            program: &program.name,
            interface: interface?,
            hook: DeclaredHook::Tc { ingress, handle, priority, first },
        })
    }

    /// Returns `handle` and `priority` of `tcopts`. Each is 1 if it is missing.
    fn rank(&mut self, options: &Json) -> Option<(u32, u32)> {
        let place = self.place.key("tcopts");
        let mut number = |key| {
            options.get(key).map_or(Some(1), |number| self.number(number, &place.key(key), 0))
        };
        let (handle, priority) = (number("handle"), number("priority"));
        Some((handle?, priority?))
    }

    fn number(&mut self, json: &Json, place: &JsonPath, least: u32) -> Option<u32> {
        let number = json
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number >= least);
        if number.is_none() {
            self.diagnostics.push(Diagnostic::new(
                place.clone(),
                format!("expected a whole number from {least} to 4294967295, found {json}"),
                "",
            ));
        }
        number
    }
}
