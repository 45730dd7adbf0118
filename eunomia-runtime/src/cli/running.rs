//! A skeleton whose programs run, and what is said about it when they start.

use std::collections::BTreeSet;

use super::{Messages, error_text};
use crate::{
    Result,
    bpf::Check,
    doctor::security_module,
    dynamic::{Attached, Loaded},
    plain::line,
};

/// The number of names that a message lists.
const SHOWN: usize = 8;

/// A skeleton with those of its programs that could be attached.
pub(super) struct Running {
    pub(super) skel: Attached,
    attached: usize,
    wanted: usize,
    /// A failed check of programs on hooks of security modules.
    unheard: Option<Check>,
    /// The indices of iterators among the links, with their names.
    pub(super) iterators: Vec<(usize, String)>,
}

impl Running {
    /// Attaches the programs and prints the reason for each one that cannot be attached. Returns an
    /// error if no program could be attached, or if one could not and `strict` is set.
    pub(super) fn start(loaded: Loaded, strict: bool, err: &mut Messages<'_>) -> Result<Self> {
        let (mut links, mut iterators) = (Vec::new(), Vec::new());
        let (mut wanted, mut attached) = (BTreeSet::new(), BTreeSet::new());
        let mut refused = Vec::new();
        for (name, link) in loaded.object().links_each() {
            wanted.insert(name.clone());
            match link {
                Ok(link) => {
                    if link.is_iterator() {
                        iterators.push((links.len(), name.clone()));
                    }
                    attached.insert(name);
                    links.push(link);
                }
                Err(error) => refused.push(error),
            }
        }
        if (strict || attached.is_empty()) && !refused.is_empty() {
            // One of them becomes the error of the command, which is printed last.
            let last = refused.swap_remove(0);
            refused.iter().for_each(|error| err.print(&error_text(error)));
            return Err(last);
        }
        refused.iter().for_each(|error| err.print(&error_text(error)));
        let programs: Vec<&str> =
            loaded.checked().programs.iter().map(|(name, _)| name.as_str()).collect();
        if wanted.is_empty() && !programs.is_empty() {
            let shown = programs.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
            let more = if programs.len() > SHOWN { ", .." } else { "" };
            err.print(&line(&format!("all programs are off by default; turn them on with `--with PROGRAM`; there are {shown}{more}")));
        }
        let sections: Vec<(String, &str)> = attached
            .iter()
            .filter_map(|name| Some((section(&loaded, name)?, name.as_str())))
            .collect();
        let unheard =
            security_module(sections.iter().map(|(section, name)| (section.as_str(), *name)), true)
                .filter(|check| !check.ok);
        let (attached, wanted) = (attached.len(), wanted.len());
        Ok(Self {
            skel: Attached::new(loaded, links.into_iter().collect()),
            attached,
            wanted,
            unheard,
            iterators,
        })
    }

    /// Reports whether no event can follow after the iterators were read.
    pub(super) fn only_iterators(&self) -> bool {
        let sampled = self.skel.checked().streams.iter().any(|stream| stream.sampled.is_some());
        !self.iterators.is_empty() && self.iterators.len() == self.skel.links().len() && !sampled
    }

    pub(super) fn announce(&self, err: &mut Messages<'_>) {
        let checked = self.skel.checked();
        let delivers = match &checked.streams[..] {
            _ if self.only_iterators() => "the text of iterators follows".to_owned(),
            [] => "no map delivers events".to_owned(),
            streams => format!(
                "events of {}",
                streams.iter().map(|stream| stream.map.as_str()).collect::<Vec<_>>().join(", ")
            ),
        };
        let total = if self.attached == self.wanted {
            String::new()
        } else {
            format!(" of {}", self.wanted)
        };
        let plural = if self.wanted == 1 { "" } else { "s" };
        let ends = if self.only_iterators() { "" } else { "; Ctrl-C ends" };
        err.print(&line(&format!(
            "{}: {}{total} program{plural} attached, {delivers}{ends}",
            checked.skeleton.name, self.attached
        )));
        if let Some(Check { what, found, todo, .. }) = &self.unheard {
            err.print(&line(&format!("{what}: {found}; {}", todo.for_command())));
        }
    }
}

/// Returns the section of a program; a struct_ops map has none.
fn section(loaded: &Loaded, program: &str) -> Option<String> {
    Some(loaded.object().program(program).ok()?.section().to_string_lossy().into_owned())
}
