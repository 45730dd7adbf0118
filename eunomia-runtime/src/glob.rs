//! The patterns of function names that libbpf may be given: it compares some of them for hours.

/// The number of stars in a pattern, apart from those at its end, that libbpf is given.
const MOST_STARS: usize = 3;

/// Returns why libbpf must not get a pattern. After a mismatch, libbpf (1.7, `glob_match`) goes
/// back to every star, so each star multiplies the time by the length of the names:
/// `*?*?*?*?*?*?*?*?$` would take it hours.
pub(crate) fn costs(pattern: &str) -> Option<String> {
    let parts = pattern.trim_end_matches('*').split('*');
    // Stars in a row count as one.
    let stars = parts.skip(1).filter(|part| !part.is_empty()).count();
    (stars > MOST_STARS).then(|| {
        format!(
            "the pattern `{pattern}` has {stars} stars before its end, and libbpf needs too long for more than {MOST_STARS}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::costs;

    #[test]
    fn patterns_with_many_stars_are_refused() {
        for pattern in ["", "vfs_read", "*", "vfs_*", "*a*b*c*", "*a**b***c", "????????"] {
            assert_eq!(costs(pattern), None);
        }
        for pattern in ["*a*b*c*d", "*?*?*?*?*?*?*?*?$"] {
            assert!(costs(pattern).is_some(), "{pattern}");
        }
    }
}
