//! Programs of every type: each is loaded, attached, made to run, seen and detached, by the generated module (`typed`) and as a skeleton that
//! is known only now (`dynamic`). What a kernel lacks is tried as well: it must be refused for the reason that the row gives, and that is what
//! the test is reported as ignored for.
//!
//! `cargo eunomia matrix -p eunomia-tests --test every` prints the table of `docs/program-types.md`.

mod cgroups;
mod kernel;
mod netlink;
mod network;
mod others;
mod row;
mod scene;
mod sockets;
mod user;
mod way;

use std::{fs, process::ExitCode};

use eunomia_runtime::{Skeleton, bpf::Preflight, doctor::Doctor, object::Checked};
use eunomia_vm::{Kernel, Run};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use row::Row;
use way::Way;

/// How a row ended.
type Ran = Result<(), Box<dyn std::error::Error + Send + Sync>>;

const ROWS: [&[Row]; 6] = [kernel::ROWS, user::ROWS, network::ROWS, sockets::ROWS, cgroups::ROWS, others::ROWS];

fn main() -> ExitCode {
    match Kernel::requested() {
        Ok(kernels) if kernels.is_empty() => here(),
        Ok(kernels) => Run::this().and_then(|run| run.on(&kernels)).map_or_else(not_run, ExitCode::from),
        Err(error) => not_run(error),
    }
}

fn not_run(error: eunomia_vm::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(125)
}

fn here() -> ExitCode {
    let preflight = eunomia_runtime::preflight();
    let permitted = preflight.ok();
    if !permitted {
        print!("programs are not tried, this process cannot use BPF:\n{preflight}");
    }
    let mut arguments = Arguments::from_args();
    // They meet each other's processes, sockets and cgroups.
    arguments.test_threads = Some(1);
    let rows = ROWS.into_iter().flatten();
    let trials = rows.flat_map(|row| [(row, Way::Typed, "typed"), (row, Way::Dynamic, "dynamic")]);
    let trials = trials.map(|(row, way, called)| Trial::ignorable_test(format!("{}: {called}", row.name), move || judge(row, way)));
    libtest_mimic::run(&arguments, trials.map(|trial| trial.with_ignored_flag(!permitted)).collect()).exit_code()
}

/// Tries a row and holds what happens against what it says of this kernel.
fn judge(row: &Row, way: Way) -> Result<Completion, Failed> {
    if row.in_machines && eunomia_vm::kernel().is_none() {
        return Ok(Completion::ignored_with("it is tried in virtual machines alone"));
    }
    let version = version()?;
    let lacking = row.lacking.iter().find(|(before, _)| version < *before).map(|(_, what)| *what);
    let ran = (row.scene)(&|| (row.run)(way));
    let predicted = predict(row);
    match (ran, lacking) {
        (Ok(()), None) if predicted.ok() => Ok(Completion::Completed),
        (Ok(()), None) => Err(format!("it works, and the doctor says that it does not:\n{predicted}").into()),
        (Ok(()), Some(what)) => Err(format!("it works, though this kernel is said to lack it: {what}").into()),
        (Err(error), None) => Err(error.to_string().into()),
        (Err(error), Some(what)) => match (error.to_string(), predicted.to_string()) {
            (text, _) if !text.contains(what) => Err(format!("it is refused, but not because: {what}\n{text}").into()),
            (_, text) if predicted.ok() || !text.contains(what) => Err(format!("the doctor does not say that: {what}\n{text}").into()),
            _ => Ok(Completion::ignored_with(what)),
        },
    }
}

thread_local! {
    /// It reads the kernel's types once for all rows.
    static DOCTOR: (Doctor, Checked) = {
        let skeleton = Skeleton::parse(way::DOCUMENT, "every").expect("it is a fixture");
        (Doctor::new(None), skeleton.check("every").expect("it is a fixture"))
    };
}

/// What the doctor says of the programs of a row, before anyone tries.
fn predict(row: &Row) -> Preflight {
    DOCTOR.with(|(doctor, checked)| doctor.examine_only(checked, row.programs))
}

/// The first two numbers of this kernel's version.
fn version() -> Result<(u32, u32), Failed> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map_while(|digits| digits.parse().ok());
    numbers.next().zip(numbers.next()).ok_or_else(|| format!("no version: {release}").into())
}
