//! Comparison of names with patterns of `*` and `?`.

/// Returns whether a pattern matches a name. `*` matches any characters, `?` one, as in libbpf.
///
/// A mismatch goes back only to the last star, so the time is bounded by the product of the lengths
/// for every pattern.
pub(crate) fn matches_pattern(name: &str, pattern: &str) -> bool {
    let (name, pattern) = (name.as_bytes(), pattern.as_bytes());
    // The last star and the position in the name that follows what it matches; a mismatch goes on
    // there with one more character matched by the star.
    let (mut at, mut in_pattern, mut star) = (0, 0, None);
    while let Some(letter) = name.get(at) {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                star = Some((in_pattern, at));
                in_pattern += 1;
            }
            Some(known) if known == letter || *known == b'?' => {
                (at, in_pattern) = (at + 1, in_pattern + 1)
            }
            _ => match star {
                Some((of_star, from)) => {
                    star = Some((of_star, from + 1));
                    (at, in_pattern) = (from + 1, of_star + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(in_pattern..).is_some_and(|rest| rest.iter().all(|letter| *letter == b'*'))
}

#[cfg(test)]
mod tests {
    use super::matches_pattern;

    #[test]
    fn stars_and_question_marks_match() {
        for (name, pattern) in [
            ("vfs_read", "vfs_*"),
            ("vfs_read", "*read"),
            ("a", "?"),
            ("abcabd", "*ab?"),
            ("abc", "a*b*c"),
            ("x", "x**"),
            ("", "*"),
        ] {
            assert!(matches_pattern(name, pattern), "{name} {pattern}");
        }
        for (name, pattern) in [
            ("vfs_read", "vfs"),
            ("vfs_read", "*write"),
            ("", "?"),
            ("abc", "*b"),
            ("ac", "a*b*c"),
            ("x", ""),
        ] {
            assert!(!matches_pattern(name, pattern), "{name} {pattern}");
        }
    }
}
