//! Checks the definitions of maps.

use super::check;
use crate::{
    bpf::{Check, Open},
    diagnosis::map::Definition,
};

/// Returns a check for each map that the kernel will refuse as defined.
pub(super) fn examine(open: &Open) -> Vec<Check> {
    let made = open.opened().maps().enumerate().filter(|(_, map)| map.autocreate());
    let flaws =
        made.map(|(index, map)| Definition::of(&map, open.gives_inner(index))).filter_map(|map| {
            let (why, todo) = map.defect()?;
            Some(check::missing(format!("map {}", map.name), true, why, todo))
        });
    flaws.collect()
}
