//! What objects take from the kernel's configuration (`__kconfig`).

use std::path::Path;

use eunomia_runtime::{Error, Skeleton, bpf::Check, cli::Exit, doctor::examine};
use eunomia_tests::fixture;
use libtest_mimic::Failed;

use super::{
    Outcome,
    command::{Out, run},
    errno, host,
};

/// The names in the fixture, by the type that each is declared with.
const INT: &str = "CONFIG_EUNOMIA_A_NUMBER_OF_NOBODY";
const BOOL: &str = "CONFIG_EUNOMIA_A_SWITCH_OF_NOBODY";
const SIGNED_CHAR: &str = "CONFIG_EUNOMIA_A_LETTER_OF_NOBODY";
const TEXT: &str = "CONFIG_EUNOMIA_A_TEXT_OF_NOBODY";

/// The object of the fixture, with other names in the places of some. They stand in BTF and in the symbol table.
fn renamed(names: &[(&str, &str)]) -> Result<Vec<u8>, Failed> {
    let mut object = Skeleton::parse(&fixture("settings"), "settings")?.object.ok_or("it has one")?;
    for (old, new) in names {
        let wanted = [b"\0", old.as_bytes(), b"\0"].concat();
        let mut other = [b"\0", new.as_bytes()].concat();
        assert!(other.len() < wanted.len(), "{new} has room");
        other.resize(wanted.len(), 0);
        let places: Vec<usize> = (0..object.len() - wanted.len()).filter(|&at| object[at..].starts_with(&wanted)).collect();
        assert!(!places.is_empty());
        places.into_iter().for_each(|at| object[at..at + wanted.len()].copy_from_slice(&other));
    }
    Ok(object)
}

/// What the doctor says of the configuration.
fn examined(object: &[u8]) -> Result<Check, Failed> {
    let checked = Skeleton::from_object("settings", object.to_vec(), "settings.bpf.o")?.check("settings")?;
    let check = examine(&checked).checks.into_iter().find(|check| check.what == "kernel configuration");
    Ok(check.ok_or("it looks at the configuration")?)
}

/// What the library and the command say of an object that cannot be loaded; both have the same hint, and the doctor says no.
fn refused(names: &[(&str, &str)]) -> Result<(Error, String), Failed> {
    let object = renamed(names)?;
    let check = examined(&object)?;
    assert!(!check.ok && check.required, "{check:?}");
    let error = Skeleton::from_object("settings", object.clone(), "settings.bpf.o")?.open()?.load().unwrap_err();
    let text = error.to_string();
    let (_, hint) = text.split_once("\n  hint: ").ok_or_else(|| format!("there is a hint in {text}"))?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("settings.bpf.o");
    std::fs::write(&path, object)?;
    let (exit, err) = run(&["run", path.to_str().ok_or("temporary folders have plain names")?, "-d", "1ms"], &mut Out::default());
    assert!(exit == Exit::Kernel && err.ends_with(&format!("\n  hint: {hint}\n")), "{err}");
    let hint = hint.to_owned();
    Ok((error, hint))
}

/// On kernels that do not show their configuration no setting can be had.
pub(crate) fn a_setting_that_is_not_there() -> Outcome {
    let (error, hint) = refused(&[])?;
    let places = [format!("/boot/config-{}", host::release()?.0), "/proc/config.gz".to_owned()];
    match places.iter().find(|place| Path::new(place).exists()) {
        Some(place) => {
            assert_eq!(errno(&error), Some(libc::ESRCH), "{error}");
            assert_eq!(
                hint,
                format!(
                    "kernel configuration: {place} does not set {INT}; libbpf does not load the object: declare them __weak, which makes them 0 \
                     if they are not set"
                )
            );
        }
        None => {
            assert_eq!(errno(&error), Some(libc::EINVAL), "{error}");
            let [plain, packed] = &places;
            assert!(hint.starts_with(&format!("kernel configuration: cannot read {plain}, and {packed}: No such file")), "{hint}");
            assert!(hint.ends_with("the kernel needs CONFIG_IKCONFIG_PROC, or a configuration file in /boot"), "{hint}");
        }
    }
    Ok(())
}

/// Every kernel that runs BPF sets these: a switch, a number that needs 8 bytes, and a text.
pub(crate) fn values_that_do_not_fit() -> Outcome {
    const SWITCH: &str = "CONFIG_BPF_SYSCALL";
    const NUMBER: &str = "CONFIG_ILLEGAL_POINTER_VALUE";
    const COMPILER: &str = "CONFIG_CC_VERSION_TEXT";
    const OTHER: &str = "CONFIG_LOG_BUF_SHIFT";
    let good = renamed(&[(INT, OTHER), (BOOL, SWITCH)])?;
    assert!(examined(&good)?.ok);
    Skeleton::from_object("settings", good, "settings.bpf.o")?.open()?.load()?;

    // libbpf says it as it is where a number is not expected at all.
    let (text, number) = ("0xdead000000000000", 0xdead_0000_0000_0000_u64.to_string());
    let integer = |value: &str, what: &str| {
        format!("{NUMBER} is {value}, which the declared type cannot hold: declare it `extern unsigned long {NUMBER} __kconfig`, {what}")
    };
    for (names, expected) in [
        (&[(INT, NUMBER)][..], integer(&number, "an integer")),
        (&[(INT, OTHER), (SIGNED_CHAR, NUMBER)], integer(&number, "an integer")),
        (&[(INT, OTHER), (BOOL, NUMBER)], integer(text, "an integer")),
        (&[(INT, OTHER), (TEXT, NUMBER)], integer(text, "an integer")),
        (&[(INT, SWITCH)], format!("{SWITCH} is y, which the declared type cannot hold: declare it `extern bool {SWITCH} __kconfig`")),
    ] {
        let (error, hint) = refused(names)?;
        assert_eq!(hint, format!("kernel configuration: {expected}"), "{error}");
    }
    let (_, hint) = refused(&[(INT, COMPILER)])?;
    let text = hint
        .strip_prefix(&format!("kernel configuration: {COMPILER} is \""))
        .and_then(|rest| rest.split_once("\", which "))
        .ok_or(&*hint)?;
    let todo = format!("declare it `extern char {COMPILER}[{}] __kconfig`, a text", text.0.len() + 1);
    assert!(hint.ends_with(&todo), "{hint}");
    Ok(())
}
