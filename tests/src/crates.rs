//! Crates that a test writes, compiles with the workspace's own dependencies and runs.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A package in a folder of its own, outside of the workspace.
#[derive(Debug)]
pub struct Crate {
    root: PathBuf,
    target: PathBuf,
}

impl Crate {
    /// An empty package `name` in `tmp`, which is `CARGO_TARGET_TMPDIR`, that depends on eunomia-runtime with these features.
    ///
    /// # Panics
    /// Where it cannot be written.
    #[must_use]
    pub fn new(tmp: &str, name: &str, features: &[&str]) -> Self {
        let tmp = Path::new(tmp);
        let root = tmp.join(name);
        if root.exists() {
            fs::remove_dir_all(&root).expect("the folder is ours");
        }
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the workspace");
        let written = Self { root, target: tmp.parent().unwrap_or(tmp).to_owned() };
        // Without debug information and increments of its own it compiles in half the time; dependencies keep the profile of the
        // workspace and are those that stand in its target folder already.
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
        // The versions of the workspace; cargo takes out what is not needed.
        written.write("Cargo.lock", fs::read(workspace.join("Cargo.lock")).expect("the workspace has a lock file"));
        written
    }

    /// A path inside.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Writes a file.
    ///
    /// # Panics
    /// Where that fails.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it is inside")).expect("the folder is ours");
        fs::write(path, text).expect("the folder is ours");
    }

    /// Adds a library, of which a package can have any number only as examples. What is public in it is compiled to the end, which
    /// evaluates the asserts inside of methods.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn library(&self, name: &str, text: &str) {
        self.write(&format!("examples/{name}.rs"), text);
        let mut manifest = fs::read_to_string(self.path("Cargo.toml")).expect("it was written");
        let _ = writeln!(manifest, "\n[[example]]\nname = \"{name}\"\ncrate-type = [\"lib\"]");
        self.write("Cargo.toml", manifest);
    }

    /// Compiles all of it.
    ///
    /// # Errors
    /// What the compiler said.
    ///
    /// # Panics
    /// Where there is no cargo.
    pub fn build(&self) -> Result<(), String> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .args(["build", "--bins", "--examples", "--quiet", "--offline", "--keep-going", "--manifest-path"])
            .arg(self.path("Cargo.toml"));
        let output = command.env("CARGO_TARGET_DIR", &self.target).output().expect("cargo runs");
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// Runs a program of it and returns what it prints.
    ///
    /// # Panics
    /// Where the program fails.
    #[must_use]
    pub fn run(&self, program: &str) -> String {
        let output = Command::new(self.target.join("debug").join(program)).output().expect("it was built");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it prints text")
    }
}

/// Builds a program of this workspace, whose target folder has `tmp`, `CARGO_TARGET_TMPDIR`; tests of one package do not build another's.
///
/// # Panics
/// Where it does not compile.
#[must_use]
pub fn program(tmp: &str, package: &str, name: &str) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--locked", "--quiet", "--package", package, "--features", "cli", "--bin", name]);
    assert!(command.status().expect("cargo runs").success());
    Path::new(tmp).with_file_name("debug").join(name)
}
