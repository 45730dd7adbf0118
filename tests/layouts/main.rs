//! Random C structs: the generated Rust has the layout that clang reports, and reads the values
//! that clang wrote.
//!
//! `CASES` (default 200) structs come from the seeds `SEED` (default 1), `SEED + 1` and so on;
//! `SEED=n CASES=1` runs a single case. A case that fails is printed as C, with its seed.

mod c;
mod case;
mod compare;
mod leaves;
mod model;
mod object;
mod random;
mod read;
mod rust;
mod write;

use std::{
    env,
    fmt::{self, Write as _},
    fs,
};

use case::Case;
use compare::compare;
use eunomia_build::{Embed, Skeleton, format, tokens};
use eunomia_runtime::error::Diagnostics;
use eunomia_tests::crates::Crate;
use object::Object;

/// The number of cases in a program. rustc compiles a program on one core, so several programs are
/// faster than one.
const PROGRAM: usize = 50;

#[test]
fn random_structs_agree_with_clang() {
    let number = |name: &str, default: u64| {
        env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (count, first) = (number("CASES", 200), number("SEED", 1));
    let cases: Vec<Case> = (first..first + count).map(Case::new).collect();
    let package = Crate::new(env!("CARGO_TARGET_TMPDIR"), "layouts", &["columns"]);
    for case in &cases {
        package.write(&format!("src/{}.bpf.c", name(case)), c::source(case));
    }
    let sources: Vec<String> = cases.iter().map(|case| format!("{}.bpf.c", name(case))).collect();
    object::compile(&package.path("src"), &sources);

    let mut failures = Failures::default();
    let mut generated = Vec::new();
    for case in &cases {
        match generate(case, &package) {
            Ok(object) => generated.push((case, object)),
            Err(faults) => failures.add(case, &faults.to_string()),
        }
    }
    package.write("src/report.rs", rust::REPORT);
    let programs: Vec<_> = generated
        .chunks(PROGRAM)
        .enumerate()
        .map(|(index, cases)| (format!("layouts_{index}"), cases))
        .collect();
    for (program, cases) in &programs {
        package.write(&format!("src/bin/{program}.rs"), main_file(cases));
    }
    if let Err(error) = package.build() {
        let broken = |case: &Case| {
            ["", "_case"].iter().any(|file| error.contains(&format!("/{}{file}.rs:", name(case))))
        };
        generated
            .iter()
            .filter(|(case, _)| broken(case))
            .for_each(|(case, _)| failures.add(case, "does not compile, see below"));
        panic!("{failures}{error}");
    }
    for (program, cases) in &programs {
        let reports = package.run(program);
        assert_eq!(reports.lines().count(), cases.len());
        for ((case, object), report) in cases.iter().zip(reports.lines()) {
            if let Err(what) = compare(case, object, report) {
                failures.add(case, &what);
            }
        }
    }
    assert!(failures.0.is_empty(), "{failures}");
}

fn name(case: &Case) -> String {
    format!("case_{}", case.seed)
}

/// Writes the module of a case and the files that it includes.
fn generate(case: &Case, package: &Crate) -> Result<Object, Diagnostics> {
    let name = name(case);
    let object = Object::read(fs::read(package.path(&format!("src/{name}.bpf.o"))).unwrap());
    let skeleton = Skeleton::from_object(name.clone(), object.file.clone(), &name)?;
    let module = format(tokens(skeleton, &name, &Embed::File(format!("{name}.bpf.o")))?).unwrap();
    package.write(&format!("src/{name}.value"), &object.value);
    package.write(&format!("src/{name}_case.rs"), rust::Generated(&module).module(case, &name));
    package.write(&format!("src/{name}.rs"), module);
    Ok(object)
}

/// Returns a program that prints a line for each case.
fn main_file(cases: &[(&Case, Object)]) -> String {
    let mut text =
        "#![forbid(unsafe_code)]\n#![deny(warnings)]\n#[path = \"../report.rs\"]\nmod report;\n"
            .to_owned();
    for (case, _) in cases {
        writeln!(text, "include!(\"../{}_case.rs\");", name(case)).unwrap();
    }
    text.push_str("fn main() {\n");
    for (case, _) in cases {
        writeln!(text, "    {}_case::report().print();", name(case)).unwrap();
    }
    text.push_str("}\n");
    text
}

/// Descriptions of the cases that failed.
#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn add(&mut self, case: &Case, what: &str) {
        self.0.push(format!("{what}\n{}", c::declarations(case)));
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} cases failed; the first ones:", self.0.len())?;
        self.0.iter().take(3).try_for_each(|failure| writeln!(f, "\n{failure}"))
    }
}
