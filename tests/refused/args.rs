//! Errors of options: their names, types and defaults.

use std::{env, fs, path::Path, process::Command};

use eunomia_build::Skeleton;
use eunomia_runtime::{
    checked::Argument,
    skeleton::model::{CmdArg, Section, Variable},
};
use eunomia_tests::fixture;
use serde_json::{Value as Json, json};

use super::refusal;

/// Returns the error for the package with an option for each kind of variable, after an edit of its
/// variables; `@NAME` replaces the JSON path of a variable.
fn edited(edit: impl FnOnce(&mut dyn FnMut(&str, Json))) -> String {
    let mut json: Json = serde_json::from_str(&fixture("args")).unwrap();
    let mut places = Vec::new();
    edit(&mut |name, cmdarg| {
        let sections = json["meta"]["bpf_skel"]["data_sections"].as_array_mut().unwrap();
        for (i, section) in sections.iter_mut().enumerate() {
            for (j, variable) in section["variables"].as_array_mut().unwrap().iter_mut().enumerate()
            {
                if variable["name"] == name {
                    variable["cmdarg"] = cmdarg.clone();
                    places.push((
                        format!("meta.bpf_skel.data_sections[{i}].variables[{j}]"),
                        format!("@{name}"),
                    ));
                }
            }
        }
    });
    let mut text = refusal(&json.to_string());
    // Opening at run time reports the same.
    let opened = Skeleton::parse(&json.to_string(), "x.json")
        .map_err(Into::into)
        .and_then(|skeleton| skeleton.open().map(drop));
    assert_eq!(
        opened.map_err(|error: eunomia_runtime::Error| error.to_string()),
        Err(text.clone())
    );
    for (place, name) in places {
        text = text.replace(&format!("{place}."), &format!("{name}."));
    }
    let lines = text.lines().map(|line| line.split_once(": ").map_or(line, |(_, line)| line));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the error for one `cmdarg`.
fn say(variable: &str, cmdarg: Json) -> String {
    edited(|set| set(variable, cmdarg))
}

#[test]
fn defaults_must_fit_their_variable() {
    let ty = "is not a value of type `const volatile";
    assert_eq!(
        say("u8", json!({"default": 256})),
        format!("@u8.cmdarg.default: `256` {ty} unsigned char`; expected a number from 0 to 255")
    );
    assert_eq!(
        say("u8", json!({"default": -1})),
        format!("@u8.cmdarg.default: `-1` {ty} unsigned char`; expected a number from 0 to 255")
    );
    assert_eq!(
        say("i8", json!({"default": true})),
        "@i8.cmdarg.default: true is not a value of type `const volatile signed char`"
    );
    assert_eq!(
        say("off", json!({"default": 2})),
        format!("@off.cmdarg.default: `2` {ty} _Bool`; expected true or false")
    );
    assert_eq!(
        say("level", json!({"default": "MIDDLE"})),
        format!(
            "@level.cmdarg.default: `MIDDLE` {ty} enum level`; expected a number from -2147483648 to 2147483647, or one of LOW, HIGH"
        )
    );
    assert_eq!(
        say("f32", json!({"default": 1e39})),
        format!(
            "@f32.cmdarg.default: `1e+39` {ty} float`; expected a number from -3.4028235e38 to 3.4028235e38"
        )
    );
    assert_eq!(
        say("label", json!({"default": "12345678"})),
        "@label.cmdarg.default: 8 bytes of text and a NUL do not fit into `char[8]`"
    );
}

#[test]
fn option_names_must_be_valid() {
    for short in ["", "ab", "-", "=", " ", "\u{7}"] {
        assert_eq!(
            say("u8", json!({"short": short})),
            format!(
                "@u8.cmdarg.short: {short:?} is not a valid short option; use one letter or digit"
            )
        );
    }
    for long in ["", "--u8", "a b", "a=b", "a\n"] {
        assert_eq!(
            say("u8", json!({"long": long})),
            format!(
                "@u8.cmdarg.long: {long:?} is not a valid option name; set another in `cmdarg.long`, without leading dashes"
            )
        );
    }
}

/// clap lays out help in columns, whose width is limited.
#[test]
fn long_option_names_are_refused() {
    const TODO: &str = "bytes long; set another of at most 128 bytes in `cmdarg.long`";
    for len in [129, 1 << 16] {
        assert_eq!(
            say("u8", json!({"long": "x".repeat(len)})),
            format!("@u8.cmdarg.long: the option name is {len} {TODO}")
        );
    }
    assert_eq!(
        say("on", json!({"long": "\u{fc}".repeat(65)})),
        format!("@on.cmdarg.long: the option name is 130 {TODO}")
    );
}

/// The help also shows names of variables, so variables with longer names have no option.
#[test]
fn variables_with_long_names_have_no_option() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refused");
    fs::create_dir_all(&folder).unwrap();
    let [longest, longer] = [128, 129].map(|len| "x".repeat(len));
    fs::write(
        folder.join("long.bpf.c"),
        format!("const volatile int {longest} = 1;\nconst volatile int {longer} = 2;\n"),
    )
    .unwrap();
    let clang = env::var_os("EUNOMIA_CLANG").unwrap_or_else(|| "clang-19".into());
    let compiled = Command::new(clang)
        .args(["-target", "bpf", "-g", "-O2", "-c", "long.bpf.c"])
        .current_dir(&folder)
        .status()
        .unwrap();
    assert!(compiled.success());
    let mut skeleton =
        Skeleton::from_object("long", fs::read(folder.join("long.bpf.o")).unwrap(), "x").unwrap();
    let options = |skeleton: &Skeleton| {
        let checked = skeleton.clone().check().unwrap();
        checked.setup().map(|setup| {
            setup.arguments.iter().map(|argument| argument.arg.long.to_string()).collect::<Vec<_>>()
        })
    };
    assert_eq!(options(&skeleton).unwrap(), [longest]);
    let variable =
        skeleton.sections[0].variables.iter_mut().find(|variable| variable.name == longer).unwrap();
    variable.arg = Some(CmdArg { long: Some("short".to_owned()), ..CmdArg::default() });
    let refused = options(&skeleton).unwrap_err().to_string();
    assert!(
        refused.ends_with("; remove the key: an option needs a variable name of at most 128 bytes"),
        "{refused}"
    );
}

#[test]
fn option_names_must_be_unique() {
    assert_eq!(
        edited(|set| {
            set("u8", json!({"long": "i8", "short": "q"}));
            set("u64", json!({"long": "i16"}));
        }),
        "@u8.cmdarg.long: option `--i8` of variable `u8` is already used by variable `i8`; set another in `cmdarg.long`\n\
         @u64.cmdarg.long: option `--i16` of variable `u64` is already used by variable `i16`; set another in `cmdarg.long`\n\
         @quiet.cmdarg.short: option `-q` of variable `quiet` is already used by variable `u8`; set another in `cmdarg.short`"
            .replace("@quiet", "meta.bpf_skel.data_sections[0].variables[15]")
    );
    // The fault is at the later variable, whose option has the name of the variable.
    assert_eq!(
        say("i8", json!({"long": "u8"})),
        "meta.bpf_skel.data_sections[0].variables[1].name: option `--u8` of variable `u8` is already used by variable `i8`; set another \
         in `cmdarg.long`"
    );
    // The options of switches begin with `enable-` or `disable-`.
    assert_eq!(
        say("u8", json!({"long": "enable-off"})),
        "meta.bpf_skel.data_sections[0].variables[13].name: option `--enable-off` of variable `off` is already used by variable `u8`; set \
         another in `cmdarg.long`"
    );
}

#[test]
fn options_of_every_program_are_reserved() {
    for (key, name, option) in [
        ("long", "help", "--help"),
        ("long", "version", "--version"),
        ("long", "verbose", "--verbose"),
        ("short", "h", "-h"),
        ("short", "V", "-V"),
    ] {
        assert_eq!(
            say("u8", json!({ key: name })),
            format!(
                "@u8.cmdarg.{key}: option `{option}` of variable `u8` is already used by every program; set another in `cmdarg.{key}`"
            )
        );
    }
}

#[test]
fn options_are_for_scalars_and_texts() {
    const TODO: &str = "; remove the key: options support numbers, booleans, enums and strings of at most 4095 bytes";
    for (name, ty) in [("pair", "struct pair"), ("numbers", "int[4]"), ("buffer", "char[5000]")] {
        assert_eq!(
            say(name, json!({"long": "x"})),
            format!("@{name}.cmdarg: an option cannot set variable `{name}` of type `{ty}`{TODO}")
        );
    }
}

/// libbpf sets `__kconfig` variables last, so an option could not.
#[test]
fn kconfig_variables_have_no_option() {
    let mut skeleton = Skeleton::parse(&fixture("kinds"), "kinds").unwrap();
    let checked = skeleton.clone().check().unwrap();
    assert!(
        checked.setup().unwrap().arguments.iter().all(|argument| !argument.section.is_kconfig())
    );
    let section = checked.sections.iter().find(|section| section.is_kconfig()).unwrap();
    let (name, ty) =
        (section.variables[0].name.clone(), checked.layouts.c_name(section.variables[0].ty));
    let arg = Some(CmdArg { short: Some("k".to_owned()), ..CmdArg::default() });
    let variable = Variable {
        name: name.clone(),
        ty: ty.clone(),
        value: None,
        description: None,
        arg,
        other: Default::default(),
    };
    let at = skeleton.sections.len();
    skeleton.sections.push(Section {
        name: section.name.clone(),
        variables: vec![variable],
        other: Default::default(),
    });
    assert_eq!(
        skeleton.check().unwrap().setup().unwrap_err().to_string(),
        format!(
            "kinds: meta.bpf_skel.data_sections[{at}].variables[0].cmdarg: an option cannot set variable `{name}` of type `{ty}`; \
             remove the key: the value comes from the kernel configuration"
        )
    );
}

/// A bad value is reported once, although it is also the default of the option.
#[test]
fn bad_value_is_one_fault() {
    let mut json: Json = serde_json::from_str(&fixture("args")).unwrap();
    json["meta"]["bpf_skel"]["data_sections"][0]["variables"][0]["value"] = json!(1000);
    assert_eq!(refusal(&json.to_string()).lines().count(), 1);
}

/// Such a variable, and one that is in two files, has only the option that a document gives it.
#[test]
fn variables_named_like_reserved_options_have_no_option() {
    for named in ["verbose", "version", "help", "i8", "in\x1bdata", "dropped"] {
        let mut skeleton = Skeleton::parse(&fixture("args"), "args").unwrap();
        let mut object = skeleton.object.take().unwrap();
        for at in 0..object.len() - 9 {
            if &object[at..at + 9] == b"\0in_data\0" {
                object[at + 1..at + 8].fill(0);
                object[at + 1..at + 1 + named.len()].copy_from_slice(named.as_bytes());
            }
        }
        let options = |skeleton: Skeleton| {
            let checked = skeleton.check().unwrap();
            let setup = checked.setup();
            setup.map(|setup| {
                let of = |argument: &Argument<'_>| {
                    (argument.section.name == ".data").then(|| argument.arg.long.to_string())
                };
                (setup.arguments.iter().filter_map(of).collect::<Vec<_>>(), setup.arguments.len())
            })
        };
        let at = skeleton.sections.iter().position(|section| section.name == ".data").unwrap();
        skeleton.sections[at].variables[0].name = named.to_owned();
        let mut skeleton = skeleton.with_object(object.clone(), "x").unwrap();
        assert_eq!(options(skeleton.clone()).unwrap(), (Vec::new(), 23));
        assert_eq!(
            options(Skeleton::from_object("args", object, "x").unwrap()).unwrap(),
            (Vec::new(), 21)
        );
        skeleton.sections[at].variables[0].arg =
            Some(CmdArg { long: Some("another".to_owned()), ..CmdArg::default() });
        assert_eq!(options(skeleton).unwrap(), (vec!["another".to_owned()], 24));
    }
}

/// Counters of programs have no option unless a document describes one.
#[test]
fn counters_have_no_option() {
    let checked = Skeleton::parse(&fixture("args"), "args").unwrap().check().unwrap();
    let setup = checked.setup().unwrap();
    let has = |name: &str| setup.arguments.iter().any(|argument| argument.variable.name == name);
    assert_eq!(
        ["i8", "in_data", "in_bss", "label", "sum", "first"].map(has),
        [true, true, true, true, false, false]
    );
}

#[test]
fn options_begin_with_a_prefix() {
    let skeleton = || Skeleton::parse(&fixture("args"), "args").unwrap();
    let options = |prefix: &str| {
        let checked = skeleton().with_option_prefix(prefix).check().unwrap();
        let setup = checked.setup().map_err(|faults| faults.to_string())?;
        Ok::<_, String>(
            setup
                .arguments
                .iter()
                .map(|argument| (argument.arg.long.to_string(), argument.arg.short))
                .collect::<Vec<_>>(),
        )
    };
    let prefixed = options("net-").unwrap();
    let plain = options("")
        .unwrap()
        .into_iter()
        .map(|(long, _)| (format!("net-{long}"), None))
        .collect::<Vec<_>>();
    assert_eq!(prefixed, plain);
    assert!(prefixed.contains(&("net-disable-switch".to_owned(), None)));
    // What is a letter in another script, or no word of Rust, is a letter of an option.
    for prefix in ["1", "ü-", "fn-", "_", "a--"] {
        assert!(options(prefix).unwrap().contains(&(format!("{prefix}disable-switch"), None)));
    }
    let long = "args: the option prefix is 10000 bytes long; use at most 128 bytes".to_owned();
    assert_eq!(options(&"n".repeat(10000)), Err(long));
    for prefix in ["--net-", "-", "a b", "a=", "a\n", "\u{1b}", "\u{202e}"] {
        let refused = format!(
            "args: {prefix:?} is not a valid option prefix; use letters, digits and dashes, without the leading dashes: `net-`"
        );
        assert_eq!(options(prefix), Err(refused));
    }
}
