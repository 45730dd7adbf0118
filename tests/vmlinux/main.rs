//! The structs and unions of the running kernel: each is generated and compiled, and the assertions
//! on its size, alignment and offsets hold.
//!
//! `TYPES` is the number of types, evenly spread (default 300), or `all`. If the kernel has no BTF,
//! the test is reported as ignored.

use std::{env, fmt::Write as _, fs, process::ExitCode, time::Instant};

use eunomia_build::{definitions, format};
use eunomia_runtime::object::{Kind, Layouts, TypeId};
use eunomia_tests::crates::Crate;
use libtest_mimic::{Arguments, Failed, Trial};

const BTF: &str = "/sys/kernel/btf/vmlinux";

/// The number of types in a crate, not counting those inside them; small enough for several crates,
/// which compile in parallel.
const CHUNK: usize = 150;

fn main() -> ExitCode {
    let found = fs::exists(BTF).unwrap_or(false);
    if !found {
        println!("{BTF} does not exist: this kernel was built without BTF");
    }
    let trial = Trial::test("types_of_the_kernel", types_of_the_kernel).with_ignored_flag(!found);
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn types_of_the_kernel() -> Result<(), Failed> {
    let bytes = fs::read(BTF)?;
    let start = Instant::now();
    let layouts = Layouts::from_btf(&bytes)?;
    println!("{} KiB of BTF read in {:.2?}", bytes.len() / 1024, start.elapsed());
    let records = layouts.btf.iter().filter(|(_, ty)| {
        matches!(ty.kind, Kind::Struct { .. } | Kind::Union { .. }) && !ty.name.is_empty()
    });
    let records: Vec<TypeId> = records.map(|(id, _)| id).collect();
    let count = match env::var("TYPES").as_deref() {
        Ok("all") => records.len(),
        Ok(count) => count.parse::<usize>()?.min(records.len()),
        Err(_) => records.len().min(300),
    };
    assert!(count > 0, "the kernel has structs");
    let taken: Vec<TypeId> = (0..count)
        .filter_map(|index| records.get(index * records.len() / count))
        .copied()
        .collect();

    let package = Crate::new(env!("CARGO_TARGET_TMPDIR"), "vmlinux", &[]);
    let start = Instant::now();
    let modules: Vec<_> = taken
        .chunks(CHUNK)
        .map(|ids| definitions(&layouts, ids.iter().copied()))
        .collect::<Result<_, _>>()?;
    let spent = start.elapsed();
    println!(
        "{count} of {} named structs and unions generated in {spent:.2?}, {:.2?} each",
        records.len(),
        spent / count as u32
    );
    let mut defined = 0;
    for (index, module) in modules.into_iter().enumerate() {
        let mut text =
            "//! Types of the kernel.\n#![deny(warnings, missing_docs)]\n#![forbid(unsafe_code)]\n"
                .to_owned();
        // The lints that a generated module allows.
        writeln!(
            text,
            "#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals, unreachable_pub)]"
        )?;
        let module = format(module)?;
        defined += module.matches("impl ::eunomia_runtime::sample::Event for ").count();
        package.library(&format!("vmlinux_{index}"), &(text + &module));
    }
    let start = Instant::now();
    package.build()?;
    println!(
        "{defined} definitions, with the types inside them, compiled in {:.2?}",
        start.elapsed()
    );
    Ok(())
}
