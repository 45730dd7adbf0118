//! Programs on functions and offsets of programs and libraries.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{self, Command},
};

use eunomia_runtime::bpf::{
    Functions, ProbePoint, Program,
    kind::{Uprobe, UprobeMulti, Usdt},
};

use crate::{
    Outcome,
    row::{Row, row, unknown},
    way::Loaded,
};

pub(crate) const ROWS: &[Row] = &[
    row!("uprobe (function)", uprobe, here),
    row!("uprobe (offset)", uprobe, offset),
    row!("uprobe (library)", uprobe, library),
    row!(
        "uprobe (static program)",
        uprobe,
        (|program: Program<'_, Uprobe>, skel: &Loaded| elsewhere(program, skel, STATIC))
    ),
    row!(
        "uprobe (static-pie program)",
        uprobe,
        (|program: Program<'_, Uprobe>, skel: &Loaded| elsewhere(program, skel, STATIC_PIE))
    ),
    row!(
        "uprobe (position-independent program)",
        uprobe,
        (|program: Program<'_, Uprobe>, skel: &Loaded| elsewhere(program, skel, PIE))
    ),
    row!(
        "uprobe (program at a fixed address)",
        uprobe,
        (|program: Program<'_, Uprobe>, skel: &Loaded| elsewhere(program, skel, NO_PIE))
    ),
    row!("uprobe.s", uprobe_sleepable, here).lacking(&[unknown((6, 0), "came with Linux 6.0")]),
    row!("uretprobe (function)", uretprobe, here),
    row!("uretprobe (library)", uretprobe, library),
    row!(
        "uretprobe (static program)",
        uretprobe,
        (|program: Program<'_, Uprobe>, skel: &Loaded| elsewhere(program, skel, STATIC))
    ),
    row!("uprobe.multi", uprobe_multi, multi).lacking(&[unknown((6, 6), "came with Linux 6.6")]),
    row!("uretprobe.multi", uretprobe_multi, multi)
        .lacking(&[unknown((6, 6), "came with Linux 6.6")]),
    row!("uprobe.session", uprobe_session, multi)
        .lacking(&[unknown((6, 13), "came with Linux 6.13")]),
    row!("usdt", usdt, probe),
];

// Built from `probed.c` by the build script.
const STATIC: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probed-static"));
const STATIC_PIE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probed-static-pie"));
const PIE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probed-pie"));
const NO_PIE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probed-no-pie"));

const SELF: &str = "/proc/self/exe";

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eunomia_every_probed(number: u64) -> u64 {
    std::hint::black_box(number)
}

fn call() -> Outcome {
    eunomia_every_probed(1);
    Ok(())
}

fn here(program: Program<'_, Uprobe>, skel: &Loaded) -> Outcome {
    let place = ProbePoint::Function("eunomia_every_probed");
    skel.while_there(program.attach_to(SELF, &place, Some(process::id()), 0)?, call)
}

fn offset(program: Program<'_, Uprobe>, skel: &Loaded) -> Outcome {
    let address = eunomia_every_probed as *const () as usize;
    // `start-end permissions offset device inode path`
    let maps = fs::read_to_string("/proc/self/maps")?;
    let found = maps.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let [start, end, offset] =
            [start, end, words.nth(1)?].map(|hex| usize::from_str_radix(hex, 16));
        let (start, end, offset) = (start.ok()?, end.ok()?, offset.ok()?);
        (start..end).contains(&address).then(|| address - start + offset)
    });
    let place = ProbePoint::Offset(found.ok_or("the function is in no mapping")?);
    skel.while_there(program.attach_to(SELF, &place, Some(process::id()), 0)?, call)
}

fn library(program: Program<'_, Uprobe>, skel: &Loaded) -> Outcome {
    let link =
        program.attach_to("libc.so.6", &ProbePoint::Function("getpgid"), Some(process::id()), 0)?;
    skel.while_there(link, || {
        // SAFETY: the call takes no pointers.
        let group = unsafe { libc::getpgid(0) };
        if group < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(()) }
    })
}

/// Attaches to a program file, then starts the program.
fn elsewhere(program: Program<'_, Uprobe>, skel: &Loaded, file: &[u8]) -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("probed");
    fs::write(&path, file)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    let link = program.attach_to(&path, &ProbePoint::Function("eunomia_probed"), None, 0)?;
    skel.while_there(link, || match Command::new(&path).status()? {
        status if status.code() == Some(7) => Ok(()),
        status => Err(format!("{status}, expected exit code 7").into()),
    })
}

fn multi(program: Program<'_, UprobeMulti>, skel: &Loaded) -> Outcome {
    let link =
        program.attach_to(SELF, Functions::Matching("eunomia_every_p*"), Some(process::id()))?;
    skel.while_there(link, call)
}

fn probe(program: Program<'_, Usdt>, skel: &Loaded) -> Outcome {
    skel.while_there(program.attach_to(SELF, "eunomia", "passed", Some(process::id()), 0)?, || {
        probe::probe!(eunomia, passed);
        Ok(())
    })
}
