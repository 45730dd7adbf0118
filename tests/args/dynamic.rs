//! Options at run time.

use eunomia_runtime::{Skeleton, args::Given, checked::Checked};
use eunomia_tests::fixture;

use super::{HELP, REFUSALS, VALUES, first_line, line};

fn checked() -> Checked {
    Skeleton::parse(&fixture("args"), "args").unwrap().check().unwrap()
}

fn command(checked: &Checked) -> clap::Command {
    checked.command(&checked.setup().unwrap().arguments).to_clap()
}

#[test]
fn values_become_bytes() {
    let checked = checked();
    for (words, variable, bytes) in VALUES {
        let matches = command(&checked).try_get_matches_from(line(words)).unwrap();
        let given = Given::of(&matches);
        let arguments = checked.setup().unwrap().arguments;
        let (these, others): (Vec<_>, Vec<_>) =
            arguments.iter().partition(|argument| argument.variable.name == variable);
        assert_eq!(given.bytes(&these[0].arg.long), Some(bytes), "{words:?}");
        let others =
            others.iter().filter(|argument| given.bytes(&argument.arg.long).is_some()).count();
        assert_eq!(others, usize::from(words == ["-qs"]), "a default counts as given");
        assert_eq!(given.bytes("no-such-option"), None);
    }
}

#[test]
fn refusals_and_help_are_those_of_generated_args() {
    let checked = checked();
    for (words, text) in REFUSALS {
        assert_eq!(
            first_line(&command(&checked).try_get_matches_from(line(words)).unwrap_err()),
            text
        );
    }
    command(&checked).debug_assert();
    assert_eq!(command(&checked).render_help().to_string(), HELP);
}

/// The generated description of the options equals the one built at run time.
#[test]
fn typed_and_dynamic_descriptions_are_equal() {
    use eunomia_runtime::args::Args as _;
    let checked = checked();
    assert_eq!(
        eunomia_tests::built::args::Args::describe(),
        checked.command(&checked.setup().unwrap().arguments)
    );
}

/// The help can show the longest possible name of an option.
#[test]
fn long_names_have_help() {
    let mut skeleton = Skeleton::parse(&fixture("args"), "args").unwrap();
    let long = "x".repeat(128);
    let on =
        skeleton.sections[0].variables.iter_mut().find(|variable| variable.name == "on").unwrap();
    on.arg.get_or_insert_default().long = Some(long.clone());
    let checked = skeleton.check().unwrap();
    assert!(command(&checked).render_help().to_string().contains(&format!("--disable-{long}")));
    let matches =
        command(&checked).try_get_matches_from(["prog", &format!("--disable-{long}")]).unwrap();
    assert_eq!(Given::of(&matches).flag(&format!("disable-{long}")), Some(false));
}

/// Texts in a document cannot control the terminal.
#[test]
fn help_is_plain_text() {
    let mut skeleton = Skeleton::parse(&fixture("args"), "args").unwrap();
    let escape = "\u{1b}[31mred\u{7}";
    skeleton.doc.as_mut().unwrap().details = Some(escape.to_owned());
    let variables = &mut skeleton.sections[0].variables;
    variables[0].description = Some(escape.to_owned());
    variables
        .iter_mut()
        .find(|variable| variable.name == "comm")
        .unwrap()
        .arg
        .as_mut()
        .unwrap()
        .default = Some(escape.into());
    let checked = skeleton.check().unwrap();
    let help = command(&checked).render_help().to_string();
    assert!(help.contains(r"\u{1b}[31mred\u{7}"), "{help}");
    assert!(!help.contains(|c: char| c.is_control() && c != '\n'));
}
