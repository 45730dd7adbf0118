//! Generated `Args`.

use clap::{CommandFactory as _, Parser};
use eunomia_runtime::sample::CharArray;
use eunomia_tests::built::args::{
    Args,
    types::{self, Level},
};

use super::{HELP, REFUSALS, VALUES, first_line, line};

#[test]
fn defaults_come_from_document_or_object() {
    let args = Args::default();
    // `cmdarg.default`.
    assert_eq!((args.i32, args.u32, args.level), (12345, 0xffff_fff0, Level::HIGH));
    assert_eq!((args.off, args.on, args.comm.as_str()), (false, true, Ok("bash")));
    // `value`.
    assert_eq!(args.i64, -7);
    // The object.
    assert_eq!((args.i8, args.u8, args.i16, args.u16, args.u64), (-8, 200, -16, 16, 64));
    assert_eq!(
        (args.i128, args.u128, args.f32, args.f64, args.endless),
        (-128, 128, 1.5, -0.25, f64::INFINITY)
    );
    assert_eq!((args.nameless, args.r#match), (types::Nameless::ANONYMOUS, 1));
    assert_eq!((args.in_data, args.in_bss, args.quiet), (5, 0, false));
    assert_eq!((args.raw.raw(), args.label.raw()), (&[0xff, 0, b'x', 0], &[0; 8]));
    assert_eq!(Args::try_parse_from(line(&[])).unwrap(), args);
}

#[test]
fn values_become_fields() {
    let parse = |words: &[&str]| Args::try_parse_from(line(words)).unwrap();
    for (words, variable, bytes) in VALUES {
        let mut expected = Args::default();
        let little = |len: usize| {
            let mut padded = [if bytes[len - 1] & 0x80 == 0 { 0 } else { 0xff }; 16];
            padded[..len].copy_from_slice(&bytes[..len]);
            i128::from_le_bytes(padded)
        };
        match variable {
            "i8" => expected.i8 = little(1) as i8,
            "u8" => expected.u8 = bytes[0],
            "i16" => expected.i16 = little(2) as i16,
            "u16" => expected.u16 = little(2) as u16,
            "i32" => expected.i32 = little(4) as i32,
            "u32" => expected.u32 = little(4) as u32,
            "u64" => expected.u64 = little(8) as u64,
            "u128" => expected.u128 = little(16) as u128,
            "f32" => expected.f32 = f32::from_le_bytes(bytes.try_into().unwrap()),
            "f64" => expected.f64 = f64::from_le_bytes(bytes.try_into().unwrap()),
            "endless" => expected.endless = f64::from_le_bytes(bytes.try_into().unwrap()),
            "off" => expected.off = bytes[0] == 1,
            "on" => expected.on = bytes[0] == 1,
            "quiet" => expected.quiet = bytes[0] == 1,
            "level" => expected.level = types::Level(little(4) as i32),
            "nameless" => expected.nameless = types::Nameless(little(4) as u32),
            "comm" => expected.comm = CharArray::from(<[u8; 16]>::try_from(bytes).unwrap()),
            "in_bss" => expected.in_bss = little(8) as u64,
            "label" => expected.label = CharArray::from(<[u8; 8]>::try_from(bytes).unwrap()),
            other => panic!("{other}"),
        }
        let mut args = parse(words);
        if words == ["-qs"] {
            assert!(!args.on, "the second of two clustered switches is ignored");
            args.on = true;
        }
        assert_eq!(args, expected, "{words:?}");
    }
}

#[test]
fn refusals_name_the_range() {
    for (words, text) in REFUSALS {
        assert_eq!(first_line(&Args::try_parse_from(line(words)).unwrap_err()), text);
    }
    let version = Args::try_parse_from(line(&["-V"])).unwrap_err();
    assert_eq!(version.to_string(), "args 1.2.3\n");
}

#[test]
fn help_comes_from_document() {
    Args::command().debug_assert();
    assert_eq!(
        Args::try_parse_from(line(&["--help"])).unwrap_err().to_string(),
        HELP.replace("Usage: args", "Usage: prog")
    );
}

/// An application can flatten `Args` into its own options.
#[test]
fn args_are_flattened_into_options_of_application() {
    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        args: Args,
        #[arg(long)]
        verbose: bool,
    }
    Options::command().debug_assert();
    let mut options = Options::parse_from(["app", "--verbose", "--cv1", "9", "--quiet"]);
    assert!(options.verbose);
    assert_eq!(options.args, Args { i32: 9, quiet: true, ..Args::default() });
    // Options that are not given keep their values.
    options.update_from(["app", "--u8", "1"]);
    assert_eq!(options.args, Args { i32: 9, quiet: true, u8: 1, ..Args::default() });
}
