//! Compiles BPF C.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use libbpf_cargo::SkeletonBuilder;
use libbpf_rs::libbpf_sys;

use crate::{Error, files, said::listen};

/// A C file and how to compile it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) clang: Option<PathBuf>,
    pub(crate) args: Vec<OsString>,
}

/// An object, and every file that went into it.
pub(crate) struct Compiled {
    pub(crate) object: Vec<u8>,
    pub(crate) depends_on: Vec<PathBuf>,
}

/// Arguments with which clang writes something else than an object.
const OTHER: [&str; 6] = ["-E", "-M", "-MM", "-S", "-emit-llvm", "-fsyntax-only"];

impl Source {
    /// What clang says goes to `said`, unless it refuses the source: then that is the error.
    pub(crate) fn compile(&self, said: &mut dyn FnMut(&str)) -> Result<Compiled, Error> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        if !name.ends_with(".bpf.c") {
            // Of other files clang makes no object, or one for no BPF program.
            let what = format!("cannot compile {}: the name of BPF C ends in `.bpf.c`; rename the file", self.path.display());
            return Err(Error::Config(what));
        }
        // libbpf-rs panics where its linker refuses a file.
        let other = |arg: &&OsString| OTHER.iter().any(|other| arg == other) || arg.to_string_lossy().starts_with("-flto");
        if let Some(arg) = self.args.iter().find(other) {
            let what = format!("cannot compile {}: with `{}` clang writes no object; leave it out", self.path.display(), arg.display());
            return Err(Error::Config(what));
        }
        let dir = TempDir::new()?;
        let (object, deps) = (dir.0.join("object.o"), dir.0.join("object.d"));
        let headers = dir.0.join("libbpf");
        unpack_headers(&headers)?;
        let mut builder = SkeletonBuilder::new();
        builder.source(&self.path).obj(&object).clang_args(self.all_args(&headers, &deps));
        if let Some(clang) = &self.clang {
            builder.clang(clang);
        }
        let (built, text) = listen(|| builder.build());
        built.map_err(|error| {
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            let (path, clang) = (self.path.clone(), || self.clang.clone().unwrap_or_else(|| "clang".into()));
            // What clang wrote stands behind the command, and behind that nothing.
            match (causes.as_slice(), error.root_cause().downcast_ref::<io::Error>()) {
                ([.., command, said], _) if command.starts_with("command `") => {
                    let ended = command.rsplit_once(" failed ").map_or("", |(_, status)| status);
                    match said.trim() {
                        "" => Error::Toolchain { path, message: format!("`{}` ended without a word {ended}", clang().display()) },
                        _ => Error::Compile { path, message: said.clone() },
                    }
                }
                ([.., run, _], Some(why)) if run.starts_with("failed to execute `") => {
                    Error::Clang { path, program: clang(), source: io::Error::new(why.kind(), why.to_string()) }
                }
                _ => Error::Toolchain { path, message: causes.join(": ") },
            }
        })?;
        if !text.is_empty() {
            said(&text);
        }
        let mut depends_on = vec![self.path.clone()];
        let included = dependencies(&String::from_utf8_lossy(&files::read(&deps)?));
        // libbpf's own headers go with us.
        depends_on.extend(included.into_iter().filter(|file| !file.starts_with(&headers)));
        Ok(Compiled { object: files::read(&object)?, depends_on })
    }

    fn all_args(&self, headers: &Path, deps: &Path) -> Vec<OsString> {
        let mut args = self.args.clone();
        // Linux headers include <asm/types.h>, which Debian keeps in a folder that clang leaves out for the target bpf.
        let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_else(|_| env::consts::ARCH.to_owned());
        args.extend(["-idirafter".into(), format!("/usr/include/{arch}-linux-gnu").into()]);
        // Paths of this machine must not get into BTF line information: equal sources give equal objects.
        let map = |path: &Path, to: &str| {
            let mut map = OsString::from("-ffile-prefix-map=");
            map.push(path);
            map.push(to);
            map
        };
        args.extend(env::current_dir().ok().map(|here| map(&here, "=.")));
        args.extend(["-I".into(), headers.into(), map(headers, "=libbpf")]);
        args.extend(["-MD".into(), "-MF".into(), deps.into()]);
        args
    }
}

/// Writes the headers of libbpf to `folder/bpf`. libbpf-cargo does so too, in a folder whose name nobody knows before.
fn unpack_headers(folder: &Path) -> Result<(), Error> {
    let folder = folder.join("bpf");
    let write = |path: PathBuf, result: std::io::Result<()>| result.map_err(|source| Error::File { tried: "write", path, source });
    write(folder.clone(), fs::create_dir_all(&folder))?;
    libbpf_sys::API_HEADERS.iter().try_for_each(|(name, text)| write(folder.join(name), fs::write(folder.join(name), text)))
}

/// The files of a dependency list as make reads it: `target: a b \` and so on, spaces in names behind a backslash.
fn dependencies(text: &str) -> Vec<PathBuf> {
    let list = text.split_once(": ").map_or("", |(_, list)| list).replace("\\\n", " ");
    let mut files = Vec::new();
    let mut name = String::new();
    let mut chars = list.chars().chain(['\n']);
    while let Some(c) = chars.next() {
        match c {
            '\\' => name.extend(chars.next()),
            c if c.is_whitespace() => {
                if !name.is_empty() {
                    files.push(PathBuf::from(std::mem::take(&mut name)));
                }
            }
            c => name.push(c),
        }
    }
    files.retain(|file| file.exists());
    files
}

/// A folder of our own that goes with us.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Result<Self, Error> {
        let base = env::var_os("OUT_DIR").map_or_else(env::temp_dir, PathBuf::from);
        for attempt in 0u32.. {
            let path = base.join(format!("eunomia-{}-{attempt}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::File { tried: "write", path, source }),
            }
        }
        Err(Error::Config(format!("no free name for a temporary folder in {}", base.display())))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependency_lists_are_read() {
        let here = env::current_dir().unwrap();
        let (a, b) = (here.join("Cargo.toml"), here.join("src/lib.rs"));
        let text = format!("object.o: {} \\\n  {} /nowhere/gone.h\n", a.display(), b.display());
        assert_eq!(dependencies(&text), [a, b]);
    }
}
