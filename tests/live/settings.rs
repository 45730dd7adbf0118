//! Variables that hold the kernel's configuration (`__kconfig`).

use std::path::Path;

use eunomia_runtime::{Error, Skeleton, bpf::Check, cli::Exit, doctor::examine};
use eunomia_tests::fixture;
use libtest_mimic::Failed;

use super::{
    Outcome,
    command::{Out, run},
    errno, host,
};

/// The settings in the fixture, by the type that each is declared with.
const INT: &str = "CONFIG_EUNOMIA_A_NUMBER_OF_NOBODY";
const BOOL: &str = "CONFIG_EUNOMIA_A_SWITCH_OF_NOBODY";
const SIGNED_CHAR: &str = "CONFIG_EUNOMIA_A_LETTER_OF_NOBODY";
const TEXT: &str = "CONFIG_EUNOMIA_A_TEXT_OF_NOBODY";

/// Returns the object of the fixture with some names replaced, in its BTF and in its symbol table.
fn renamed(names: &[(&str, &str)]) -> Result<Vec<u8>, Failed> {
    let mut object = Skeleton::parse(&fixture("settings"), "settings")?
        .object
        .ok_or("the fixture has no object")?;
    for (old, new) in names {
        let pattern = [b"\0", old.as_bytes(), b"\0"].concat();
        let mut other = [b"\0", new.as_bytes()].concat();
        assert!(other.len() < pattern.len(), "{new} is too long");
        other.resize(pattern.len(), 0);
        let places: Vec<usize> = (0..object.len() - pattern.len())
            .filter(|&at| object[at..].starts_with(&pattern))
            .collect();
        assert!(!places.is_empty());
        places.into_iter().for_each(|at| object[at..at + pattern.len()].copy_from_slice(&other));
    }
    Ok(object)
}

/// Returns the doctor's check of the kernel configuration.
fn examined(object: &[u8]) -> Result<Check, Failed> {
    let checked = Skeleton::from_object("settings", object.to_vec(), "settings.bpf.o")?.check()?;
    let check =
        examine(&checked).checks.into_iter().find(|check| check.what == "kernel configuration");
    Ok(check.ok_or("no check of the configuration")?)
}

/// Returns the error of an object that cannot be loaded, and its hint. Checks that the command
/// gives the same hint and that the doctor fails.
fn refused(names: &[(&str, &str)]) -> Result<(Error, String), Failed> {
    let object = renamed(names)?;
    let check = examined(&object)?;
    assert!(!check.ok && check.required, "{check:?}");
    let error = Skeleton::from_object("settings", object.clone(), "settings.bpf.o")?
        .open()?
        .load()
        .unwrap_err();
    let text = error.to_string();
    let (_, hint) = text.split_once("\n  hint: ").ok_or_else(|| format!("no hint in {text}"))?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("settings.bpf.o");
    std::fs::write(&path, object)?;
    let (exit, err) = run(
        &["run", path.to_str().ok_or("the path is not UTF-8")?, "-d", "1ms"],
        &mut Out::default(),
    );
    assert!(exit == Exit::Kernel && err.ends_with(&format!("\n  hint: {hint}\n")), "{err}");
    let hint = hint.to_owned();
    Ok((error, hint))
}

/// If the kernel does not expose its configuration, no setting can be read.
pub(crate) fn missing_setting_is_explained() -> Outcome {
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
            assert!(
                hint.starts_with(&format!(
                    "kernel configuration: cannot read {plain}, and {packed}: No such file"
                )),
                "{hint}"
            );
            assert!(
                hint.ends_with(
                    "the kernel needs CONFIG_IKCONFIG_PROC, or a configuration file in /boot"
                ),
                "{hint}"
            );
        }
    }
    Ok(())
}

/// All kernels that run BPF have these: a switch, a number of 8 bytes, and a string.
pub(crate) fn unsuitable_setting_type_is_explained() -> Outcome {
    const SWITCH: &str = "CONFIG_BPF_SYSCALL";
    const NUMBER: &str = "CONFIG_ILLEGAL_POINTER_VALUE";
    const COMPILER: &str = "CONFIG_CC_VERSION_TEXT";
    const OTHER: &str = "CONFIG_LOG_BUF_SHIFT";
    let good = renamed(&[(INT, OTHER), (BOOL, SWITCH)])?;
    assert!(examined(&good)?.ok);
    Skeleton::from_object("settings", good, "settings.bpf.o")?.open()?.load()?;

    // If the type is not an integer, libbpf quotes the text of the setting.
    let (text, number) = ("0xdead000000000000", 0xdead_0000_0000_0000_u64.to_string());
    let integer = |value: &str, what: &str| {
        format!(
            "{NUMBER} is {value}, which the declared type cannot hold: declare it `extern unsigned long {NUMBER} __kconfig`, {what}"
        )
    };
    for (names, expected) in [
        (&[(INT, NUMBER)][..], integer(&number, "an integer")),
        (&[(INT, OTHER), (SIGNED_CHAR, NUMBER)], integer(&number, "an integer")),
        (&[(INT, OTHER), (BOOL, NUMBER)], integer(text, "an integer")),
        (&[(INT, OTHER), (TEXT, NUMBER)], integer(text, "an integer")),
        (
            &[(INT, SWITCH)],
            format!(
                "{SWITCH} is y, which the declared type cannot hold: declare it `extern bool {SWITCH} __kconfig`"
            ),
        ),
    ] {
        let (error, hint) = refused(names)?;
        assert_eq!(hint, format!("kernel configuration: {expected}"), "{error}");
    }
    let (_, hint) = refused(&[(INT, COMPILER)])?;
    let text = hint
        .strip_prefix(&format!("kernel configuration: {COMPILER} is \""))
        .and_then(|rest| rest.split_once("\", which "))
        .ok_or(&*hint)?;
    let todo =
        format!("declare it `extern char {COMPILER}[{}] __kconfig`, a text", text.0.len() + 1);
    assert!(hint.ends_with(&todo), "{hint}");
    Ok(())
}
