//! `cargo eunomia new`: writes an app.

use std::{
    env, fs, io,
    io::Write,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use eunomia_runtime::{__private::one_line, Skeleton, skeleton::object_name};

use super::{
    CommandError,
    args::{New, Template},
    output,
};
use crate::{Error, module::chosen, stale};

/// The files of a template. Their place in the app is that in the template, with `NAME` for the
/// template's name.
struct Files {
    /// What the app does.
    about: &'static str,
    /// Arguments with which the app shows something.
    usage: &'static str,
    /// The features of eunomia-runtime that the app uses.
    features: &'static str,
    main: &'static str,
    tests: &'static str,
    source: &'static str,
    /// The package of `source`, which saves users clang. Like the committed packages of this
    /// repository it does not list its source.
    package: &'static str,
}

/// Reads the files of a template.
macro_rules! files {
    ($name:literal, $about:literal, $usage:literal, $features:literal) => {
        Files {
            about: $about,
            usage: $usage,
            features: $features,
            main: include_str!(concat!("../../templates/", $name, "/src/main.rs")),
            tests: include_str!(concat!("../../templates/", $name, "/src/tests.rs")),
            source: include_str!(concat!("../../templates/", $name, "/src/bpf/", $name, ".bpf.c")),
            package: include_str!(concat!("../../templates/", $name, "/src/bpf/", $name, ".json")),
        }
    };
}

impl Template {
    fn files(self) -> Files {
        match self {
            Self::Tracer => files!(
                "tracer",
                "Prints every program that starts: records of a ring buffer.",
                "--duration 10",
                r#""clap", "load""#
            ),
            Self::Histogram => files!(
                "histogram",
                "Shows once a second how long system calls took: a map that is read at intervals.",
                "--duration 10",
                r#""clap", "load""#
            ),
            Self::Xdp => files!(
                "xdp",
                "Counts the packets of an interface by protocol, and drops those to one UDP port.",
                "lo --duration 10",
                r#""clap", "load""#
            ),
            Self::Profiler => files!(
                "profiler",
                "Samples what runs on each CPU and prints the stacks with their counts, for flame graphs.",
                "--duration 10",
                r#""clap", "load", "symbolize""#
            ),
        }
    }
}

const README: &str = include_str!("../../templates/README.md");
const BUILD: &str = include_str!("../../templates/build.rs");

/// The line of each `main.rs` that includes the module, and the line for a module that a build
/// script writes.
const INCLUDE: [&str; 2] = [
    "eunomia_macros::include_skeleton!(\"src/bpf/NAME.json\", mod = bpf);",
    "include!(concat!(env!(\"OUT_DIR\"), \"/bpf.rs\"));",
];

/// Names that cargo or the compiler uses for something else, and those of the app's dependencies.
const RESERVED: [&str; 14] = [
    "alloc",
    "build",
    "clap",
    "core",
    "ctrlc",
    "deps",
    "eunomia_build",
    "eunomia_macros",
    "eunomia_runtime",
    "examples",
    "incremental",
    "proc_macro",
    "std",
    "test",
];

/// Parses the folder of an app, whose last part is the name of a package.
pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
    let folder = PathBuf::from(text);
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_letter = |c: char| c.is_ascii_alphabetic();
    if !name.starts_with(is_letter)
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    {
        return Err(
            "the name of a package begins with a letter and has letters, digits, `-` and `_`"
                .to_owned(),
        );
    }
    let ident = name.replace('-', "_");
    if chosen(&ident).is_none_or(|chosen| chosen != ident) {
        return Err(format!("`{name}` is a keyword of Rust; choose another name"));
    }
    if RESERVED.contains(&&*ident) {
        let why = "means something else to cargo, or is a crate that the app uses";
        return Err(format!("`{name}` {why}; choose another name"));
    }
    Ok(folder)
}

pub(super) fn run(args: &New, out: &mut dyn Write) -> Result<(), CommandError> {
    let (folder, name) = (&args.folder, object(&args.folder));
    let shown = folder.to_string_lossy();
    let shown = one_line(&shown);
    if fs::symlink_metadata(folder).is_ok() && !is_empty(folder) {
        return Err(Error::Config(format!(
            "{shown} exists already; choose another name, or remove it first"
        ))
        .into());
    }
    let crates = Crates::find(args.eunomia.as_deref())?;
    let Files { about, usage, features, main, tests, source, package } = args.template.files();
    let filled = |text: &str| text.replace("NAME", &name);

    let staged = Staged::beside(folder)?;
    let c_file = format!("src/bpf/{name}.bpf.c");
    staged.write("Cargo.toml", manifest(&name, &crates, features, args.build_script)?)?;
    staged.write(".gitignore", "/target\n")?;
    staged.write(&c_file, source)?;
    staged.write("src/tests.rs", tests)?;
    let readme = README.replace("ABOUT", about).replace("USAGE", usage);
    if args.build_script {
        let readme = readme.replace("REBUILD\n", "").replace("SKELETON", BUILT_ROW);
        staged.write("README.md", filled(&readme))?;
        staged.write("build.rs", filled(BUILD))?;
        staged.write("src/main.rs", filled(&main.replace(INCLUDE[0], INCLUDE[1])))?;
    } else {
        let readme = readme.replace("REBUILD", MAKE).replace("SKELETON", SKELETON_ROW);
        staged.write("README.md", filled(&readme))?;
        staged.write("src/main.rs", filled(main))?;
        let mut skeleton = Skeleton::parse(package, "the package of the template")?;
        skeleton.name = object_name(&name);
        let c_file = staged.0.join(c_file);
        stale::list(&mut skeleton, std::slice::from_ref(&c_file), std::slice::from_ref(&c_file));
        staged.write(&format!("src/bpf/{name}.json"), skeleton.to_json())?;
    }
    staged.rename(folder)?;
    let text = format!(
        "{shown}: {about}\n{}\n\n  cd {shown}\n  cargo run -- {usage}\n  cargo test\n\nREADME.md has the commands \
         for users who are not root.\n",
        crates.said()
    );
    Ok(output::print(out, text.as_bytes())?)
}

const MAKE: &str = "cargo eunomia make                                  # after a change of src/bpf/NAME.bpf.c; needs clang";
const SKELETON_ROW: &str = "| `src/bpf/NAME.json` | the skeleton: the compiled program, described; `cargo eunomia make` writes it |";
const BUILT_ROW: &str =
    "| `build.rs` | compiles the program with clang and makes its Rust module |";

fn object(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn manifest(
    name: &str,
    crates: &Crates,
    features: &str,
    is_built: bool,
) -> Result<String, CommandError> {
    let [macros, build, runtime] =
        ["macros", "build", "runtime"].map(|name| crates.dependency(&format!("eunomia-{name}")));
    let (runtime, macros, build) = (runtime?, macros?, build?);
    let mut text = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
         clap = {{ version = \"4\", features = [\"derive\"] }}\n\
         ctrlc = {{ version = \"3\", features = [\"termination\"] }}\n"
    );
    if !is_built {
        text += &format!("eunomia-macros = {{ {macros} }}\n");
    }
    text += &format!(
        "eunomia-runtime = {{ {runtime}, default-features = false, features = [{features}] }}\n"
    );
    if is_built {
        text += &format!(
            "\n[build-dependencies]\neunomia-build = {{ {build}, features = [\"compile\"] }}\n"
        );
    }
    Ok(text)
}

/// Where cargo gets the crates of eunomia from.
enum Crates {
    /// A clone of the repository.
    Clone(PathBuf),
    /// The registry.
    Registry,
}

impl Crates {
    /// Finds the clone that the user names, or else the one that this command was built from.
    fn find(named: Option<&Path>) -> Result<Self, CommandError> {
        let is_clone = |folder: &Path| folder.join("eunomia-runtime/Cargo.toml").is_file();
        if let Some(folder) = named {
            if !is_clone(folder) {
                let message = format!(
                    "{} has no folder eunomia-runtime; name a clone of eunomia's repository",
                    folder.display()
                );
                return Err(Error::Config(message).into());
            }
            let path = fs::canonicalize(folder).map_err(|source| Error::File {
                tried: "read",
                path: folder.to_owned(),
                source,
            })?;
            return Ok(Self::Clone(path));
        }
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"));
        // The folder may be gone, and another user may have made one of its name, or a link, which
        // he can change later. Whoever owns this command can make it do anything already.
        let built_from = &fs::canonicalize(built_from).unwrap_or_default();
        let owner = |path: &Path| fs::metadata(path).map(|found| found.uid());
        let is_trusted = match (env::current_exe().and_then(|exe| owner(&exe)), owner(built_from)) {
            (Ok(own), Ok(other)) => own == other,
            _ => false,
        };
        Ok(if is_trusted && is_clone(built_from) {
            Self::Clone(built_from.to_owned())
        } else {
            Self::Registry
        })
    }

    /// Returns the keys of a dependency that say where it is.
    fn dependency(&self, name: &str) -> Result<String, CommandError> {
        let Self::Clone(folder) = self else {
            return Ok(format!("version = \"{}\"", env!("CARGO_PKG_VERSION")));
        };
        let path = folder.join(name);
        match path.to_str().filter(|path| !path.contains(|c: char| c.is_control())) {
            Some(path) => {
                Ok(format!("path = \"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"")))
            }
            None => Err(Error::Config(format!(
                "the path {} cannot be written to Cargo.toml; rename its folder",
                path.display()
            ))
            .into()),
        }
    }

    fn said(&self) -> String {
        match self {
            Self::Clone(folder) => {
                format!("It uses the crates of eunomia in {}.", folder.display())
            }
            Self::Registry => format!(
                "It uses the crates of eunomia {} from the registry. For those of a clone of the repository, \
                 remove it and use `--eunomia DIR`.",
                env!("CARGO_PKG_VERSION")
            ),
        }
    }
}

/// A folder that gets its name when it is complete.
struct Staged(PathBuf);

impl Staged {
    fn beside(folder: &Path) -> Result<Self, Error> {
        for attempt in 0u32.. {
            let name = format!(".{}.{}-{attempt}.tmp", object(folder), std::process::id());
            let path = folder.with_file_name(name);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(folder, error)),
            }
        }
        Err(failed(folder, io::Error::other("no free name for a temporary folder")))
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<(), Error> {
        let path = self.0.join(name);
        let folder = path.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| failed(&path, error))
    }

    /// Renames the folder. An empty folder of that name is replaced; the kernel refuses any other.
    fn rename(mut self, folder: &Path) -> Result<(), Error> {
        fs::rename(&self.0, folder).map_err(|error| failed(folder, error))?;
        self.0.clear();
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::File { tried: "write", path: path.to_owned(), source }
}
