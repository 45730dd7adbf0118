//! Benchmarks rustc on a library that is a generated module, compared with the module that
//! libbpf-cargo generates for the same object, in one run: a check, and builds with and without
//! optimization.
//!
//! The time for an empty library with the same dependencies is subtracted from both.

use std::{env, fs, process::Command, time::Instant};

use eunomia_build::{Config, Skeleton};
use eunomia_tests::crates::Crate;
use libbpf_cargo::SkeletonBuilder;

const OBJECTS: [&str; 6] = ["bootstrap", "kinds", "maps", "profile", "streams", "tagged"];

/// The measured commands: name, arguments of cargo, rounds.
const COMMANDS: [(&str, &[&str], usize); 3] =
    [("check", &["check"], 25), ("build", &["build"], 7), ("release", &["build", "--release"], 5)];

fn main() {
    let tmp = env!("CARGO_TARGET_TMPDIR");
    let ours = Crate::new(tmp, "compile_ours", &["load"]);
    let peer = Crate::new(tmp, "compile_peer", &["load"]);
    let manifest = fs::read_to_string(peer.path("Cargo.toml")).unwrap();
    peer.write(
        "Cargo.toml",
        manifest.replace(
            "[profile.dev]\n",
            "libbpf-rs = { version = \"*\", default-features = false }\n\n[profile.dev]\n",
        ),
    );
    for package in [&ours, &peer] {
        package.write("src/lib.rs", EMPTY);
    }
    let mut ratios = Vec::new();
    for name in OBJECTS {
        let object = ours.path(&format!("{name}.bpf.o"));
        fs::write(
            &object,
            Skeleton::from_file(format!("bpf/{name}.json")).unwrap().object.unwrap(),
        )
        .unwrap();
        Config::new().object(&object).out_dir(ours.path("src")).generate().unwrap();
        SkeletonBuilder::new()
            .obj(&object)
            .reference_obj(true)
            .generate(peer.path("src/m.rs"))
            .unwrap();
        for (what, command, rounds) in COMMANDS {
            let [typed, ours_empty, theirs, peer_empty] = fastest(
                command,
                rounds,
                [
                    (&ours, &format!("include!(\"{name}.rs\");\n")),
                    (&ours, EMPTY),
                    (&peer, "pub mod m { include!(\"m.rs\"); }\n"),
                    (&peer, EMPTY),
                ],
            );
            let (typed, theirs) = (typed - ours_empty, theirs - peer_empty);
            println!("{name}, {what}: {typed:.0} ms, libbpf-cargo's {theirs:.0} ms");
            ratios.push(format!("ratio {what}_{name}_vs_libbpf_cargo={:.2}", typed / theirs));
        }
    }
    ratios.iter().for_each(|ratio| println!("{ratio}"));
}

const EMPTY: &str = "// Empty.\n";

/// Returns the fastest run of each library in milliseconds. The libraries take turns, so that other
/// load on the machine affects all of them.
fn fastest<const N: usize>(
    command: &[&str],
    rounds: usize,
    libraries: [(&Crate, &str); N],
) -> [f64; N] {
    let mut times = [f64::INFINITY; N];
    for round in 0..=rounds {
        for ((package, library), fastest) in libraries.iter().zip(&mut times) {
            // The text changes each time, so that cargo runs rustc.
            package.write("src/lib.rs", format!("{library}// {round}\n"));
            let time = run(command, package);
            // The first round also builds the dependencies.
            if round > 0 {
                *fastest = fastest.min(time);
            }
        }
    }
    times
}

fn run(command: &[&str], package: &Crate) -> f64 {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(command)
        .args(["--quiet", "--offline", "--manifest-path"])
        .arg(package.path("Cargo.toml"));
    let start = Instant::now();
    let output = cargo
        .env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/compile_target"))
        .output()
        .unwrap();
    let time = start.elapsed().as_secs_f64() * 1e3;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    time
}
