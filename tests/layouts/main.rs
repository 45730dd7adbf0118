//! Random C structs: what the generated Rust says of their layout and reads from their bytes is what clang says and wrote.
//!
//! `CASES` (default 300) structs come from the seeds `SEED` (default 1), `SEED + 1` and so on; `SEED=n CASES=1` is one case alone. A case
//! that fails is printed as C, with its seed.

mod c;
mod case;
mod model;
mod object;
mod random;
mod rust;

use std::{collections::BTreeMap, env, fmt::Write as _, fs};

use c::{Probe, probes};
use case::{Case, Feature};
use eunomia_build::{Embed, format, tokens};
use eunomia_runtime::{Skeleton, object::TypeId, value::Value};
use eunomia_tests::crates::Crate;
use object::Object;

/// What the generator refuses for now. One that does not come any more must leave the list.
const REFUSED: &[&str] = &[
    "unions are not supported yet",
    "bit fields are not supported yet",
    "packed structs are not supported yet",
    "anonymous structs and unions as members are not supported yet",
    "structs without a name are not supported yet",
    "flexible and empty arrays are not supported yet",
    "arrays of nothing are not supported",
];

/// Cases in one program: rustc takes a program to a core, so that several are faster than one.
const PROGRAM: usize = 50;

#[test]
fn random_structs() {
    let number = |name: &str, default: u64| env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (count, first) = (number("CASES", 300), number("SEED", 1));
    let cases: Vec<Case> = (first..first + count).map(Case::new).collect();
    let written = Crate::new(env!("CARGO_TARGET_TMPDIR"), "layouts", &[]);
    let name = |case: &Case| format!("case_{}", case.seed);
    for case in &cases {
        written.write(&format!("src/{}.bpf.c", name(case)), c::source(case));
    }
    let sources: Vec<String> = cases.iter().map(|case| format!("{}.bpf.c", name(case))).collect();
    object::compile(&written.path("src"), &sources);

    let mut failures = Failures::default();
    let mut refused: BTreeMap<&str, u32> = BTreeMap::new();
    let mut read = Vec::new();
    for case in &cases {
        let name = name(case);
        let object = fs::read(written.path(&format!("src/{name}.bpf.o"))).unwrap();
        let skeleton = Skeleton::from_object(name.clone(), object.clone(), &name);
        match skeleton.and_then(|skeleton| tokens(skeleton, &name, &name, &Embed::File(format!("{name}.bpf.o")))) {
            Ok(module) => {
                let (object, module) = (Object::read(&object), format(module).unwrap());
                written.write(&format!("src/{name}.value"), &object.value);
                written.write(&format!("src/{name}_case.rs"), rust::reader(case, &name, &module));
                written.write(&format!("src/{name}.rs"), module);
                read.push((case, name, object));
            }
            Err(error) => match REFUSED.iter().find(|reason| error.to_string().contains(*reason)) {
                Some(reason) => *refused.entry(reason).or_default() += 1,
                None => failures.add(case, &error.to_string()),
            },
        }
    }
    written.write("src/reading.rs", rust::READING);
    for (index, cases) in read.chunks(PROGRAM).enumerate() {
        let mut program = "#![forbid(unsafe_code)]\n#![deny(warnings)]\n#[path = \"../reading.rs\"]\nmod reading;\n".to_owned();
        for (_, name, _) in cases {
            writeln!(program, "include!(\"../{name}_case.rs\");").unwrap();
        }
        program.push_str("fn main() {\n");
        for (_, name, _) in cases {
            writeln!(program, "    {name}_case::report().print(\"{name}\");").unwrap();
        }
        program.push_str("}\n");
        written.write(&format!("src/bin/layouts_{index}.rs"), program);
    }
    let programs = read.len().div_ceil(PROGRAM);
    if let Err(error) = written.build() {
        let broken =
            read.iter().filter(|(_, name, _)| error.contains(&format!("{name}.rs:")) || error.contains(&format!("{name}_case.rs:")));
        for (case, ..) in broken {
            failures.add(case, "does not compile, see below");
        }
        panic!("{failures}{error}");
    }
    let reports: String = (0..programs).map(|index| written.run(&format!("layouts_{index}"))).collect();
    assert_eq!(reports.lines().count(), read.len());
    for ((case, name, object), report) in read.iter().zip(reports.lines()) {
        if let Err(what) = compare(case, object, report, &written.path(&format!("src/{name}.bpf.o"))) {
            failures.add(case, &what);
        }
    }

    println!("{} cases: {} compared, refused {refused:?}", cases.len(), read.len());
    assert!(failures.0.is_empty(), "{failures}");
    // A few cases do not meet all of it.
    if count >= 300 {
        let gone: Vec<_> = REFUSED.iter().filter(|reason| !refused.contains_key(*reason)).collect();
        assert!(gone.is_empty(), "not refused any more, take it out of the list: {gone:?}");
    }
}

/// Holds the line that the program printed against C.
fn compare(case: &Case, object: &Object, report: &str, path: &std::path::Path) -> Result<(), String> {
    let [_, layout, leaves, line] = report.splitn(4, '|').collect::<Vec<_>>()[..] else { return Err(format!("printed {report}")) };
    let probes = probes(case);
    assert_eq!(probes.len(), object.probes.len());
    for ((probe, expected), found) in probes.iter().zip(&object.probes).zip(layout.split(' ')) {
        let found = found.parse().unwrap_or(*expected);
        // BTF does not say how a type is aligned, only where it stands. What can be known is that it is no more than C gives, if
        // there is nothing that makes C give less.
        let hidden = case.has(Feature::Packed) || case.has(Feature::Pack) || case.has(Feature::UnusedBits);
        let fine = match probe {
            Probe::Align { .. } if hidden => true,
            Probe::Align { .. } if case.has(Feature::Aligned) => found <= *expected,
            _ => found == *expected,
        };
        if !fine {
            return Err(format!("{probe:?}: {expected} in C, {found} in Rust"));
        }
    }
    let expected = rust::leaves(case);
    let found: Vec<&str> = leaves.split_whitespace().collect();
    if expected.len() != found.len() {
        return Err(format!("{} leaves in C, {} in Rust", expected.len(), found.len()));
    }
    for ((path, expected), found) in expected.iter().zip(found) {
        if expected.is_some_and(|expected| expected.to_string() != found) {
            return Err(format!("{path}: {} in C, {found} in Rust", expected.unwrap_or_default()));
        }
    }
    let dynamic = dynamic(path, &object.value);
    if dynamic == line { Ok(()) } else { Err(format!("read by type {line}\nand at run time {dynamic}")) }
}

/// The value's line as it is made at run time.
fn dynamic(path: &std::path::Path, value: &[u8]) -> String {
    let skeleton = Skeleton::from_object("case".to_owned(), fs::read(path).unwrap(), "case").unwrap();
    let layouts = skeleton.check("case").unwrap().layouts;
    let id = layouts.btf.iter().map(|(id, _)| id).find(|id: &TypeId| layouts.c_name(*id) == "struct top").unwrap();
    let size = layouts.layout(id).size as usize;
    Value::new(&layouts, id, &value[..size]).unwrap().to_string()
}

/// Cases that failed, and how.
#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn add(&mut self, case: &Case, what: &str) {
        self.0.push(format!("{what}\n{}", c::source(case)));
    }
}

impl std::fmt::Display for Failures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} cases failed; the first ones:", self.0.len())?;
        self.0.iter().take(3).try_for_each(|failure| writeln!(f, "\n{failure}"))
    }
}
