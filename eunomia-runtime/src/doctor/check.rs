//! The three kinds of answers.

use std::borrow::Cow;

use crate::{Hint, bpf::Check};

type Text = Cow<'static, str>;

/// It is there.
pub(super) fn found(what: impl Into<Text>, found: impl Into<String>) -> Check {
    Check { what: what.into(), required: true, ok: true, found: found.into(), todo: "".into() }
}

/// It is not there.
pub(super) fn missing(what: impl Into<Text>, required: bool, found: impl Into<String>, todo: impl Into<Hint>) -> Check {
    Check { what: what.into(), required, ok: false, found: found.into(), todo: todo.into() }
}

/// It cannot be examined: neither good nor bad.
pub(super) fn untold(what: impl Into<Text>, why: impl Into<String>, todo: impl Into<Hint>) -> Check {
    Check { what: what.into(), required: false, ok: false, found: format!("not told: {}", why.into()), todo: todo.into() }
}
