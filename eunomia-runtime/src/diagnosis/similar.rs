//! Suggestions for misspelled names of the kernel and of binaries, which are far more numerous than
//! those of a skeleton.

/// Returns up to three known names that resemble an unknown one: first those that compilers derive
/// from it (`name.isra.0`, `name.constprop.0`), otherwise those that differ in a few letters.
pub(super) fn similar<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Vec<&'a str> {
    const SHOWN: usize = 3;
    let mut found: Vec<&str> = known.clone().filter(|known| is_made_of(known, name)).collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        found = near(name, known);
    }
    found.truncate(SHOWN);
    found
}

/// Returns true for the names that gcc and clang give to functions that they have changed or split.
fn is_made_of(known: &str, name: &str) -> bool {
    const MADE: [&str; 5] = [".isra.", ".constprop.", ".part.", ".llvm.", ".cold"];
    known.strip_prefix(name).is_some_and(|rest| MADE.iter().any(|made| rest.starts_with(made)))
}

/// Returns the names with the fewest differences, at most a fourth of the letters.
#[cfg(feature = "dynamic")]
fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    const LONGEST: usize = 64;
    if name.len() > LONGEST || name.len() < 3 {
        return Vec::new();
    }
    let most = (name.len() / 4).max(1);
    // Computing the distance is expensive, and a typing error leaves the first or the last letters
    // intact.
    let ends = |known: &str| {
        let (name, known) = (name.as_bytes(), known.as_bytes());
        name.get(..2) == known.get(..2)
            || name.get(name.len() - 2..) == known.get(known.len().saturating_sub(2)..)
    };
    let candidates = known.filter(|known| known.len().abs_diff(name.len()) <= most && ends(known));
    let mut distances: Vec<(usize, &str)> =
        candidates.map(|known| (strsim::osa_distance(name, known), known)).collect();
    distances.retain(|(distance, _)| (1..=most).contains(distance));
    distances.sort_unstable();
    distances.dedup();
    distances.into_iter().map(|(_, known)| known).collect()
}

/// A typed app does not pay for suggestions.
#[cfg(not(feature = "dynamic"))]
fn near<'a>(_: &str, _: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    Vec::new()
}

#[cfg(all(test, feature = "dynamic"))]
mod tests {
    use super::*;

    #[test]
    fn names_that_compilers_derive_come_first() {
        let known = [
            "finish_task_switch.isra.0",
            "finish_task_switch_",
            "finish_task",
            "vfs_open",
            "vfs_read",
            "tcp_ack.cold",
            "a",
        ];
        let found = |name| similar(name, known.into_iter());
        assert_eq!(found("finish_task_switch"), ["finish_task_switch.isra.0"]);
        assert_eq!(found("tcp_ack"), ["tcp_ack.cold"]);
        assert_eq!(found("vfs_opne"), ["vfs_open"]);
        assert_eq!(found("vfs_raed"), ["vfs_read"]);
        assert_eq!(found("b"), [""; 0]);
        assert_eq!(found("something_else"), [""; 0]);
    }
}
