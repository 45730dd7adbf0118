//! The command line of a skeleton: generated `Args` and options at run time follow the same rules.

mod dynamic;
mod prefix;
mod typed;

/// Options that both paths must turn into the same bytes: arguments, variable, bytes.
const VALUES: [(&[&str], &str, &[u8]); 29] = [
    (&["--i8", "-128"], "i8", &[128]),
    (&["--i8=-0x80"], "i8", &[128]),
    (&["--u8", "255"], "u8", &[255]),
    (&["--i16", "-0b11"], "i16", &[253, 255]),
    (&["--u16", "40000"], "u16", &[64, 156]),
    (&["--cv1", "-5"], "i32", &[251, 255, 255, 255]),
    (&["-1", "7"], "i32", &[7, 0, 0, 0]),
    (&["-1", "-1"], "i32", &[255; 4]),
    (&["-17"], "i32", &[7, 0, 0, 0]),
    (&["-u", "4294967295"], "u32", &[255; 4]),
    (&["-u=0xffffffff"], "u32", &[255; 4]),
    (&["--u64", "0o777"], "u64", &[255, 1, 0, 0, 0, 0, 0, 0]),
    (&["--u128", "0xffffffffffffffffffffffffffffffff"], "u128", &[255; 16]),
    (&["--f32", "-1.5"], "f32", &[0, 0, 192, 191]),
    (&["--f64", "1e3"], "f64", &[0, 0, 0, 0, 0, 64, 143, 64]),
    (&["--endless", "-inf"], "endless", &[0, 0, 0, 0, 0, 0, 240, 255]),
    (&["--enable-off"], "off", &[1]),
    (&["--disable-switch"], "on", &[0]),
    (&["-s"], "on", &[0]),
    (&["--quiet"], "quiet", &[1]),
    (&["-qs"], "quiet", &[1]),
    (&["--log-level", "LOW"], "level", &[251, 255, 255, 255]),
    (&["--log-level", "-6"], "level", &[250, 255, 255, 255]),
    (&["--nameless=ANONYMOUS"], "nameless", &[3, 0, 0, 0]),
    (&["--comm", ""], "comm", &[0; 16]),
    (&["-czsh"], "comm", b"zsh\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    (&["--in_bss", "1"], "in_bss", &[1, 0, 0, 0, 0, 0, 0, 0]),
    (&["--in-bss", "1"], "in_bss", &[1, 0, 0, 0, 0, 0, 0, 0]),
    (&["--label=-x"], "label", b"-x\0\0\0\0\0\0"),
];

/// Bad command lines and the first line of the error.
const REFUSALS: [(&[&str], &str); 17] = [
    (&["--i8", "128"], "invalid value '128' for '--i8 <I8>': expected a number from -128 to 127"),
    (&["--u8", "256"], "invalid value '256' for '--u8 <U8>': expected a number from 0 to 255"),
    (&["--u8", "-1"], "invalid value '-1' for '--u8 <U8>': expected a number from 0 to 255"),
    (
        &["--u32", "--u64"],
        "invalid value '--u64' for '--u32 <U32>': expected a number from 0 to 4294967295",
    ),
    (
        &["--cv1", "abc"],
        "invalid value 'abc' for '--cv1 <I32>': expected a number from -2147483648 to 2147483647",
    ),
    (
        &["--i128", "1.5"],
        "invalid value '1.5' for '--i128 <I128>': expected a number from -170141183460469231731687303715884105728 to \
         170141183460469231731687303715884105727",
    ),
    (
        &["--log-level", "MIDDLE"],
        "invalid value 'MIDDLE' for '--log-level <LEVEL>': expected a number from -2147483648 to 2147483647, or one of LOW, HIGH",
    ),
    (
        &["--log-level", "2147483648"],
        "invalid value '2147483648' for '--log-level <LEVEL>': expected a number from -2147483648 to 2147483647, or one of LOW, HIGH",
    ),
    (&["--f32", "fast"], "invalid value 'fast' for '--f32 <F32>': expected a number"),
    (
        &["--f32", "1e39"],
        "invalid value '1e39' for '--f32 <F32>': expected a number from -3.4028235e38 to 3.4028235e38",
    ),
    (
        &["--f64=-1e400"],
        "invalid value '-1e400' for '--f64 <F64>': expected a number from -1.7976931348623157e308 to 1.7976931348623157e308",
    ),
    (
        &["--comm", "0123456789abcdef"],
        "invalid value '0123456789abcdef' for '--comm <COMM>': expected at most 15 bytes of text",
    ),
    // A switch that would set the default is not an option.
    (&["--disable-off"], "unexpected argument '--disable-off' found"),
    (&["--enable-switch"], "unexpected argument '--enable-switch' found"),
    (&["--quiet=true"], "unexpected value 'true' for '--quiet' found; no more were expected"),
    // The name of the long option replaces that of the variable.
    (&["--i32", "1"], "unexpected argument '--i32' found"),
    // An option cannot set an array of numbers.
    (&["--numbers", "1"], "unexpected argument '--numbers' found"),
];

/// The expected help.
const HELP: &str = include_str!("help.txt");

/// Returns the first line of an error, without the prefix of clap.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Returns the words of a command line.
fn line<'a>(words: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    std::iter::once("prog").chain(words.iter().copied())
}
