//! The arguments of `cargo eunomia build`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::error::ErrorKind;
use eunomia_runtime::__private::is_yaml;

use super::{CommandError, is_stream, pair, usage};

#[derive(clap::Args)]
pub(in super::super) struct Build {
    /// The C sources; several are linked into one object. A header (.h) is an export header
    #[arg(value_name = "FILE.bpf.c", required = true)]
    inputs: Vec<PathBuf>,
    /// A header that a source includes and whose structs are export types; can be repeated
    #[arg(long = "export-header", value_name = "FILE.h")]
    export_headers: Vec<PathBuf>,
    /// The skeleton to write, or a folder for it; `-` for standard output. By default FILE.json in
    /// the current directory
    #[arg(short, long, value_name = "FILE.json")]
    output: Option<PathBuf>,
    /// Writes the metadata (FILE.skel.json) and the object (FILE.bpf.o) in place of the skeleton that
    /// holds both
    #[arg(long)]
    pub(in super::super) separate: bool,
    /// Writes YAML (FILE.yaml) in place of JSON, as `-o FILE.yaml` does; the commands of this
    /// project read both, the macro and build scripts read JSON
    #[arg(long, conflicts_with = "btf_archive")]
    pub(in super::super) yaml: bool,
    /// Writes a tar archive (FILE.tar) with the skeleton and the BTF of every kernel below a folder
    /// in btfhub's layout (ID/VERSION_ID/MACHINE/RELEASE.btf), cut down to what the object uses, for
    /// `eunomia run` on kernels without BTF
    #[arg(long, value_name = "DIR", conflicts_with_all = ["separate", "target_archs"])]
    pub(in super::super) btf_archive: Option<PathBuf>,
    /// An argument for clang, for example --clang-arg=-Iinclude; can be repeated
    #[arg(long = "clang-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub(in super::super) clang_args: Vec<OsString>,
    /// The clang to compile with; by default `clang` from PATH
    #[arg(long, value_name = "PROGRAM")]
    pub(in super::super) clang: Option<PathBuf>,
    /// The architecture to compile for, such as x86_64 or aarch64; by default that of this machine.
    /// If it is repeated, the skeleton holds an object for each
    #[arg(long = "target-arch", value_name = "ARCH")]
    pub(in super::super) target_archs: Vec<String>,
    /// The C type of a map's records, for example --event 'rb=struct event'; can be repeated
    #[arg(long = "event", value_name = "MAP=TYPE", value_parser = pair)]
    pub(in super::super) events: Vec<(String, String)>,
    /// The type of a program whose section names none, given as a section, for example --program
    /// hook=xdp; can be repeated
    #[arg(long = "program", value_name = "PROGRAM=SECTION", value_parser = pair)]
    pub(in super::super) programs: Vec<(String, String)>,
}

impl Build {
    /// Returns the C sources.
    pub(in super::super) fn sources(&self) -> impl Iterator<Item = &PathBuf> {
        self.inputs.iter().filter(|path| !is_header(path))
    }

    /// Returns the headers whose structs are export types.
    pub(in super::super) fn export_headers(&self) -> impl Iterator<Item = &PathBuf> {
        self.inputs.iter().filter(|path| is_header(path)).chain(&self.export_headers)
    }

    /// Returns the file to write; `None` is standard output.
    pub(in super::super) fn output(&self) -> Result<Option<PathBuf>, CommandError> {
        match &self.output {
            Some(output) if is_stream(output) => Ok(None),
            Some(folder) if folder.is_dir() || self.new_folder().is_some() => {
                Ok(Some(folder.join(self.default_output()?)))
            }
            Some(file) => Ok(Some(file.clone())),
            None => Ok(Some(self.default_output()?)),
        }
    }

    /// Reports whether the output, a file or `None` for standard output, is YAML.
    pub(in super::super) fn is_yaml(&self, output: Option<&Path>) -> bool {
        self.yaml || output.is_some_and(is_yaml)
    }

    /// Returns the folder to create for the output: a path that ends with `/`.
    pub(in super::super) fn new_folder(&self) -> Option<&Path> {
        let names_folder = |path: &&Path| path.as_os_str().as_encoded_bytes().ends_with(b"/");
        self.output.as_deref().filter(names_folder)
    }

    /// Returns the name of the skeleton after that of the source.
    fn default_output(&self) -> Result<PathBuf, CommandError> {
        let mut sources = self.sources();
        let (Some(source), None) = (sources.next(), sources.next()) else {
            return Err(usage(
                ErrorKind::MissingRequiredArgument,
                "several sources are linked into one object; name its skeleton with `-o FILE.json`",
            ));
        };
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        // The whole name is used, because `net.ingress.bpf.c` and `net.egress.bpf.c` need two
        // skeletons.
        let stem =
            name.strip_suffix(".bpf.c").or_else(|| name.split('.').next()).unwrap_or_default();
        match stem {
            "" => Err(usage(
                ErrorKind::MissingRequiredArgument,
                "the source has no name that the skeleton could take; name it with `-o FILE.json`",
            )),
            stem if self.btf_archive.is_some() => Ok(format!("{stem}.tar").into()),
            stem if self.yaml => Ok(format!("{stem}.yaml").into()),
            stem => Ok(format!("{stem}.json").into()),
        }
    }
}

fn is_header(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "h")
}
