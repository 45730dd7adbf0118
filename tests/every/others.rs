//! Iterators, programs of type `syscall`, programs that run from other programs (`freplace`, tail
//! calls), and struct_ops maps.

use std::io::Read as _;

use eunomia_runtime::bpf::{FdMap, HashMap, Program, StructOps, kind::Iter};

use crate::{
    Outcome,
    host::connect_under,
    row::{Lacking, Row, row, unknown},
    way::{Loaded, Skel, Way},
};

pub(crate) const ROWS: &[Row] = &[
    row!("iter/task", iter_task, walk),
    row!("iter.s/task", iter_sleepable, walk).lacking(&[unknown((5, 18), "came with Linux 5.18")]),
    row!("iter/bpf_map_elem", iter_map, walk_map).in_machines(),
    Row::new("syscall", &["syscall"], call).lacking(&[unknown((5, 14), "came with Linux 5.14")]),
    Row::new("freplace", &["freplace"], replace).in_machines(),
    Row::new("tail calls", &["caller", "callee"], jump),
    Row::new(
        "struct_ops (congestion control)",
        &["ssthresh", "cong_avoid", "undo_cwnd", "congestion"],
        |way| congestion(way, "congestion", "eunomia_every", false),
    ),
    Row::new(
        "struct_ops.link (congestion control)",
        &["ssthresh", "cong_avoid", "undo_cwnd", "congestion_link"],
        |way| congestion(way, "congestion_link", "eunomia_linked", true),
    )
    .lacking(&[unknown((6, 4), "came with Linux 6.4")]),
    Row::new("struct_ops.link (sched_ext)", &["stopping", "scheduler"], schedule)
        .in_machines()
        .lacking(&[
            Lacking { before: (6, 12), says: NO_SUCH, why: "came with Linux 6.12" },
            Lacking { before: (7, 0), says: NO_SUCH, why: "CONFIG_SCHED_CLASS_EXT" },
        ]),
];

/// The error of libbpf if it finds no BTF type for the struct_ops map.
const NO_SUCH: &str = "No such process (os error 3)";

const CONGESTION: &[&str] = &["ssthresh", "cong_avoid", "undo_cwnd"];

fn walk(program: Program<'_, Iter>, skel: &Loaded) -> Outcome {
    program.walk()?.read_to_string(&mut String::new())?;
    skel.seen()?;
    skel.quiet()
}

fn walk_map(program: Program<'_, Iter>, skel: &Loaded) -> Outcome {
    let table: HashMap<'_, i32, i64> = skel.map("table")?;
    table.insert(&1, &1)?;
    program.walk_map(table.as_map())?.read_to_string(&mut String::new())?;
    skel.seen()?;
    skel.quiet()
}

fn call(way: Way) -> Outcome {
    let skel = way.load(&["syscall"])?;
    let result = match &skel.skel {
        Skel::Typed(skel) => skel.progs()?.syscall.test_run(None, None)?,
        Skel::Dynamic(skel) => skel.object().program("syscall")?.test_run(None, None)?,
    };
    skel.seen()?;
    if result.return_value == 0 { Ok(()) } else { Err(format!("{result:?}").into()) }
}

/// Runs a program with a packet and returns its return value.
fn verdict(skel: &Loaded, program: &str) -> eunomia_runtime::Result<u32> {
    Ok(skel.object().program(program)?.test_run(None, Some(&[0; 64]))?.return_value)
}

fn replace(way: Way) -> Outcome {
    let whole = way.load(&["whole"])?;
    let target = whole.object().program("whole")?;
    let fd = target.fd()?;
    let skel = way.load_with(&["freplace"], |open| {
        open.program("freplace")?.set_attach_target("replaceable", Some(fd))
    })?;
    let link = match &skel.skel {
        Skel::Typed(skel) => skel.progs()?.freplace.attach()?,
        Skel::Dynamic(skel) => skel.object().program("freplace")?.attach()?,
    };
    skel.while_there(link, || verdict(&whole, "whole").map(drop).map_err(Into::into))
}

fn jump(way: Way) -> Outcome {
    let skel = way.load(&["caller", "callee"])?;
    let run = || verdict(&skel, "caller");
    let jumps: FdMap<'_, [u8; 4]> = skel.map("jumps")?;
    jumps.insert(&[0; 4], skel.object().program("callee")?.fd()?)?;
    let there = run()?;
    skel.seen()?;
    jumps.remove(&[0; 4])?;
    let gone = run()?;
    skel.quiet()?;
    if (there, gone) == (2, 1) {
        Ok(())
    } else {
        Err(format!("returned {there} with the tail call, {gone} without").into())
    }
}

/// Loads the programs with a struct_ops map, which is not created by default.
fn with_table(way: Way, programs: &[&str], table: &str) -> eunomia_runtime::Result<Loaded> {
    way.load_with(programs, |open| open.set_autocreate(table, true))
}

fn table<'a>(skel: &'a Loaded, name: &str) -> eunomia_runtime::Result<StructOps<'a>> {
    skel.object().struct_ops(name)
}

fn congestion(way: Way, map: &str, control: &str, again: bool) -> Outcome {
    let skel = with_table(way, CONGESTION, map)?;
    let link = table(&skel, map)?.attach()?;
    connect_under(control)?;
    skel.seen()?;
    drop(link);
    if connect_under(control).is_ok() {
        return Err("it is still registered after the link was dropped".into());
    }
    if again { Ok(table(&skel, map)?.attach().map(drop)?) } else { Ok(()) }
}

fn schedule(way: Way) -> Outcome {
    let skel = with_table(way, &["stopping"], "scheduler")?;
    let link = table(&skel, "scheduler")?.attach()?;
    skel.while_there(link, || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        Ok(())
    })
}
