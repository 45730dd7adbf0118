//! Command line options of a skeleton, typed and dynamic, that set variables of a loaded program.

use eunomia_runtime::{Skeleton, bpf::Loaded};
use eunomia_tests::{built::args, fixture};

use super::Outcome;

/// An argument for each kind of variable, in all three sections.
const LINE: [&str; 19] = [
    "prog",
    "--u8",
    "255",
    "--i16=-1000",
    "-1",
    "20",
    "-u4000000000",
    "--u128",
    "0x10",
    "--enable-off",
    "-s",
    "--log-level",
    "LOW",
    "--comm",
    "zsh",
    "--in-data",
    "-2",
    "--in_bss",
    "5000000000",
];

/// The sum that the program computes: the arguments, and the defaults of the variables without one.
fn sum() -> u64 {
    let arguments: i64 = 255 - 1000 + 20 + 4_000_000_000 + 0x10 + 1 - 5 - 2 + 5_000_000_000;
    // The defaults of i8, u16, i64, u64, i128, nameless and match.
    let defaults = -8 + 16 - 7 + 64 - 128 + 3 + 1;
    (arguments + defaults).cast_unsigned()
}

fn run(loaded: &Loaded) -> eunomia_runtime::Result<()> {
    loaded.program("add")?.test_run(None, None).map(drop)
}

pub(crate) fn typed_arguments_reach_program() -> Outcome {
    let args = args::Args::try_parse_from(LINE)?;
    let skel = args::open()?.args(&args)?.load()?;
    run(skel.object())?;
    let rodata = skel.rodata()?;
    assert_eq!(
        (rodata.comm.get()?.as_str(), rodata.raw.get()?.raw()),
        (Ok("zsh"), &[0xff, 0, b'x', 0])
    );
    assert_eq!(
        (rodata.f32.get()?, rodata.f64.get()?, rodata.endless.get()?),
        (1.5, -0.25, f64::INFINITY)
    );
    assert_eq!(
        (rodata.off.get()?, rodata.on.get()?, rodata.quiet.get()?),
        (true.into(), false.into(), false.into())
    );
    assert_eq!((skel.bss()?.sum.get()?, skel.bss()?.first.get()?), (sum(), b'z'.cast_signed()));
    Ok(())
}

pub(crate) fn dynamic_arguments_reach_program() -> Outcome {
    let open = Skeleton::parse(&fixture("args"), "args")?.open()?;
    let matches = open.command()?.try_get_matches_from(LINE)?;
    let skel = open.args(&matches)?.load()?;
    run(skel.object())?;
    for (variable, value) in
        [("comm", "zsh"), ("f64", "-0.25"), ("on", "false"), ("level", "LOW(-5)"), ("first", "122")]
    {
        assert_eq!(skel.get(variable)?, value);
    }
    assert_eq!(skel.get("sum")?, sum().to_string());
    Ok(())
}

/// A value of another length would overwrite the next variable.
pub(crate) fn matches_of_other_skeleton_are_refused() -> Outcome {
    let open = Skeleton::parse(&fixture("args"), "args")?.open()?;
    let foreign = eunomia_runtime::args::Command::new("other")
        .arg(eunomia_runtime::args::Arg::new("u8", eunomia_runtime::args::Scalar::Unsigned(8)))
        .to_clap();
    let matches = foreign.try_get_matches_from(["other", "--u8", "1"])?;
    let error = open.args(&matches).unwrap_err().to_string();
    assert_eq!(
        error,
        "variable `u8`: the matches have 8 bytes for it, so they come from the command of another skeleton"
    );
    Ok(())
}
