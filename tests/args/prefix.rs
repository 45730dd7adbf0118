//! The options of two objects in one parser.

use clap::Parser;
use eunomia_tests::{built, included::networked};

#[derive(Debug, Parser)]
struct Both {
    #[command(flatten)]
    args: built::args::Args,
    #[command(flatten)]
    networked: networked::Args,
    #[arg(long)]
    verbose: bool,
}

#[test]
fn two_objects_share_one_parser() {
    let both = Both::parse_from([
        "prog",
        "--u8",
        "3",
        "--net-u8",
        "4",
        "-q",
        "--net-quiet",
        "--verbose",
        "--net-log-level",
        "LOW",
    ]);
    assert_eq!(
        (both.args.u8, both.networked.u8, both.args.quiet, both.networked.quiet, both.verbose),
        (3, 4, true, true, true)
    );
    assert_eq!(
        (both.args.level, both.networked.level),
        (built::args::types::Level::HIGH, networked::types::Level::LOW)
    );
    let [one, other] = [&["prog", "--net-on=x"][..], &["prog", "--net-u8", "256"]]
        .map(|line| Both::try_parse_from(line).unwrap_err().to_string());
    assert!(
        one.contains("--net-on")
            && other.contains("'--net-u8 <U8>': expected a number from 0 to 255"),
        "{one}{other}"
    );
}

/// A value set before stays unless an option sets it; a variable whose value in the object differs
/// from the option's default gets the default.
#[test]
fn options_keep_values_set_before() {
    let mut open = built::args::open().unwrap();
    let rodata = open.rodata().unwrap();
    rodata.u8.set(7).unwrap();
    rodata.u16.set(8).unwrap();
    rodata.i32.set(9).unwrap();
    let args = built::args::Args { u16: 10, ..Default::default() };
    let mut open = open.args(&args).unwrap();
    let rodata = open.rodata().unwrap();
    // Set before, by the option, set before; the value of the document; `cmdarg.default`.
    let values = (rodata.u8.get().unwrap(), rodata.u16.get().unwrap(), rodata.i32.get().unwrap());
    assert_eq!(
        (values, rodata.i64.get().unwrap(), rodata.u32.get().unwrap()),
        ((7, 10, 9), -7, 0xffff_fff0)
    );

    let mut open = eunomia_runtime::Skeleton::parse(&eunomia_tests::fixture("args"), "args")
        .unwrap()
        .open()
        .unwrap();
    for (variable, value) in [("u8", "7"), ("u16", "8"), ("i32", "9")] {
        open.set(variable, value).unwrap();
    }
    let matches = open.command().unwrap().get_matches_from(["prog", "--u16", "10"]);
    let mut open = open.args(&matches).unwrap();
    assert_eq!(
        ["u8", "u16", "i32", "i64", "u32"].map(|name| open.get(name).unwrap()),
        ["7", "10", "9", "-7", "4294967280"]
    );
}
