//! Code that must not compile: errors of the macro are at the path that the user wrote, and
//! generated types are as strict as documented.
//!
//! `TRYBUILD=overwrite` rewrites the texts.

mod features;

#[test]
fn cases_do_not_compile() {
    trybuild::TestCases::new().compile_fail("ui/cases/*.rs");
}
