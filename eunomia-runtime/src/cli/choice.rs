//! Options that change what a skeleton defines: the programs that are loaded, their targets, the
//! sizes of maps and the types of events. `run`, `record` and `doctor` take the same options, so
//! `doctor` checks what the others would run.

use std::{collections::HashSet, str::FromStr};

use clap::error::ErrorKind;

use super::{
    CommandError,
    args::{Choice, usage},
};
use crate::{
    Error, Result, Skeleton,
    bpf::{self, Target},
    diagnosis::{map::deepest, matches_pattern},
    dynamic::Open,
    object::Layouts,
    skeleton::model::EventType,
};

/// A program and the target to attach it to.
#[derive(Debug, Clone)]
pub(super) struct Attach {
    pub(super) program: String,
    pub(super) target: Target,
}

impl FromStr for Attach {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (program, target) =
            pair(text).ok_or("expected PROGRAM=TARGET, as `handle=xdp:eth0`")?;
        Ok(Self {
            program: program.to_owned(),
            target: target.parse().map_err(|error: Error| error.to_string())?,
        })
    }
}

/// A map and its size.
#[derive(Debug, Clone)]
pub(super) struct Size {
    pub(super) map: String,
    pub(super) entries: u32,
    /// The value size in bytes.
    pub(super) value: Option<u32>,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || {
            "expected MAP=ENTRIES, as `counts=10240`, or `events=256K` for a ring buffer".to_owned()
        };
        let (map, sizes) = pair(text).ok_or_else(wanted)?;
        let (entries, value) =
            sizes.split_once(':').map_or((sizes, None), |(entries, value)| (entries, Some(value)));
        let value = value
            .map(|value| {
                number(value).ok_or_else(|| format!("`{value}`: expected the bytes of a value"))
            })
            .transpose()?;
        Ok(Self { map: map.to_owned(), entries: number(entries).ok_or_else(wanted)?, value })
    }
}

/// Parses a number from 1 to 4294967295; the suffixes K, M and G are powers of 1024.
fn number(text: &str) -> Option<u32> {
    let (digits, unit) = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((digits, "K" | "k")) => (digits, 1 << 10),
        Some((digits, "M" | "m")) => (digits, 1 << 20),
        Some((digits, "G" | "g")) => (digits, 1 << 30),
        _ => (text, 1),
    };
    let number: u64 = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    }
    .ok()?;
    u32::try_from(number.checked_mul(unit)?).ok().filter(|number| *number > 0)
}

/// A program and its type.
#[derive(Debug, Clone)]
pub(super) struct Type {
    pub(super) program: String,
    pub(super) section: String,
}

impl FromStr for Type {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (program, section) =
            pair(text).ok_or("expected PROGRAM=TYPE, as `hook=xdp` or `hook=cgroup/connect4`")?;
        Ok(Self { program: program.to_owned(), section: section.to_owned() })
    }
}

/// A map and the type of its events.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) map: String,
    pub(super) c_type: String,
}

impl FromStr for Event {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (map, c_type) = pair(text).ok_or("expected MAP=TYPE, as `events='struct event'`")?;
        Ok(Self { map: map.to_owned(), c_type: c_type.to_owned() })
    }
}

fn pair(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty())
}

/// Sets the types of events that `--event` names.
pub(super) fn name_events(events: &[Event], skeleton: &mut Skeleton) {
    if events.is_empty() {
        return;
    }
    let object = skeleton.object.as_deref().unwrap_or_default();
    // An object that cannot be read is reported when the skeleton is checked.
    let known: HashSet<String> = Layouts::new(object, skeleton.export_btf.as_deref())
        .map(|layouts| layouts.own_types().map(|(id, _)| layouts.c_name(id)).collect())
        .unwrap_or_default();
    for Event { map, c_type } in events {
        let tagged = || {
            ["struct", "union", "enum"]
                .into_iter()
                .map(|tag| format!("{tag} {c_type}"))
                .find(|name| known.contains(name))
        };
        let c_type = Some(c_type.clone())
            .filter(|name| known.contains(name))
            .or_else(tagged)
            .unwrap_or_else(|| c_type.clone());
        skeleton.events.insert(map.clone(), EventType::One(c_type));
    }
}

impl Choice {
    /// Applies the options to an open object.
    pub(super) fn apply(&self, open: &mut Open) -> Result<(), CommandError> {
        let wrong = |error: Error| match error {
            Error::NotFound { .. }
            | Error::Value { .. }
            | Error::Mismatch { .. }
            | Error::Misuse { .. }
            | Error::NotLoaded { .. } => usage(ErrorKind::InvalidValue, &error.to_string()),
            error => error.into(),
        };
        self.switch(open.object()).map_err(wrong)?;
        let type_of =
            |Type { program, section }: &Type| open.object().program(program)?.set_type_of(section);
        self.types.iter().try_for_each(type_of).map_err(wrong)?;
        let mut seen = HashSet::new();
        for Attach { program, target } in &self.attach {
            let object = open.object();
            let set =
                if seen.insert(program) { bpf::Open::set_target } else { bpf::Open::add_target };
            set(object, program, target.clone()).map_err(wrong)?;
        }
        self.maps.iter().try_for_each(|size| resize(open.object(), size)).map_err(wrong)
    }

    fn switch(&self, object: &mut bpf::Open) -> Result<()> {
        let (programs, tables) = (object.programs(), object.tables());
        let known: Vec<&str> = programs.iter().chain(&tables).map(String::as_str).collect();
        let only = matching(&self.only, &known)?;
        let attached: Vec<String> =
            self.attach.iter().map(|attach| attach.program.clone()).collect();
        let wanted: HashSet<String> =
            only.union(&matching(&self.with, &known)?).cloned().chain(attached).collect();
        let unwanted = matching(&self.without, &known)?;
        for name in &programs {
            let mut program = object.program(name)?;
            if unwanted.contains(name) || (!only.is_empty() && !wanted.contains(name)) {
                program.set_autoload(false);
            } else if wanted.contains(name) {
                program.set_autoload(true);
                program.set_autoattach(true);
            }
        }
        for name in &tables {
            if unwanted.contains(name) || (!only.is_empty() && !wanted.contains(name)) {
                object.set_autocreate(name, false)?;
            } else if wanted.contains(name) {
                object.set_autocreate(name, true)?;
            }
        }
        Ok(())
    }

    /// Returns the programs and tables that `doctor` examines if `--only` is given.
    pub(super) fn only(&self, object: &bpf::Open) -> Result<Option<Vec<String>>> {
        if self.only.is_empty() {
            return Ok(None);
        }
        let (programs, tables) = (object.programs(), object.tables());
        let known: Vec<&str> = programs.iter().chain(&tables).map(String::as_str).collect();
        let mut names = matching(&self.only, &known)?;
        names.extend(matching(&self.with, &known)?);
        names.extend(self.attach.iter().map(|attach| attach.program.clone()));
        Ok(Some(names.into_iter().collect()))
    }
}

/// Sets the size of a map. If no value size is given for a map of stack traces, its values hold as
/// many frames as the kernel allows.
fn resize(object: &mut bpf::Open, size: &Size) -> Result<()> {
    object.set_max_entries(&size.map, size.entries)?;
    let stacks = || deepest()?.checked_mul(8);
    match size.value.or_else(|| stacks().filter(|_| object.lacks_depth(&size.map))) {
        Some(bytes) => object.size_values(&size.map, bytes),
        None => Ok(()),
    }
}

/// Returns the names that match the patterns; a pattern without a match is an error.
fn matching(patterns: &[String], known: &[&str]) -> Result<HashSet<String>> {
    let mut found = HashSet::new();
    for pattern in patterns {
        let mut matching = known.iter().filter(|name| matches_pattern(name, pattern)).peekable();
        if matching.peek().is_none() {
            let known = known.iter().map(|name| (*name).to_owned()).collect();
            return Err(Error::NotFound { what: "program", name: pattern.clone(), known });
        }
        found.extend(matching.map(|name| (*name).to_owned()));
    }
    Ok(found)
}

/// Returns the message for a program that needs a target of kind `wants` and has none.
pub(super) fn no_target(program: &str, section: &str, wants: &str) -> String {
    let section = section.trim_start_matches('?');
    let example = match section.split(['/', '.']).next().unwrap_or_default() {
        "xdp" => "xdp:eth0",
        "tc" | "tcx" | "classifier" | "action" => "tcx:eth0/ingress",
        "netkit" => "netkit:nk0/primary",
        "cgroup" | "cgroup_skb" | "sockops" | "lsm_cgroup" => "cgroup:/sys/fs/cgroup",
        "sk_lookup" | "flow_dissector" => "netns:/proc/self/ns/net",
        "netfilter" => "netfilter:ipv4/pre_routing",
        "socket" => "socket:eth0",
        "sk_skb" | "sk_msg" | "iter" => "map:NAME",
        "kprobe" => "kprobe:FUNCTION",
        "kretprobe" => "kretprobe:FUNCTION",
        "ksyscall" | "kretsyscall" => "ksyscall:NAME",
        "uprobe" => "uprobe:FILE:FUNCTION",
        "uretprobe" => "uretprobe:FILE:FUNCTION",
        "usdt" => "usdt:FILE:PROVIDER:PROBE",
        "tp" | "tracepoint" => "tp:CATEGORY/NAME",
        "raw_tp" | "raw_tracepoint" => "raw_tp:NAME",
        "perf_event" => "cpu-clock:99hz",
        // The section names no type; the program's type was set by an option.
        _ if matches!(
            wants,
            "an interface"
                | "a cgroup"
                | "a network namespace"
                | "a perf event"
                | "a probe"
                | "a tracepoint"
        ) =>
        {
            return format!(
                "the program `{program}` ({section}) is not attached: its section names no target; name {wants} with \
                 `--attach {program}=TARGET`"
            );
        }
        _ => {
            return format!(
                "the program `{program}` ({section}) is not attached: this command has no target for it; `--without {program}` leaves it out"
            );
        }
    };
    format!(
        "the program `{program}` ({section}) is not attached: its section names no target; name one, as `--attach {program}={example}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let entries = |text: &str| text.parse::<Size>().map(|size| size.entries);
        assert_eq!(
            [
                entries("a=1"),
                entries("a=0x10"),
                entries("a=256K"),
                entries("a=4M"),
                entries("a=3G")
            ],
            [1, 16, 256 << 10, 4 << 20, 3 << 30].map(Ok)
        );
        let sizes: Size = "stacks=1K:1016".parse().unwrap();
        assert_eq!((sizes.entries, sizes.value), (1024, Some(1016)));
        for wrong in
            ["a", "a=1:", "a=1:0", "a=1:x", "a=", "=1", "a=0", "a=4G", "a=x", "a=K", "a=-1", "a=é"]
        {
            assert!(entries(wrong).is_err(), "{wrong}");
        }
    }
}
