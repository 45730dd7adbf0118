//! The C types that a line of the source names for a record.

/// A type as C names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    /// `struct`, `union` or `enum`, or nothing before the name of a typedef or of a variable.
    pub(super) keyword: String,
    pub(super) name: String,
}

/// The words of C's own types.
pub(super) const BUILT_IN: [&str; 9] =
    ["char", "short", "int", "long", "unsigned", "signed", "_Bool", "float", "double"];

/// Returns the types whose size the line takes, and the type of the pointer to a reserved record.
/// A name without a keyword may also be that of a variable.
pub(super) fn named(line: &str) -> Vec<Named> {
    let words = words(line);
    let mut named = Vec::new();
    for at in 0..words.len() {
        let rest = words.get(at..).unwrap_or_default();
        if let ["sizeof", "(", inner @ ..] = rest
            && let Some((of, [")", ..])) = ty(inner)
        {
            named.push(of);
        }
        // `struct event *e = bpf_ringbuf_reserve(`, `e = (struct event *)bpf_ringbuf_reserve(`
        let of = match ty(rest) {
            Some((of, ["*", _, "=", "bpf_ringbuf_reserve", ..])) => Some(of),
            Some((of, ["*", ")", "bpf_ringbuf_reserve", ..])) => Some(of),
            _ => None,
        };
        let is_start = at
            .checked_sub(1)
            .and_then(|before| words.get(before))
            .is_none_or(|word| !matches!(*word, "struct" | "union" | "enum"));
        named.extend(of.filter(|_| is_start));
    }
    named.sort();
    named.dedup();
    named
}

/// Returns the type at the start of some words, and the words after it.
fn ty<'w, 's>(words: &'w [&'s str]) -> Option<(Named, &'w [&'s str])> {
    let (words, keyword) = match words {
        ["const" | "volatile", rest @ ..] => return ty(rest),
        [keyword @ ("struct" | "union" | "enum"), rest @ ..] => (rest, *keyword),
        _ => (words, ""),
    };
    let (name, mut rest) = words.split_first()?;
    // `unsigned long long`
    if BUILT_IN.contains(name) {
        while let [word, after @ ..] = rest
            && BUILT_IN.contains(word)
        {
            rest = after;
        }
    }
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let named = Named { keyword: keyword.to_owned(), name: (*name).to_owned() };
    starts.then_some((named, rest))
}

/// Splits a line of C into its words and signs, without comments and strings.
fn words(line: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (mut words, mut rest) = (Vec::new(), line.trim_start());
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            break;
        }
        let length = if let Some(comment) = rest.strip_prefix("/*") {
            let Some(end) = comment.find("*/") else { break };
            rest = comment.get(end + 2..).unwrap_or_default().trim_start();
            continue;
        } else if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if first == '"' {
            rest.get(1..).and_then(|text| text.find('"')).map_or(rest.len(), |end| end + 2)
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(length);
        words.push(word);
        rest = after.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn types_of_records_are_read() {
        for (line, expected) in [
            ("\te = bpf_ringbuf_reserve(&rb, sizeof(struct event), 0);", &["struct event"][..]),
            ("e = bpf_ringbuf_reserve(&rb, sizeof( event_t ), 0);", &[" event_t"]),
            ("e = bpf_ringbuf_reserve(&rb, sizeof(*e), 0);", &[]),
            ("struct event *e = bpf_ringbuf_reserve(&rb, sizeof(*e), 0);", &["struct event"]),
            ("event_t *e = bpf_ringbuf_reserve(&rb, sizeof(*e), 0);", &[" event_t"]),
            ("e = (const struct event *)bpf_ringbuf_reserve(&rb, 8, 0);", &["struct event"]),
            ("x = sizeof(struct a) + sizeof(const union b);", &["struct a", "union b"]),
            ("e = reserve(sizeof(struct a)); // sizeof(struct b)", &["struct a"]),
            (
                "e = reserve(/* sizeof(struct b) */ \"sizeof(struct c)\", sizeof(struct a))",
                &["struct a"],
            ),
            ("sizeof(struct event *)", &[]),
            ("sizeof(struct event", &[]),
            ("sizeof(\u{fc}) /* \"", &[]),
            ("sizeof(e) \"", &[" e"]),
            ("sizeof(unsigned long long)", &[" unsigned"]),
            ("", &[]),
        ] {
            let named = named(line);
            let found: Vec<String> =
                named.iter().map(|named| format!("{} {}", named.keyword, named.name)).collect();
            assert_eq!(found, expected, "{line}");
        }
    }
}
