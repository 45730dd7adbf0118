//! `cargo eunomia make`: compiles the BPF C of packages to skeletons, then runs `cargo build`.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, Write},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::MetadataCommand;
use eunomia_runtime::{__private::one_line, Skeleton};

use super::{CommandError, args::Make, output};
use crate::{Config, Error, files, stale};

pub(super) fn run(args: &Make, err: &mut dyn Write) -> Result<(), CommandError> {
    let cargo_args = args.words()?;
    let mut metadata = MetadataCommand::new();
    metadata.no_deps();
    if let Some(manifest) = &args.manifest_path {
        metadata.manifest_path(manifest);
    }
    let metadata = metadata.exec().map_err(|error| match error {
        cargo_metadata::Error::CargoMetadata { stderr } => Error::Config(stderr),
        error => Error::Config(format!("cannot run `cargo metadata`: {error}")),
    })?;

    let here = env::current_dir().unwrap_or_default();
    let mut found = false;
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.as_std_path().parent().unwrap_or(Path::new("/"));
        // Relative paths are shorter in the messages of clang.
        let folder = folder.strip_prefix(&here).unwrap_or(folder);
        for source in sources(&folder.join("src/bpf"))? {
            found = true;
            make(args, folder, &source, err)?;
        }
    }
    if !found {
        let root = metadata.workspace_root.as_std_path().display();
        return Err(Error::Config(format!(
            "no package of {root} has a BPF program in src/bpf/*.bpf.c; put it there, or write an app that has one with `cargo eunomia new`"
        ))
        .into());
    }
    build(args.manifest_path.as_deref(), cargo_args)
}

/// Returns the sources in a folder, sorted.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::File { tried: "read", path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut sources = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if stem(&path).is_some_and(|stem| !stem.is_empty()) && path.is_file() {
            sources.push(path);
        }
    }
    sources.sort_unstable();
    Ok(sources)
}

/// Returns the name of a source without `.bpf.c`.
fn stem(source: &Path) -> Option<String> {
    let name = source.file_name()?.to_string_lossy();
    name.strip_suffix(".bpf.c").map(str::to_owned)
}

/// Compiles a source of the package in `folder`, unless its skeleton is current.
fn make(
    args: &Make,
    folder: &Path,
    source: &Path,
    err: &mut dyn Write,
) -> Result<(), CommandError> {
    let name = stem(source).unwrap_or_default();
    if name.contains(char::is_control) {
        // Nobody has named it on the command line, and it would forge lines in clang's messages.
        return Err(Error::Config(format!(
            "cannot compile {}: its name has control characters; rename the file",
            one_line(&source.to_string_lossy())
        ))
        .into());
    }
    let package = source.with_file_name(format!("{name}.json"));
    // A package does not say which arguments it was built with.
    if args.clang_args.is_empty() && is_current(source, &package)? {
        return Ok(());
    }
    let mut config = Config::new().source(source);
    if let Some(clang) = &args.clang {
        config = config.clang(clang);
    }
    for arg in &args.clang_args {
        config = config.clang_arg(arg);
    }
    // The object is the same in whatever folder of a workspace the command runs.
    if !folder.as_os_str().is_empty() && !folder.as_os_str().as_encoded_bytes().contains(&b'=') {
        let mut map = OsString::from("-ffile-prefix-map=");
        map.push(folder.join(""));
        map.push("=");
        config = config.clang_arg(map);
    }
    let packed = config.packed(&mut output::warnings(err))?;
    files::write(&[(&package, packed.text.as_bytes())])?;
    output::notes(&packed.notes, &mut output::warnings(err));
    let [from, to] = [source, package.as_path()].map(|path| path.to_string_lossy());
    let _ = writeln!(err, "{} -> {}", one_line(&from), one_line(&to));
    Ok(())
}

/// Reports whether a skeleton was built from the source as it is now, with the headers as they are.
fn is_current(source: &Path, package: &Path) -> Result<bool, CommandError> {
    let bytes = match files::read(package) {
        Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(false);
        }
        bytes => bytes?,
    };
    // Not overwritten: a file that is not a skeleton belongs to somebody.
    let skeleton = Skeleton::from_slice(&bytes, &package.display().to_string())?;
    Ok(stale::is_current(&skeleton, package, source))
}

/// Runs `cargo build`, whose messages go to the streams of this process.
fn build(manifest: Option<&Path>, args: &[OsString]) -> Result<(), CommandError> {
    // cargo sets CARGO for its subcommands.
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.arg("build");
    if let Some(manifest) = manifest {
        cargo.arg("--manifest-path").arg(manifest);
    }
    let status = cargo
        .args(args)
        .status()
        .map_err(|error| Error::Config(format!("cannot run `cargo build`: {error}")))?;
    if status.success() {
        return Ok(());
    }
    // As a shell does it for a program that a signal ended.
    let code = status.code().unwrap_or(128 + status.signal().unwrap_or(0));
    Err(CommandError::Cargo(u8::try_from(code).unwrap_or(1)))
}
