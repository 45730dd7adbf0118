//! Errors of the macro sit on the path that the user wrote, and generated types are as strict as they look.
//!
//! `TRYBUILD=overwrite` rewrites the texts.

mod features;

#[test]
fn compile_failures() {
    trybuild::TestCases::new().compile_fail("ui/cases/*.rs");
}
