//! Test programs, built by cargo.

use std::{
    env,
    ffi::OsString,
    io::{self, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cargo_metadata::{Artifact, Message, TargetKind};
use eunomia_vm::Run;

use super::CommandError;

/// A test program.
pub(super) struct Program {
    /// The name of the target; with its source if other targets have the same name.
    pub(super) name: String,
    path: PathBuf,
    manifest: PathBuf,
}

impl Program {
    /// Returns a run of the program with arguments, in the directory of its package as cargo does.
    pub(super) fn run(&self, args: &[OsString]) -> Result<Run, eunomia_vm::Error> {
        let folder = self.manifest.parent().unwrap_or(Path::new("/"));
        let run = Run::new(&self.path, args.iter().cloned())?;
        Ok(run
            .folder(folder)
            .env("CARGO_MANIFEST_DIR", folder)
            .env("CARGO_MANIFEST_PATH", &self.manifest))
    }
}

/// Builds what `cargo test` would run. The output of cargo and of the compiler goes to standard
/// error unchanged.
pub(super) fn build(args: &[OsString]) -> Result<Vec<Program>, CommandError> {
    let failed = |message: String| CommandError::Tests(format!("cargo test --no-run: {message}"));
    let not_read = |error: io::Error| failed(format!("cannot read its messages: {error}"));
    // cargo sets CARGO for its subcommands.
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["test", "--no-run", "--message-format=json-render-diagnostics"]).args(args);
    let mut cargo = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let messages =
        Message::parse_stream(BufReader::new(cargo.stdout.take().expect("it is a pipe")));
    let artifacts = messages.filter_map(|message| match message {
        Ok(Message::CompilerArtifact(artifact)) if artifact.profile.test => Some(Ok(artifact)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    // An error ends the reading, and cargo ends by the closed pipe.
    let artifacts: Result<Vec<_>, _> = artifacts.collect();
    let status = cargo.wait().map_err(not_read)?;
    let artifacts = artifacts.map_err(not_read)?;
    if !status.success() {
        return Err(failed("the tests cannot be built".to_owned()));
    }
    let programs = programs(artifacts);
    if programs.is_empty() { Err(failed("no tests were built".to_owned())) } else { Ok(programs) }
}

/// Returns the programs in the order in which cargo runs them; cargo reports them as they are
/// built.
fn programs(mut artifacts: Vec<Artifact>) -> Vec<Program> {
    let place = |artifact: &Artifact| match artifact.target.kind.first() {
        Some(TargetKind::Bin) => 1,
        Some(TargetKind::Example) => 2,
        Some(TargetKind::Test) => 3,
        Some(TargetKind::Bench) => 4,
        _ => 0,
    };
    artifacts.sort_by_cached_key(|artifact| {
        (artifact.manifest_path.clone(), place(artifact), artifact.target.name.clone())
    });
    let here = env::current_dir().unwrap_or_default();
    let name = |artifact: &Artifact| {
        let (name, source) = (&artifact.target.name, artifact.target.src_path.as_std_path());
        let same = artifacts.iter().filter(|other| other.target.name == *name).count();
        if same == 1 {
            name.clone()
        } else {
            format!("{name} ({})", source.strip_prefix(&here).unwrap_or(source).display())
        }
    };
    let program = |artifact: &Artifact| {
        let path = artifact.executable.clone()?.into_std_path_buf();
        Some(Program {
            name: name(artifact),
            path,
            manifest: artifact.manifest_path.clone().into_std_path_buf(),
        })
    };
    artifacts.iter().filter_map(program).collect()
}
