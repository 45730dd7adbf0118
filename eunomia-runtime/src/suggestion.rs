//! The name that was meant, where an unknown one is a slip of the hand away from it.

/// The known name that is nearest to `name`, the first of equals, where they differ in at most a third of it (rustc's measure).
pub fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Names come from foreign documents and objects, and the distance takes the product of two lengths: these bound the work.
    const LONGEST: usize = 64;
    const COMPARED: usize = 256;
    if name.len() > LONGEST {
        return None;
    }
    let most = name.len().max(3) / 3;
    let candidates = known.into_iter().filter(|known| known.len().abs_diff(name.len()) <= most).take(COMPARED);
    let distances = candidates.map(|known| (strsim::osa_distance(name, known), known));
    distances.filter(|(distance, _)| (1..=most).contains(distance)).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn the_nearest_within_a_third() {
        let known = ["exec_start", "exec_stats", "rb", "handle_exec"];
        for (name, expected) in [
            ("exec_stat", Some("exec_start")),
            ("exec_states", Some("exec_stats")),
            ("rb2", Some("rb")),
            ("rc", Some("rb")),
            ("handle_fork", None),
            ("x", None),
            ("", None),
            // It is known; something else is wrong with it.
            ("handle_exec", None),
        ] {
            assert_eq!(near(name, known), expected, "{name}");
        }
    }

    #[test]
    fn the_work_is_bounded() {
        let long = "a".repeat(65);
        assert_eq!(near(&long, [&long[..64]]), None);
        let far = |count| std::iter::repeat_n("xxxx", count).chain(["name"]);
        assert_eq!(near("nama", far(255)), Some("name"));
        assert_eq!(near("nama", far(256)), None);
        // Those of other lengths cost nothing and do not count.
        assert_eq!(near("nama", std::iter::repeat_n("another", 1000).chain(["name"])), Some("name"));
    }
}
