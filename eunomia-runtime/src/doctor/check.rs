//! The three kinds of answers.

use std::borrow::Cow;

use crate::{Hint, bpf::Check, plain::message};

type Text = Cow<'static, str>;

/// It is there.
pub(super) fn found(what: impl Into<Text>, found: impl Into<String>) -> Check {
    Check { what: short(what), required: true, ok: true, found: lines(found.into()), todo: "".into() }
}

/// It is not there.
pub(super) fn missing(what: impl Into<Text>, required: bool, found: impl Into<String>, todo: impl Into<Hint>) -> Check {
    Check { what: short(what), required, ok: false, found: lines(found.into()), todo: todo.into() }
}

/// It cannot be examined: neither good nor bad.
pub(super) fn untold(what: impl Into<Text>, why: impl Into<String>, todo: impl Into<Hint>) -> Check {
    Check { what: short(what), required: false, ok: false, found: lines(format!("not told: {}", why.into())), todo: todo.into() }
}

/// A title as messages are, whatever names of the object are in it.
fn short(what: impl Into<Text>) -> Text {
    let what = what.into();
    match message(&what) {
        Cow::Borrowed(_) => what,
        Cow::Owned(cut) => cut.into(),
    }
}

/// A text of which each line is as messages are.
fn lines(text: String) -> String {
    text.split('\n').map(message).collect::<Vec<_>>().join("\n")
}
