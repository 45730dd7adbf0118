//! `cargo eunomia build --target-arch`, and packages with an object for each architecture.

use std::{env::consts::ARCH, fs};

use eunomia_build::Skeleton;

use super::{clang, folder, printed, refused};

const SOURCE: &str = "\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#if defined(__TARGET_ARCH_x86)
const volatile int of_x86 = 0;
#elif defined(__TARGET_ARCH_arm64)
const volatile int of_arm64 = 0;
#endif
SEC(\"xdp\") int pass(void *context) { return 2; }
";

/// Returns the variables of the package for an architecture.
fn variables(text: &str, arch: &str) -> Vec<String> {
    let skeleton = Skeleton::from_slice_for(text.as_bytes(), "x.json", arch).unwrap();
    let sections = skeleton.sections.into_iter().flat_map(|section| section.variables);
    sections.map(|variable| variable.name).collect()
}

#[test]
fn package_holds_object_for_each_architecture() {
    let (dir, path) = folder("architectures");
    let (source, package) = (format!("{path}/x.bpf.c"), format!("{path}/x.json"));
    fs::write(&source, SOURCE).unwrap();
    let clang = clang();
    let build = ["build", &source, "--clang", &clang, "-o", &package];
    let with = |archs: &[&str]| {
        let archs = archs.iter().flat_map(|arch| ["--target-arch", arch]);
        let words: Vec<&str> = build.into_iter().chain(archs).collect();
        assert_eq!(printed(&words), "");
        fs::read_to_string(&package).unwrap()
    };
    // One architecture is a package as any other.
    let text = with(&["arm64"]);
    assert_eq!(variables(&text, ARCH), ["of_arm64"]);

    let text = with(&["x86_64", "aarch64"]);
    assert_eq!(variables(&text, "x86_64"), ["of_x86"]);
    assert_eq!(variables(&text, "aarch64"), ["of_arm64"]);
    let error = Skeleton::from_slice_for(text.as_bytes(), "x.json", "riscv64").unwrap_err();
    assert_eq!(
        error.to_string(),
        "x.json:2:20: architectures: the package is for `aarch64`, `x86_64`, but not for `riscv64`; \
         build it with `--target-arch riscv64` as well"
    );
    assert!(printed(&["check", &package]).contains("object x; maps: none; programs: pass"));
    for (arch, known) in [("x86", "of_x86"), ("arm64", "of_arm64")] {
        assert!(printed(&["gen", &package, "--target-arch", arch]).contains(known));
        printed(&["check", &package, "--target-arch", arch]);
    }
    assert!(
        refused(&["check", &package, "--target-arch", "riscv64"]).contains("but not for `riscv64`")
    );

    // Faults have their lines, also those that only the object shows.
    let name = "\"name\": \"pass\"";
    fs::write(&package, text.replace(name, "\"name\": \"passed\"")).unwrap();
    let error = refused(&["check", &package, "--stale"]);
    let place = format!("architectures.{ARCH}.meta.bpf_skel.progs[0].name: ");
    let (before, _) = error.split_once(&place).unwrap();
    let line: usize = before.split(':').nth(1).unwrap().parse().unwrap();
    assert!(text.lines().nth(line - 1).unwrap().contains(name), "{error}");
    drop(dir);
}

#[test]
fn architectures_that_cannot_be_served_are_refused() {
    let (_, path) = folder("architectures-refused");
    let source = format!("{path}/x.bpf.c");
    fs::write(&source, SOURCE).unwrap();
    let error = |arch| refused(&["build", &source, "--clang", &clang(), "--target-arch", arch]);
    assert_eq!(
        error("s390x"),
        "cannot compile for s390x: it is big-endian, and eunomia reads objects and records of little-endian machines only\n"
    );
    assert_eq!(
        error("x68"),
        "unknown architecture `x68`, known are x86_64, aarch64, riscv64, loongarch64, powerpc64, s390x, sparc64, mips64\n"
    );
}
