//! Programs of every type. Each is loaded, attached, triggered, observed and detached, first
//! through the generated module and then as a skeleton that is known only at run time. The doctor
//! predicts the result first. Types that the kernel lacks are tried too: the kernel must refuse
//! them for the reason that the row gives, and the test is reported as ignored for that reason.
//!
//! `make types` writes the table, `docs/program-types.md`.

mod cgroups;
#[path = "../live/host.rs"]
mod host;
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

use eunomia_runtime::{Skeleton, bpf::Preflight, checked::Checked, doctor::Doctor};
use eunomia_vm::{Kernel, Run};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use row::{Lacking, NOTHING, Row};
use way::Way;

/// The result of a row.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

const ROWS: [&[Row]; 6] =
    [kernel::ROWS, user::ROWS, network::ROWS, sockets::ROWS, cgroups::ROWS, others::ROWS];

fn main() -> ExitCode {
    match Kernel::requested() {
        Ok(kernels) if kernels.is_empty() => here(),
        Ok(kernels) => {
            Run::this().and_then(|run| run.on(&kernels)).map_or_else(not_run, ExitCode::from)
        }
        Err(error) => not_run(error),
    }
}

fn not_run(error: eunomia_vm::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(125)
}

fn here() -> ExitCode {
    let preflight = eunomia_runtime::preflight();
    // In a virtual machine the tests always run: otherwise one failed check of the preflight, which
    // a test may be about, would skip all of them.
    let permitted = preflight.ok() || eunomia_vm::kernel().is_some();
    if !permitted {
        print!("program types are skipped, this process cannot use BPF:\n{preflight}");
    }
    let mut arguments = Arguments::from_args();
    // Rows affect each other's processes, sockets and cgroups, so they run one at a time.
    arguments.test_threads = Some(1);
    // Virtual machines have no copy of the table; their results become it.
    let is_current = || Trial::test("the table has these rows", the_table_has_these_rows);
    let is_current = eunomia_vm::kernel().is_none().then(is_current);
    let trials = ROWS.into_iter().flatten().map(|row| {
        Trial::ignorable_test(row.name, move || judge(row)).with_ignored_flag(!permitted)
    });
    libtest_mimic::run(&arguments, trials.chain(is_current).collect()).exit_code()
}

/// Checks that `make types` was run after the last row was added.
fn the_table_has_these_rows() -> Result<(), Failed> {
    let table =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/program-types.md"))?;
    let named = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name));
    let named: Vec<_> = named.collect();
    let rows: Vec<_> = ROWS.into_iter().flatten().map(|row| row.name).collect();
    if named == rows {
        Ok(())
    } else {
        Err(format!("the table has {named:?}; run `make types`").into())
    }
}

/// Tries a row and compares the result with what the row declares for this kernel.
fn judge(row: &Row) -> Result<Completion, Failed> {
    if row.in_machines && eunomia_vm::kernel().is_none() {
        return Ok(Completion::ignored_with("runs only in virtual machines"));
    }
    let (_, version) = host::release()?;
    let lacking = row.lacking.iter().find(|lacking| version < lacking.before);
    let predicted = predict(row);
    for way in [Way::Typed, Way::Dynamic] {
        let ran = (row.scene)(&|| (row.run)(way)).map_err(|error| error.to_string());
        hold(ran, lacking, &predicted).map_err(|why| format!("{way:?}: {why}"))?;
    }
    Ok(lacking.map_or(Completion::Completed, |lacking| Completion::ignored_with(lacking.why)))
}

/// Checks that a row ended as it declares and as the doctor predicted. The error says what differs.
fn hold(
    ran: Result<(), String>,
    lacking: Option<&Lacking>,
    predicted: &Preflight,
) -> Result<(), String> {
    let Some(Lacking { says, why, .. }) = lacking else {
        ran?;
        return if predicted.ok() {
            Ok(())
        } else {
            Err(format!("it works, but the doctor predicts a failure:\n{predicted}"))
        };
    };
    match ran.err() {
        None => Err(format!("it works, but the row declares that this kernel lacks it: {why}")),
        Some(text) if !text.contains(says) => {
            Err(format!("expected the error: {says}\nfound: {text}"))
        }
        // If the kernel accepts a program and never runs it, no reason is reported.
        Some(text) if *says != NOTHING && !text.contains(why) => {
            Err(format!("expected the reason: {why}\nfound: {text}"))
        }
        Some(_) if predicted.ok() || !predicted.to_string().contains(why) => {
            Err(format!("the doctor does not predict: {why}\n{predicted}"))
        }
        Some(_) => Ok(()),
    }
}

thread_local! {
    /// Shared by all rows, so that the kernel's BTF is read once.
    static DOCTOR: (Doctor, Checked) = {
        let skeleton = Skeleton::parse(way::DOCUMENT, "every").expect("it is a fixture");
        (Doctor::new(None), skeleton.check().expect("it is a fixture"))
    };
}

/// The doctor's prediction for the programs of a row.
fn predict(row: &Row) -> Preflight {
    DOCTOR.with(|(doctor, checked)| doctor.examine_only(checked, row.programs))
}
