//! Programs of every type: each is loaded, attached, made to run, seen and detached, by the generated module and then as a skeleton that is
//! known only now, and the doctor has said before what would happen. What a kernel lacks is tried as well: it must be refused for the reason
//! that the row gives, which the test is then reported as ignored for.
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

/// How a row ended.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

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
    // A machine permits it: there all tests would be left out because of what one of them tests.
    let permitted = preflight.ok() || eunomia_vm::kernel().is_some();
    if !permitted {
        print!("programs are not tried, this process cannot use BPF:\n{preflight}");
    }
    let mut arguments = Arguments::from_args();
    // They meet each other's processes, sockets and cgroups.
    arguments.test_threads = Some(1);
    // The machines, whose results become the table, have no table.
    let is_current = || Trial::test("the table has these rows", the_table_has_these_rows);
    let is_current = eunomia_vm::kernel().is_none().then(is_current);
    let trials = ROWS.into_iter().flatten().map(|row| Trial::ignorable_test(row.name, move || judge(row)).with_ignored_flag(!permitted));
    libtest_mimic::run(&arguments, trials.chain(is_current).collect()).exit_code()
}

/// `make types` has been run since a row was added.
fn the_table_has_these_rows() -> Result<(), Failed> {
    let table = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/program-types.md"))?;
    let named = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name));
    let named: Vec<_> = named.collect();
    let rows: Vec<_> = ROWS.into_iter().flatten().map(|row| row.name).collect();
    if named == rows { Ok(()) } else { Err(format!("`make types` writes it anew: it has {named:?}").into()) }
}

/// Tries a row and holds what happens against what it says of this kernel.
fn judge(row: &Row) -> Result<Completion, Failed> {
    if row.in_machines && eunomia_vm::kernel().is_none() {
        return Ok(Completion::ignored_with("it is tried in virtual machines alone"));
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

/// Whether a row ended as it says, and as the doctor said; else what is wrong.
fn hold(ran: Result<(), String>, lacking: Option<&Lacking>, predicted: &Preflight) -> Result<(), String> {
    let Some(Lacking { says, why, .. }) = lacking else {
        ran?;
        return if predicted.ok() { Ok(()) } else { Err(format!("it works, and the doctor says that it does not:\n{predicted}")) };
    };
    match ran.err() {
        None => Err(format!("it works, though this kernel is said to lack it: {why}")),
        Some(text) if !text.contains(says) => Err(format!("it fails, but not by: {says}\n{text}")),
        // What only does not run is not refused.
        Some(text) if *says != NOTHING && !text.contains(why) => Err(format!("it is refused, but not because: {why}\n{text}")),
        Some(_) if predicted.ok() || !predicted.to_string().contains(why) => {
            Err(format!("the doctor does not say that: {why}\n{predicted}"))
        }
        Some(_) => Ok(()),
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
