//! The definitions of maps.

use libbpf_rs::OpenObject;

use super::check;
use crate::{bpf::Check, diagnosis::map::Definition};

/// A check for each map that the kernel will refuse as it is.
pub(super) fn examine(object: &OpenObject) -> Vec<Check> {
    let made = object.maps().filter(|map| map.autocreate());
    let flaws = made.map(|map| Definition::of(&map)).filter_map(|map| {
        let (why, todo) = map.flaw()?;
        Some(check::missing(format!("map {}", map.name), true, why, todo))
    });
    flaws.collect()
}
