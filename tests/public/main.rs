//! The public interface of the libraries, as it was reviewed. A text that differs is rewritten and
//! the test fails: look at the printed difference and run it again.
//!
//! The sources are read as they stand, with all features on. Items that macros make are not seen. The
//! rooms of the crates are checked too.

mod print;
mod rooms;
mod tree;

use std::{collections::BTreeSet, fs};

use print::lines;
use rooms::{arrows, circle};
use tree::Tree;

fn compare(name: &str) {
    let sources = format!("{}/../{name}/src", env!("CARGO_MANIFEST_DIR"));
    let found = lines(&Tree::read(&sources));
    let path = format!("{}/public/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let reviewed = fs::read_to_string(&path).unwrap_or_default();
    let reviewed: BTreeSet<_> = reviewed.lines().map(str::to_owned).collect();
    let removed = reviewed.difference(&found).map(|line| format!("-{line}\n"));
    let added = found.difference(&reviewed).map(|line| format!("+{line}\n"));
    let difference: String = removed.chain(added).collect();
    if !difference.is_empty() {
        fs::write(&path, found.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        panic!("the public interface of {name} has changed, the text is rewritten:\n{difference}");
    }
}

#[test]
fn interface_of_runtime_is_the_reviewed_one() {
    compare("eunomia-runtime");
}

#[test]
fn interface_of_build_is_the_reviewed_one() {
    compare("eunomia-build");
}

/// A room can be read, and changed, without those that use it.
#[test]
fn rooms_do_not_use_each_other_in_circles() {
    for name in ["eunomia-runtime", "eunomia-build"] {
        let arrows = arrows(&format!("{}/../{name}/src", env!("CARGO_MANIFEST_DIR")));
        assert!(arrows.len() > 40, "{name}: {}", arrows.len());
        let circle = circle(arrows.keys());
        let files: Vec<_> = arrows
            .iter()
            .filter(|((from, to), _)| circle.contains(&format!("{from} -> {to}")))
            .collect();
        assert!(circle.is_empty(), "{name}: {files:#?}");
    }
}
