//! Constructors of checks: found, missing, unknown.

use std::borrow::Cow;

use crate::{Hint, bpf::Check, plain::message};

type Text = Cow<'static, str>;

/// Creates a check for something that was found.
pub(super) fn found(what: impl Into<Text>, found: impl Into<String>) -> Check {
    Check {
        what: short(what),
        required: true,
        ok: true,
        found: lines(found.into()),
        todo: "".into(),
    }
}

/// Creates a check for something that is missing.
pub(super) fn missing(
    what: impl Into<Text>,
    required: bool,
    found: impl Into<String>,
    todo: impl Into<Hint>,
) -> Check {
    Check { what: short(what), required, ok: false, found: lines(found.into()), todo: todo.into() }
}

/// Creates a check for something that cannot be examined, which is neither good nor bad.
pub(super) fn untold(
    what: impl Into<Text>,
    why: impl Into<String>,
    todo: impl Into<Hint>,
) -> Check {
    Check {
        what: short(what),
        required: false,
        ok: false,
        found: lines(format!("unknown: {}", why.into())),
        todo: todo.into(),
    }
}

/// Cuts a title as messages are cut, whatever names of the object it contains.
fn short(what: impl Into<Text>) -> Text {
    let what = what.into();
    match message(&what) {
        Cow::Borrowed(_) => what,
        Cow::Owned(cut) => cut.into(),
    }
}

/// Cuts each line of a text as messages are cut.
fn lines(text: String) -> String {
    text.split('\n').map(message).collect::<Vec<_>>().join("\n")
}
