//! Suggests a known name in place of a misspelt one.

/// Returns the known name nearest to `name`, the first one of equals, if they differ in at most a
/// third of it (as in rustc).
pub fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Names come from untrusted documents and objects, and the distance takes time in proportion to
    // the product of both lengths; these limits bound it.
    const LONGEST: usize = 64;
    const COMPARED: usize = 256;
    if name.len() > LONGEST {
        return None;
    }
    let most = name.len().max(3) / 3;
    let candidates =
        known.into_iter().filter(|known| known.len().abs_diff(name.len()) <= most).take(COMPARED);
    let distances = candidates.map(|known| (strsim::osa_distance(name, known), known));
    distances
        .filter(|(distance, _)| (1..=most).contains(distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn nearest_name_within_a_third_is_suggested() {
        let known = ["exec_start", "exec_stats", "rb", "handle_exec"];
        for (name, expected) in [
            ("exec_stat", Some("exec_start")),
            ("exec_states", Some("exec_stats")),
            ("rb2", Some("rb")),
            ("rc", Some("rb")),
            ("handle_fork", None),
            ("x", None),
            ("", None),
            // It is known, so something else is wrong with it.
            ("handle_exec", None),
        ] {
            assert_eq!(near(name, known), expected, "{name}");
        }
    }

    #[test]
    fn number_of_compared_names_is_bounded() {
        let long = "a".repeat(65);
        assert_eq!(near(&long, [&long[..64]]), None);
        let far = |count| std::iter::repeat_n("xxxx", count).chain(["name"]);
        assert_eq!(near("nama", far(255)), Some("name"));
        assert_eq!(near("nama", far(256)), None);
        // Names of other lengths cost nothing and do not count.
        assert_eq!(
            near("nama", std::iter::repeat_n("another", 1000).chain(["name"])),
            Some("name")
        );
    }
}
