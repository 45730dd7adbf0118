//! Crates that a test writes, compiles with the dependencies of the workspace and runs.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A package outside of the workspace.
#[derive(Debug)]
pub struct Crate {
    root: PathBuf,
    target: PathBuf,
}

impl Crate {
    /// Creates an empty package `name` in `tmp`, which is `CARGO_TARGET_TMPDIR`. It depends on
    /// eunomia-runtime with these features.
    ///
    /// # Panics
    /// If the package cannot be written.
    #[must_use]
    pub fn new(tmp: &str, name: &str, features: &[&str]) -> Self {
        let tmp = Path::new(tmp);
        let root = tmp.join(name);
        if root.exists() {
            fs::remove_dir_all(&root).expect("the folder is ours");
        }
        let workspace =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace");
        let written = Self { root, target: tmp.parent().unwrap_or(tmp).to_owned() };
        // The package compiles in half the time without debug information and incremental
        // compilation. Dependencies keep the profile of the workspace, so those in its target
        // folder are reused.
        let manifest = format!(
            r#"[package]
name = "{name}"
edition = "2024"
version = "0.0.0"

[dependencies]
eunomia-runtime = {{ path = "{runtime}", default-features = false, features = {features:?} }}

[profile.dev]
debug = 0
incremental = false

[profile.dev.package."*"]
debug = true

[workspace]
"#,
            runtime = workspace.join("eunomia-runtime").display(),
        );
        written.write("Cargo.toml", manifest);
        // The versions of the workspace; cargo removes those that are not needed.
        written.write(
            "Cargo.lock",
            fs::read(workspace.join("Cargo.lock")).expect("the workspace has a lock file"),
        );
        written
    }

    /// Returns a path inside the package.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Writes a file.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it is inside")).expect("the folder is ours");
        fs::write(path, text).expect("the folder is ours");
    }

    /// Adds a library, as an example, because a package can have only one library but any number of
    /// examples. Public items of a library are compiled completely, which evaluates the constant
    /// assertions in methods.
    ///
    /// # Panics
    /// If the files cannot be written.
    pub fn library(&self, name: &str, text: &str) {
        self.write(&format!("examples/{name}.rs"), text);
        let mut manifest = fs::read_to_string(self.path("Cargo.toml")).expect("it was written");
        let _ = writeln!(manifest, "\n[[example]]\nname = \"{name}\"\ncrate-type = [\"lib\"]");
        self.write("Cargo.toml", manifest);
    }

    /// Compiles the package.
    ///
    /// # Errors
    /// The output of the compiler if the package does not compile.
    ///
    /// # Panics
    /// If cargo cannot be run.
    pub fn build(&self) -> Result<(), String> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args([
                "build",
                "--bins",
                "--examples",
                "--quiet",
                "--offline",
                "--keep-going",
                "--manifest-path",
            ])
            .arg(self.path("Cargo.toml"));
        let output = command.env("CARGO_TARGET_DIR", &self.target).output().expect("cargo runs");
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Runs a program of the package and returns its output.
    ///
    /// # Panics
    /// If the program fails.
    #[must_use]
    pub fn run(&self, program: &str) -> String {
        let output =
            Command::new(self.target.join("debug").join(program)).output().expect("it was built");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it prints text")
    }
}

/// Returns `cargo` with a command, for a package in `folder` that `cargo eunomia new` wrote. The
/// package uses the versions, the profile and, through `tmp`, which is `CARGO_TARGET_TMPDIR`, the
/// target folder of this workspace, so most of its dependencies are compiled already.
///
/// # Panics
/// If a file cannot be read or written.
#[must_use]
pub fn cargo(tmp: &str, folder: &Path, command: &str) -> Command {
    let workspace =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace");
    fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the folder is ours");
    let read = |path: PathBuf| fs::read_to_string(path).expect("the manifest is there");
    let shared = read(workspace.join("Cargo.toml"));
    let profile = shared.split("[profile.dev").skip(1).map(|part| {
        format!("[profile.dev{}", part.split("\n[profile.bench]").next().unwrap_or_default())
    });
    let mut manifest = read(folder.join("Cargo.toml"));
    if !manifest.contains("[workspace]") {
        let _ = writeln!(manifest, "\n[workspace]\n\n{}", profile.collect::<String>());
        fs::write(folder.join("Cargo.toml"), manifest).expect("the folder is ours");
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([command, "--offline", "--quiet"]).current_dir(folder);
    cargo.env("CARGO_TARGET_DIR", Path::new(tmp).parent().unwrap_or(Path::new(tmp)));
    cargo
}

/// Builds a program of another package of this workspace, which cargo does not build for tests, and
/// returns its path. `tmp` is `CARGO_TARGET_TMPDIR`, in the target folder of the workspace.
///
/// # Panics
/// If the program does not compile.
#[must_use]
pub fn program(tmp: &str, package: &str, name: &str) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--locked",
        "--quiet",
        "--package",
        package,
        "--features",
        "cli",
        "--bin",
        name,
    ]);
    assert!(command.status().expect("cargo runs").success());
    Path::new(tmp).with_file_name("debug").join(name)
}
